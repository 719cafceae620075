"""Rollups held against the rows that they are made of."""
