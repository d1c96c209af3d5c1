"""What stands in the way of a budget that holds, and how to mend it."""
