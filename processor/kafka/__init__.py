"""Reading the log with Faust, and publishing. All use of Faust's private API is here."""
