"""The monitor: a live screen over the ledger, built on Textual."""
