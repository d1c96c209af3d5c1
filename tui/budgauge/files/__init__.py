"""Files beside the ledger: caches, private folders, tails, and hints of changes."""
