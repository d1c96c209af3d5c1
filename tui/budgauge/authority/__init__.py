"""Who decides whether tokens may be spent."""
