"""Saved views: addresses of the dashboard that readers keep under a name."""
