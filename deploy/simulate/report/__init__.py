"""The accuracy report: what the simulator knows beside what Rollcall shows (docs/accuracy.md)."""
