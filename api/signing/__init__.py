"""What the API gives out and nobody else can make: its secret and cursors."""
