"""Sources of usage: the agents' own session logs, and their way into the ledger."""
