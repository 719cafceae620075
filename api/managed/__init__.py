"""What managers make, show and end: what webhooks and alerts have in common."""
