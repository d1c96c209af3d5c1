"""The tracker that programs hold, and what it reads of SDKs' answers."""
