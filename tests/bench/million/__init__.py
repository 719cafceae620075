"""``make bench-million`` and ``make bench-catch-up``: a fleet that is online, beat by beat."""
