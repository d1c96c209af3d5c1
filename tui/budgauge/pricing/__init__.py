"""Cost of calls: models, prices, and the factors beside them."""
