"""Audiences on their way to a push provider, without a file in between."""
