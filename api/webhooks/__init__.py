"""Webhooks: who is called with which changes."""
