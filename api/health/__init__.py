"""How Rollcall itself does: what its processes say, and what PostgreSQL knows of them."""
