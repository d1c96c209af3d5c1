"""The counts of one Codex call, or of all of a thread: five numbers, and how they are compared."""

from operator import sub

Tokens = tuple[int, int, int, int, int]
"""Input, cached input, cache write, output, reasoning output. The next two are parts of input, the last of output."""
NO_TOKENS: Tokens = (0, 0, 0, 0, 0)


def is_spent(tokens: Tokens) -> bool:
    """Return True if a whole, input or output, is not 0."""
    return bool(tokens[0] or tokens[3])


def has_shrunk(total: Tokens, before: Tokens) -> bool:
    """Return True if any part is less than before."""
    return any(now < was for now, was in zip(total, before, strict=True))


def less(total: Tokens, before: Tokens) -> Tokens:
    """Return `total` without `before`; no part is below zero."""
    fresh, cached, written, output, reasoning = map(sub, total, before)
    if fresh < 0 or cached < 0 or written < 0 or output < 0 or reasoning < 0:
        return max(0, fresh), max(0, cached), max(0, written), max(0, output), max(0, reasoning)
    return fresh, cached, written, output, reasoning
