"""``/api/v1/feed``: what changes, as it changes, for everybody who looks (server-sent events)."""
