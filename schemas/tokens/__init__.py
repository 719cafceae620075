"""Whose tokens count, and for whom they speak."""
