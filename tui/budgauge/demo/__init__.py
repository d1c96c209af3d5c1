"""Simulated agents, for a first look."""
