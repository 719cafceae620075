"""The two calls over HTTP."""
