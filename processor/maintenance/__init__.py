"""Housekeeping by whichever processor comes first: partitions, retention, rollups, sketches."""
