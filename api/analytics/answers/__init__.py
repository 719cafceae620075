"""What the calls about people over time answer, subject by subject as ``described`` has them."""
