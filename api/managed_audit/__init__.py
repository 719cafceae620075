"""What managers made, changed and ended."""
