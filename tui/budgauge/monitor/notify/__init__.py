"""Alerts beyond the screen: bell, desktop, title."""
