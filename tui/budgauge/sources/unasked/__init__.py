"""Sessions that spend without calling the gate: a comparison of collected usage with the gate's callers."""
