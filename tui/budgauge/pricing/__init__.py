"""What a call costs: models, prices, and the factors beside them."""
