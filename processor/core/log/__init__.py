"""The log as the processor reads it: places in it, its time, and what of it is gone. PURE."""
