"""The query API and the dashboard: who is online now, for programs and for people."""
