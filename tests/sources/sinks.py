"""A ledger in miniature: knows ids, refuses nothing."""

from __future__ import annotations

from budgauge.errors import DuplicateIdError
from budgauge.records import Usage


class Sink:
    """Keeps the calls that it was given, each id once."""

    def __init__(self) -> None:
        self.calls: list[Usage] = []
        self._known: dict[str, Usage] = {}

    def __call__(self, call: Usage) -> bool:
        assert call.id is not None
        if call.id in self._known:
            if self._known[call.id] != call:
                raise DuplicateIdError(f"{call.id} is known with other content")
            return False
        self._known[call.id] = call
        self.calls.append(call)
        return True

    @property
    def spent(self) -> list[tuple[int, int]]:
        """Prompt and completion tokens of each call."""
        return [(call.prompt_tokens, call.completion_tokens) for call in self.calls]
