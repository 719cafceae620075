"""What a phone says, whatever it looks like. PURE."""
