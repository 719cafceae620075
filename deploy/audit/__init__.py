"""The audit: a second evaluator of the log, and the comparison of the tables with what it says."""
