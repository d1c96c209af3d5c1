"""A reservation in the hands of the program that made it."""

from __future__ import annotations

from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from budgauge.accounting.records import Reserve
from budgauge.errors import BudgaugeError

_Settled_co = TypeVar("_Settled_co", covariant=True)


class Ending(Protocol[_Settled_co]):
    """A backend that ends reservations: a tracker, or a client of a server."""

    def settle(
        self, reserve: str, model: str, prompt_tokens: int, completion_tokens: int, *, agent_id: str, **fields: Any
    ) -> _Settled_co:
        """Record the usage."""
        ...

    def release(self, reserve: str) -> None:
        """Give the tokens back."""
        ...


class Held:
    """A reservation."""

    def __init__(self, reserve: Reserve) -> None:
        self.id = reserve.id
        """The reservation's id."""
        self.agent_id = reserve.agent_id
        """The spending agent."""
        self.tokens = reserve.tokens
        """Counted tokens held."""
        self.expires = reserve.expires
        """Unix seconds of the expiry."""
        self._is_over = False


class Hold(Held, Generic[_Settled_co]):
    """Tokens held for a call to come. Settle them with the call's usage; otherwise they are released."""

    def __init__(self, tracker: Ending[_Settled_co], reserve: Reserve) -> None:
        super().__init__(reserve)
        self._tracker = tracker

    def settle(self, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any) -> _Settled_co:
        """Record the call's usage, also past the budget; as `TokenBudgetTracker.settle`."""
        settled = self._tracker.settle(
            self.id, model, prompt_tokens, completion_tokens, agent_id=self.agent_id, **fields
        )
        self._is_over = True
        return settled

    def settle_response(self, response: object, **fields: Any) -> _Settled_co:
        """Settle with the usage in an answer of the OpenAI or Anthropic SDK. Raises RecordError without any."""
        from budgauge.accounting.sdk_response import recorded, usage_of

        return recorded(usage_of(response), partial(self.settle, **fields))

    def release(self) -> None:
        """Give the tokens back; as `TokenBudgetTracker.release`."""
        self._tracker.release(self.id)
        self._is_over = True

    def __enter__(self) -> Hold[_Settled_co]:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._is_over:
            return
        try:
            self.release()
        except BudgaugeError:
            # What went wrong first is what matters; the hold ends by itself.
            if kind is None:
                raise
