"""A federation: one database whose views add up several deployments (docs/federation.md)."""
