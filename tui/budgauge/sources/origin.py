"""The session that a person began, which a log is a part of."""

import msgspec


class Origin(msgspec.Struct, frozen=True):
    """The session that a person began, which a log is a part of."""

    session: str
    home: str
    """The agent's own folder, links resolved."""
    folder: str
    """Where it began, links resolved; empty where that is not known."""
    begun: float
    """Unix seconds."""
