"""Records and their fold: what was used, by whom, and what is still allowed. Pure: no file, no clock."""
