"""The doctor: finds obstacles to a budget, and names the fix of each."""
