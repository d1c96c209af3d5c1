"""Copies of one message among a session's lines, told from other calls of the same id.

A message stands in several lines, and some relays answer every request with one and the same id.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from budgauge.accounting.records import VARIANT
from budgauge.sources.claude_code.line import Line, Message

_KEPT = 16
"""So many of the latest ids are remembered: copies stand near to each other."""


class Copies(msgspec.Struct, array_like=True):
    """The lines of one message so far."""

    variant: str
    """What follows the message's id in its call's: empty for the first call of that id."""
    prompt: int
    """Tokens, of the latest line."""
    output: int
    is_complete: bool
    """Did a line say why the answer ended?"""
    request_id: str | None
    parent: str | None
    """The line before the first of these."""
    last: str | None
    """The latest of these lines."""

    def hold(self, line: Line, prompt: int, output: int, is_complete: bool) -> bool:
        """Return True if a line of the same id is one more copy of this message."""
        asked = self.request_id and line.request_id
        if asked and line.request_id == self.request_id:
            return True
        placed = self.parent and line.parent_uuid
        if placed and line.parent_uuid in (self.parent, self.last):
            # A message's prompt may grow while tools of the provider's own run.
            return True
        if prompt == self.prompt:
            return output == self.output or not (self.is_complete and is_complete)
        return not (self.is_complete or asked or placed)


Recent: TypeAlias = dict[str, Copies]
"""Message id → its latest lines."""


def key_among(recent: Recent, id: str, line: Line, message: Message) -> str:
    """Return the key of a line's call: the message's id, or the key of another call of the same id."""
    assert message.usage is not None
    fresh, read, write, write_5m, write_1h, output = message.usage.tokens
    prompt = fresh + read + (write or write_5m + write_1h)
    is_complete = message.stop_reason is not None
    known = recent.pop(id, None)
    if known is not None and known.hold(line, prompt, output, is_complete):
        known.prompt, known.output, known.last = prompt, output, line.uuid
        known.is_complete = known.is_complete or is_complete
        known.request_id = known.request_id or line.request_id or None
    else:
        variant = "" if known is None else VARIANT + (f"{prompt}.{output}" if is_complete else str(prompt))
        known = Copies(variant, prompt, output, is_complete, line.request_id or None, line.parent_uuid, line.uuid)
        if len(recent) >= _KEPT:
            del recent[next(iter(recent))]
    recent[id] = known
    return id + known.variant
