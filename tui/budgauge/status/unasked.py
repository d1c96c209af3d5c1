"""Sessions without gate calls today, and a sentence on them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from budgauge.text import count, plural


class UnaskedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session with usage and no gate calls, though hooks were installed at the start."""

    session: str
    """The session's id, as the agent names it."""
    agent_id: str
    """The main agent's id, not a sub-agent's."""
    used: int
    """Counted tokens since local midnight, sub-agents' included."""


def unasked_words(sessions: Sequence[UnaskedSession]) -> str:
    """Return the number of sessions and their tokens, in words."""
    used = sum(session.used for session in sessions)
    return f"{plural(len(sessions), 'session')} today spent {count(used)} tokens without asking the gate"
