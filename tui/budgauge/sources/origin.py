"""The session that a person began, to which a log belongs."""

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """A session begun by a person."""

    session: str
    home: str
    """The agent's own folder, links resolved."""
    folder: str
    """Where it began, links resolved; empty where that is not known."""
    begun: float
    """Unix seconds."""
