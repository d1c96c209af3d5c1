"""Records and their fold: usage by agent, and the rules of the budget. Pure: no file, no clock."""
