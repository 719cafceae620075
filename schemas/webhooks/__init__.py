"""Webhooks: filters, timers, messages and their signatures."""
