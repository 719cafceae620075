"""``make fuzz``: what parsers promise of any bytes, hunted for with coverage."""
