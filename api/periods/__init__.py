"""Which time an answer is about, and which rows answer it. PURE."""
