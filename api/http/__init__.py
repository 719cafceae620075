"""What every call has in common: the door, routes, parameters, documents."""
