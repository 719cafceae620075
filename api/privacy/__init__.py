"""Opting out, seeing what is stored, and being erased (promise 8)."""
