"""How Rollcall is run: the command `rollcall`, local servers, and what operators do by hand."""
