"""What the monitor's screens are made of."""
