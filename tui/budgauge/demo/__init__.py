"""A day of made-up agents, for a first look."""
