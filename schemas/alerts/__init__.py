"""Product alerts: their rules, what these find, and the message."""
