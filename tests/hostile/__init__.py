"""``make test-hostile``: everything that was seen to knock a door over, at once, beside phones."""
