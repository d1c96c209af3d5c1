"""The Snapshot of every view, with fields and alerts."""
