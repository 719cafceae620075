"""Audiences: whom a filter finds, to look at and to take to a push provider."""
