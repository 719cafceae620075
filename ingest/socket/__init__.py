"""Sockets: their lives (PURE) and the shell around them."""
