"""How a run of the whole suite is organised: its servers, its order, and what it may cost."""
