"""Who is online, now and at an instant."""
