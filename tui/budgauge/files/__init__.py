"""Files beside the ledger: caches, private folders, and hints of what changed."""
