"""The door: takes what phones send over HTTP, and answers once it is in the log."""
