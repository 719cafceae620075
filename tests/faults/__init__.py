"""``make test-faults``: one fault after the other under a fleet of phones, and what held."""
