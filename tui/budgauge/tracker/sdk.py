"""Functions for programs with model calls of their own: record a response, or reserve before a call."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable
from functools import partial
from typing import Any, Protocol

from budgauge.accounting.reservation import Hold
from budgauge.accounting.sdk_response import ResponseUsage, recorded, usage_of
from budgauge.errors import DuplicateIdError
from budgauge.tracker.tracker import TokenBudgetTracker


class Recorder(Protocol):
    """A recorder of usage: a tracker, or a client of a server."""

    def report_usage(self, agent_id: str, model: str, prompt_tokens: int, completion_tokens: int, **fields: Any) -> Any:
        """Record a call."""
        ...


_mutex = threading.Lock()
_own: TokenBudgetTracker | None = None


def record_response(agent_id: str, response: object, *, tracker: Recorder | None = None, **fields: Any) -> Any:
    """Record the usage of a response of the OpenAI or Anthropic SDK, even past the budget, as already spent.

    The same response counts once, however often recorded. `fields` are optional fields of a usage
    record, such as `project`. Without `tracker`, the first call in a process finds the ledger as the
    command line does. Returns the result of the tracker's `report_usage` (of an AsyncClient: to be
    awaited). Raises RecordError for a response without usage, LedgerError, ConfigError.
    """
    usage = usage_of(response)
    usage.fields.update(fields)
    report = partial((tracker or own_tracker()).report_usage, agent_id, spent=True)
    outcome = recorded(usage, report)
    return _awaited(usage, report, outcome) if inspect.isawaitable(outcome) else outcome


async def _awaited(usage: ResponseUsage, report: Any, outcome: Awaitable[Any]) -> Any:
    try:
        return await outcome
    except DuplicateIdError:
        usage.fields.pop("id", None)
        return await recorded(usage, report)


def reserve(agent_id: str, tokens: int, ttl: float = 600) -> Hold[bool]:
    """Hold counted tokens before a model call; settle the hold with the response.

    The same as `TokenBudgetTracker.reserve`, in the ledger of `record_response`::

        with budgauge.reserve("code-reviewer", tokens=3000) as hold:
            response = client.messages.create(...)
            hold.settle_response(response)
    """
    return own_tracker().reserve(agent_id, tokens, ttl)


def own_tracker() -> TokenBudgetTracker:
    """Return this process's tracker, made at the first call. Raises ConfigError."""
    global _own
    with _mutex:
        if _own is None:
            _own = TokenBudgetTracker.open()
        return _own
