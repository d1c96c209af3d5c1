"""The ledger file: reading new lines (tail, ledger) and writing under the lock (transaction)."""
