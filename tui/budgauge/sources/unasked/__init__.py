"""Sessions that spend without calling the gate: found by comparing what was collected with who called."""
