"""Audiences on their way to a push provider, page by page."""
