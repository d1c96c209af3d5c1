"""The blocking client."""

from __future__ import annotations

import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

import msgspec

from budgauge.accounting.reservation import Hold
from budgauge.rpc import calls
from budgauge.rpc.address import Address
from budgauge.rpc.calls import Call, Charge
from budgauge.rpc.exchange import Exchange

_Result = TypeVar("_Result")


class Client:
    """Calls a ledger's server like a tracker; made by `budgauge.connect`. Safe to use from several threads.

    A call whose answer is lost is made again, with the same id, until it is answered or
    `timeout` seconds are over: it counts once. Errors are those of a tracker, and ServerError.
    """

    def __init__(self, address: Address, *, timeout: float = 10.0) -> None:
        self._address = address
        self._timeout = timeout
        self._exchange = Exchange(address, timeout, blocks=True)
        self._mutex = threading.Lock()

    def report_usage(
        self, agent_id: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any
    ) -> Charge:
        """Record a call if the budget admits it; as `TokenBudgetTracker.report_usage`, with the same fields."""
        return self.call(calls.report_usage(agent_id, model, prompt_tokens, completion_tokens, fields))

    def get_budget(self) -> dict[str, Any]:
        """Return the status, with the fields of `status --json`, `used` and `remaining`."""
        return self.call(calls.get_budget())

    def state(self) -> dict[str, Any]:
        """Return everything that a `Snapshot` holds, as plain values."""
        return self.call(calls.state())

    def check(self, agent_id: str, tokens: int = 1) -> str | None:
        """Return the refusal's message if `tokens` counted tokens more would be refused, else None."""
        return self.call(calls.check(agent_id, tokens))

    def reserve(self, agent_id: str, tokens: int, ttl: float = 600, *, id: str | None = None) -> Hold[Charge]:
        """Reserve counted tokens for a call to come, for at most `ttl` seconds; as `TokenBudgetTracker.reserve`."""
        return Hold(self, self.call(calls.reserve(agent_id, tokens, ttl, id)))

    def settle(self, reserve: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any) -> Charge:
        """End a reservation, by id, with the tokens spent; as `TokenBudgetTracker.settle`."""
        return self.call(calls.settle(reserve, model, prompt_tokens, completion_tokens, fields))

    def release(self, reserve: str) -> None:
        """Give a reservation back unused, by id; as `TokenBudgetTracker.release`."""
        self.call(calls.release(reserve))

    def reset(
        self, agent_id: str | None = None, *, expected_reset_id: str | msgspec.UnsetType | None = msgspec.UNSET
    ) -> str:
        """Start the counters afresh and return the reset's id; as `TokenBudgetTracker.reset`."""
        return self.call(calls.reset(agent_id, expected_reset_id))

    def undo_reset(self) -> str:
        """Undo the last reset and return the reset's id; as `TokenBudgetTracker.undo_reset`.

        A lost answer is a ServerError: this call is never made twice.
        """
        return self.call(calls.undo_reset())

    def events(self, *topics: str) -> Iterator[dict[str, Any]]:
        """Yield events as they come, without end: `topic`, `data`, `timestamp`; the present state first.

        Without topics, `tokens.updated`. They come over a connection of their own; when it was
        lost and made again, the present state comes again.
        """
        events = Exchange(self._address, self._timeout, blocks=True).events(topics)
        try:
            while True:
                yield _finished(events.__anext__())
        finally:
            _finished(events.aclose())

    def close(self) -> None:
        """End the connection. The next call opens another."""
        with self._mutex:
            self._exchange.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, call: Call[_Result]) -> _Result:
        """Make a call, and return the result."""
        with self._mutex:
            return _finished(self._exchange.call(call))


def _finished(steps: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine that waits for no event loop, and return the result."""
    try:
        steps.send(None)
    except StopIteration as end:
        result: _Result = end.value
        return result
    raise AssertionError("an exchange that blocks waits for no event loop")
