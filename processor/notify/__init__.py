"""Webhooks: changes delivered in order, until they are taken or given up."""
