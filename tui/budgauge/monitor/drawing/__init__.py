"""Bars, charts and words as cells of the terminal."""
