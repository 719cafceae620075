"""Canaries: synthetic devices in production, and whether what is shown of them is true."""
