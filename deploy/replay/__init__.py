"""`rollcall replay`: a CSV file of events becomes a log on the file's own time."""
