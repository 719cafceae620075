"""What comes from outside, made safe: text, nesting, characters, errors."""
