"""Users and screens over time."""
