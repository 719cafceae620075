"""Product alerts: rules that are looked at as log time passes, and their notices."""
