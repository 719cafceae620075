"""Events in, presence out: the Faust processor that keeps who is online in PostgreSQL."""
