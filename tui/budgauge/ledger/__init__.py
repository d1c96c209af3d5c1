"""The ledger file: reading what is new (tail, reader) and writing under its lock (append)."""
