"""Our HTTP server, and what it says: problems, responses, limits."""
