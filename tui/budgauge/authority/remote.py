"""The authority of a server, reached over a socket."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from budgauge.accounting.counters import Counters
from budgauge.accounting.limits import BudgetUsage
from budgauge.accounting.open_reservations import OpenReservations
from budgauge.accounting.record_checks import check_count
from budgauge.accounting.records import Reserve, Reset, Settle, Usage
from budgauge.config import BudgetConfig
from budgauge.errors import RecordError, RefusedError, ServerError
from budgauge.rpc import calls
from budgauge.rpc.client import Client

if TYPE_CHECKING:
    from budgauge.status.snapshot import Snapshot


_NOT_ASKED = frozenset(
    {"agent_id", "model", "prompt_tokens", "completion_tokens", "total_tokens", "timestamp", "reserve"}
)


class Remote:
    """Decides by the budget of a server. Calls are made again until they are answered, and count once."""

    def __init__(self, client: Client, *, now: Callable[[], float] = time.time) -> None:
        """`client` comes from `budgauge.connect`. The config is part of the last known state."""
        self._client = client
        self._now = now
        self._used = 0
        self._config: BudgetConfig | None = None

    @property
    def config(self) -> BudgetConfig:
        """The server's total budget and warning threshold, as last seen; only the server knows the limits."""
        if self._config is None:
            self.state()
        assert self._config is not None
        return self._config

    def report(self, usage: Usage, *, spent: bool, is_dated: bool) -> bool:
        """Record a call, as Authority.report."""
        if usage.total_tokens > usage.prompt_tokens + usage.completion_tokens:
            raise RecordError(
                f"total_tokens {usage.total_tokens} is more than prompt plus completion",
                hint="Give the tokens to one of them: a server takes no total.",
            )
        fields = {**_fields(usage, is_dated), "spent": spent}
        return self._charged(calls.report_usage(*_places(usage), fields))

    def reserve(self, reserve: Reserve) -> Reserve:
        """Hold tokens, as Authority.reserve."""
        ttl = reserve.expires - self._now()
        return self._client.call(calls.reserve(reserve.agent_id, reserve.tokens, ttl, reserve.id))

    def settle(self, settle: Settle, *, is_dated: bool) -> bool:
        """End a reservation, as Authority.settle."""
        fields = _fields(settle, is_dated)
        if settle.agent_id:
            fields["agent_id"] = settle.agent_id
        return self._charged(calls.settle(settle.reserve, *_places(settle)[1:], fields))

    def release(self, reserve: str, *, again: bool) -> None:
        """Give a reservation back, as Authority.release."""
        self._client.call(calls.release(reserve, again=again))

    def reset(self, reset: Reset, expected: str | msgspec.UnsetType | None) -> str:
        """Start the counters afresh, as Authority.reset; `by` is the server's word."""
        reset_id = self._client.call(calls.reset(reset.agent_id, expected, reset.id))
        self.state()
        return reset_id

    def undo_reset(self) -> str:
        """Take a reset back, as Authority.undo_reset."""
        reset_id = self._client.call(calls.undo_reset())
        self.state()
        return reset_id

    def check(self, agent_id: str, tokens: int) -> RefusedError | None:
        """Ask without recording, as Authority.check."""
        check_count("tokens", tokens)
        refusal = self._client.call(calls.refusal(agent_id, tokens))
        assert refusal is None or isinstance(refusal, RefusedError)
        return refusal

    def state(self) -> Snapshot:
        """Return everything at once, as Authority.state."""
        from budgauge.status.snapshot import Snapshot

        snapshot = msgspec.convert(self._client.state(), Snapshot, strict=False)
        self._used = snapshot.total_used
        self._config = BudgetConfig(
            total_budget=snapshot.total_budget,
            warning_threshold=snapshot.warning_threshold,
            untracked_buffer=snapshot.untracked_buffer,
        )
        return snapshot

    def usages(self, *, refreshed: bool = True) -> tuple[BudgetUsage]:
        """Return the usage and the reservations, as Authority.usages.

        Without `refreshed`, the sum of everyone alone, as the last answer gave it.
        """
        counters, reservations = Counters(), OpenReservations()
        if not refreshed:
            counters.spent_by_all = self._used, 0
            return (BudgetUsage(self.config, counters, reservations),)
        for row in self.state().agents:
            if row.calls:
                counters.spend(row.agent_id, row.used, 0)
            if row.reserved:
                reservations.add(Reserve(0, row.agent_id, row.agent_id, row.reserved, self._now()))
        return (BudgetUsage(self.config, counters, reservations),)

    def set_config(self, config: BudgetConfig) -> None:
        """Raise ServerError: the server has a config of its own."""
        raise ServerError("the server decides by its own config", hint="Change the server's config file.")

    def _charged(self, call: calls.Call[calls.Charge]) -> bool:
        charge = self._client.call(call)
        self._used = charge.total_used
        return charge.added


def _places(usage: Usage) -> tuple[str, str, int, int]:
    return usage.agent_id, usage.model, usage.prompt_tokens, usage.completion_tokens


def _fields(usage: Usage, is_dated: bool) -> dict[str, Any]:
    """Return the optional fields of a call; the server dates a call without a date."""
    names = (name for name in usage.__struct_fields__ if name not in _NOT_ASKED)
    fields = {name: value for name in names if (value := getattr(usage, name)) is not None}
    return {**fields, "timestamp": usage.timestamp} if is_dated else fields
