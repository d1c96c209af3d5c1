"""Sessions that spent today without asking the gate, and how that is said."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from budgauge.text import count, plural


class UnaskedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that spent without asking the gate, though hooks called it where the session began."""

    session: str
    """Its id, as the agent names it."""
    agent_id: str
    """Its own, not that of a sub-agent."""
    used: int
    """Counted tokens since local midnight, sub-agents' included."""


def unasked_words(sessions: Sequence[UnaskedSession]) -> str:
    """How many sessions these are, and what they spent."""
    used = sum(session.used for session in sessions)
    return f"{plural(len(sessions), 'session')} today spent {count(used)} tokens without asking the gate"
