"""The methods for callers: params, results, and error answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from budgauge.accounting.limits import percentage
from budgauge.errors import (
    BudgaugeError,
    BudgetExceededError,
    DuplicateIdError,
    LedgerError,
    LedgerReadError,
    RecordError,
    RefusedError,
    ReservationError,
    ResetError,
)
from budgauge.rpc import protocol
from budgauge.rpc.protocol import INTERNAL_ERROR, INVALID_PARAMS, CallError, Method, Shared, ascii_json, bind
from budgauge.server.connection import Connection
from budgauge.server.events import Events
from budgauge.server.ledger_work import LedgerWork
from budgauge.status.snapshot import Snapshot
from budgauge.tracker.tracker import TokenBudgetTracker
from budgauge.views.live import View

DEFAULT_TTL = 600.0
_PLACES = ("model", "prompt_tokens", "completion_tokens")
"""Fields of a call that may be given by place, after the first."""
_log = logging.getLogger("budgauge")


class _Usage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    model: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    reasoning_tokens: int = 0
    id: str | None = None
    alias: str | None = None
    session: str | None = None
    project: str | None = None
    source: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    web_search_requests: int = 0
    timestamp: float | None = None
    total_tokens: int | None = None

    def fields(self) -> dict[str, Any]:
        """Return all fields for a tracker. Raises RecordError."""
        fields = msgspec.structs.asdict(self)
        total, together = fields.pop("total_tokens"), self.prompt_tokens + self.completion_tokens
        # A caller may copy a ledger's line with a total, which must match.
        if total is not None and total != together:
            raise RecordError(f"total_tokens is {total}, but prompt_tokens + completion_tokens is {together}")
        return fields


class _Report(_Usage, frozen=True, kw_only=True, forbid_unknown_fields=True):
    agent_id: str
    spent: bool = False


class _Check(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent_id: str
    tokens: int = 1


class _Reserve(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent_id: str
    tokens: int
    ttl: float = DEFAULT_TTL
    id: str | None = None


class _Settle(_Usage, frozen=True, kw_only=True, forbid_unknown_fields=True):
    reserve: str
    agent_id: str | None = None


class _Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reserve: str
    id: str | None = None


class _Reset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    expected_reset_id: str | msgspec.UnsetType | None = msgspec.UNSET
    agent_id: str | None = None
    id: str | None = None


class _Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class _Topics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topics: list[str]


class TokenMethods:
    """The methods of one ledger's tracker."""

    def __init__(self, tracker: TokenBudgetTracker, work: LedgerWork, events: Events) -> None:
        self._tracker, self._work, self._events = tracker, work, events
        self._encoded: tuple[Snapshot, Shared] | None = None
        """The last snapshot returned, with the answer shared by all callers."""

    def table(self) -> Mapping[str, Method[Any]]:
        """Return method name → method."""
        return {
            "tokens.reportUsage": self._report,
            "tokens.getBudget": self._get_budget,
            "tokens.getState": self._get_state,
            "tokens.check": self._check,
            "tokens.reserve": self._reserve,
            "tokens.settle": self._settle,
            "tokens.release": self._release,
            "tokens.reset": self._reset,
            "tokens.undoReset": self._undo_reset,
            "subscribe": _subscribe,
            "unsubscribe": _unsubscribe,
        }

    def _report(self, params: object, _: object) -> object:
        fields = bind(params, _Report, "agent_id", *_PLACES).fields()
        return self._change(
            lambda: {"success": True, "added": self._tracker.report_usage(**fields), **self._standing()}
        )

    def _get_budget(self, params: object, _: object) -> object:
        return self._of_view(params, self._budget)

    def _get_state(self, params: object, _: object) -> object:
        return self._of_view(params, lambda snapshot: Shared(ascii_json(snapshot)))

    def _of_view(self, params: object, encoded: Callable[[Snapshot], Shared]) -> object:
        bind(params, _Nothing)
        view = self._events.priced()
        if not isinstance(view, asyncio.Future):
            return encoded(_readable(view))

        async def later() -> Shared:
            return encoded(_readable(await view))

        return asyncio.ensure_future(later())

    def _budget(self, snapshot: Snapshot) -> Shared:
        if self._encoded is None or self._encoded[0] is not snapshot:
            more = ascii_json({"used": snapshot.total_used, "remaining": snapshot.remaining_budget})
            self._encoded = snapshot, Shared(self._events.status(snapshot)[:-1] + b"," + more[1:])
        return self._encoded[1]

    def _check(self, params: object, _: object) -> object:
        asked = bind(params, _Check)

        def work() -> dict[str, object]:
            error = self._tracker.check(asked.agent_id, asked.tokens)
            if error is None:
                return {"allowed": True, "message": None, "refusal": None}
            return {"allowed": False, "message": str(error), "refusal": error_of(error).as_fields()}

        return self._work.run(work)

    def _reserve(self, params: object, _: object) -> object:
        asked = bind(params, _Reserve)

        def work() -> dict[str, object]:
            hold = self._tracker.reserve(asked.agent_id, asked.tokens, asked.ttl, id=asked.id)
            remaining = self._standing()["remaining_budget"]
            return {"reserve": hold.id, "expires": hold.expires, "remaining_budget": remaining}

        return self._change(work)

    def _settle(self, params: object, _: object) -> object:
        fields = bind(params, _Settle, "reserve", *_PLACES).fields()
        return self._change(lambda: {"success": True, "added": self._tracker.settle(**fields), **self._standing()})

    def _release(self, params: object, _: object) -> object:
        asked = bind(params, _Release)

        def work() -> dict[str, object]:
            # A call with an id may be a retry, which gets the same answer.
            self._tracker.release(asked.reserve, again=asked.id is not None)
            return {"success": True}

        return self._change(work)

    def _reset(self, params: object, _: object) -> object:
        fields = msgspec.structs.asdict(bind(params, _Reset))
        return self._change(lambda: {"reset_id": self._tracker.reset(by="rpc", **fields)})

    def _undo_reset(self, params: object, _: object) -> object:
        bind(params, _Nothing)
        return self._change(lambda: {"reset_id": self._tracker.undo_reset()})

    def _change(self, work: Callable[[], object]) -> object:
        outcome = self._work.run(work)
        if isinstance(outcome, asyncio.Future):
            outcome.add_done_callback(lambda _: self._events.changed())
        else:
            self._events.changed()
        return outcome

    def _standing(self) -> dict[str, object]:
        used = self._tracker.used_now()
        budget = self._tracker.config.total_budget
        return {
            "remaining_budget": max(0, budget - used) if budget else None,
            "total_used": used,
            "usage_percentage": percentage(used, budget or None),
        }


def _readable(view: View) -> Snapshot:
    """Return the snapshot of a view. Raises LedgerReadError where the ledger could not be read."""
    if view.ledger_trouble:
        raise LedgerReadError(view.ledger_trouble)
    return view.snapshot


def _subscribe(params: object, caller: Connection) -> object:
    return {"subscribed": caller.subscribe(_topics(params))}


def _unsubscribe(params: object, caller: Connection) -> object:
    return {"subscribed": caller.unsubscribe(_topics(params))}


def _topics(params: object) -> list[str]:
    """Return the topics of `["tokens.updated"]` or `{"topics": [...]}`. Raises CallError."""
    if isinstance(params, list):
        params = {"topics": params}
    return bind(params, _Topics).topics


def error_of(error: Exception) -> CallError:
    """Return the answer to an error of ours; any other error goes to the log, and the caller gets a general one."""
    if isinstance(error, RefusedError):
        code = protocol.OVER_BUDGET if isinstance(error, BudgetExceededError) else protocol.OVER_LIMIT
        data = {
            "scope": error.scope,
            "agent_id": getattr(error, "agent_id", None),
            "limit": error.limit,
            "current": error.current,
            "requested": error.requested,
            "hint": error.hint,
        }
        return CallError(code, str(error), data)
    if isinstance(error, BudgaugeError):
        for kind, code in _CODES:
            if isinstance(error, kind):
                message = f"Invalid params: {error}" if code == INVALID_PARAMS else str(error)
                return CallError(code, message, {"hint": error.hint} if error.hint else None)
    _log.error("A call failed for a reason that nobody foresaw.", exc_info=error)
    return CallError(INTERNAL_ERROR)


_CODES = (
    (DuplicateIdError, protocol.OTHER_CONTENT),
    (RecordError, INVALID_PARAMS),
    (ResetError, protocol.RESET_BETWEEN),
    (ReservationError, protocol.NO_RESERVATION),
    (LedgerError, protocol.NO_LEDGER),
)
