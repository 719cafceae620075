"""What presence adds up to: spans and sessions, windows, samples."""
