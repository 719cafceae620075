"""Whether the processor gets anywhere: metrics, lag, health, the watchdog."""
