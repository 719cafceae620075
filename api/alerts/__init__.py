"""Product alerts: rules that managers make, and whom they tell."""
