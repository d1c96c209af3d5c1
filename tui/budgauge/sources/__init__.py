"""Agents' own session logs: where they are, what they say was spent, and how that reaches the ledger."""
