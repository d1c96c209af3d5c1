"""The Snapshot that every view shows, its fields and its alerts."""
