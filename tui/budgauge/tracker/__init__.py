"""The tracker for programs, and the recording of SDK responses."""
