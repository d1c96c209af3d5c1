"""The views: live, and readings of the whole ledger."""
