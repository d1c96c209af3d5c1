"""Widgets of the monitor's screens."""
