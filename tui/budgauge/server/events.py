"""Events for subscribers, merged where many changes come at once."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timezone
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from budgauge.config import BudgetConfig
from budgauge.rpc.protocol import INVALID_PARAMS, CallError, ascii_json, notification
from budgauge.status.alerts import ThresholdAlert, ThresholdAlerts
from budgauge.status.fields import status_fields
from budgauge.status.snapshot import Snapshot
from budgauge.text import safe
from budgauge.views.live import Observer, View

if TYPE_CHECKING:
    from budgauge.server.connection import Connection

TOKENS_UPDATED = "tokens.updated"
TOPICS = (TOKENS_UPDATED, "budget.warning", "budget.exceeded", "config.changed", "ledger.reset")
SHORTEST_SECONDS = 0.05
"""The least time between two looks for subscribers: changes in between are sent together."""
IDLE_SECONDS = 0.45
"""The time between two looks without subscribers: a changed config must be in force soon."""
TICK_SECONDS = 0.9
"""The time between two looks without a sign of a change."""
LOOKUP_SECONDS = 5.0
"""The longest wait for prices in a call for the budget."""
LOOKUP_STEP_SECONDS = 0.02
_log = logging.getLogger("budgauge")


class Events:
    """A sender of events in the event loop: looks at config and ledger, and sends changes to subscribers.

    Without subscribers there is a look now and then, for the config. Watching begins with the first
    subscriber: the system wakes a watcher at every write, which makes each charge a third slower.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._subscribers: dict[Connection, View] = {}
        """Each with the last view sent."""
        self._alerts = ThresholdAlerts()
        self._encoded: tuple[Snapshot | None, bytes] = None, b""
        self._timer: asyncio.TimerHandle | None = None
        self._sent_at = self._loop.time()
        self._view = self._sent = observer.look()
        self._alerts.of(self._view.snapshot)
        self._log_trouble(None)
        self._watching: threading.Event | None = None
        """Set to end the watching thread."""
        self._ticking = self._loop.create_task(self._tick())

    def close(self) -> None:
        """End looking and watching."""
        self._ticking.cancel()
        self._subscribers = {}
        self._watch_or_not()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            try:
                if not self._subscribers:
                    self.look()
            except Exception:  # as in `_watch`
                _log.exception("Looking failed and is tried again.")

    def _watch_or_not(self) -> None:
        if self._subscribers and self._watching is None:
            self._watching = threading.Event()
            threading.Thread(target=self._watch, args=(self._watching,), name="budgauge-watch", daemon=True).start()
        elif not self._subscribers and self._watching is not None:
            self._watching.set()
            self._watching = None

    def _watch(self, stop: threading.Event) -> None:
        """Wake the loop, from a thread, when config or ledger may have changed, and now and then."""
        from budgauge.files.watch import watch

        observer = self._observer
        while not stop.is_set():
            try:
                for _ in watch(
                    observer.folders, stop, tick_seconds=TICK_SECONDS, quick_seconds=2.0, glance=observer.glance
                ):
                    self._loop.call_soon_threadsafe(self.changed)
            except Exception:  # the server goes on whatever fails, and logs the error
                if self._loop.is_closed():
                    return
                _log.exception("Watching failed and is begun again.")
                stop.wait(TICK_SECONDS)

    def subscribe(self, connection: Connection, topics: list[str]) -> list[str]:
        """Subscribe a connection to more topics; return all subscribed ones. Raises CallError for an unknown one."""
        _check_topics(topics)
        # Changes before the subscription are not sent as events.
        self._subscribers[connection] = self.look()
        connection.topics.update(topics)
        return self._subscribed(connection)

    def unsubscribe(self, connection: Connection, topics: list[str]) -> list[str]:
        """End a connection's subscription to topics; return the remaining ones. Raises CallError for an unknown one."""
        _check_topics(topics)
        connection.topics.difference_update(topics)
        return self._subscribed(connection)

    def _subscribed(self, connection: Connection) -> list[str]:
        if not connection.topics:
            self._subscribers.pop(connection, None)
        self._watch_or_not()
        return sorted(connection.topics, key=TOPICS.index)

    def forget(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._subscribers.pop(connection, None)
        self._watch_or_not()

    def present(self) -> bytes:
        """Return the present state as an event."""
        return _event(TOKENS_UPDATED, self._status())

    def _status(self) -> msgspec.Raw:
        return msgspec.Raw(self.status(self._view.snapshot))

    def status(self, snapshot: Snapshot) -> bytes:
        """Return a snapshot's public fields as JSON, encoded once: thousands of agents take a while."""
        if self._encoded[0] is not snapshot:
            self._encoded = snapshot, ascii_json(status_fields(snapshot))
        return self._encoded[1]

    def changed(self) -> None:
        """Look soon after a possible change, if there are subscribers."""
        if self._subscribers and self._timer is None:
            # A look without a change does not delay the next one.
            self._timer = self._loop.call_at(self._sent_at + SHORTEST_SECONDS, self._look_and_send)

    def _look_and_send(self) -> None:
        self._timer = None
        self.look()
        self._send_changes()

    def look(self) -> View:
        """Return the present view; changes are sent soon, and not more often because of frequent looks."""
        before, self._view = self._view, self._observer.look()
        if self._view is not before:
            self._log_trouble(before)
            self.changed()
            if not self._subscribers:
                self._send_changes()
        return self._view

    def priced(self) -> View | asyncio.Future[View]:
        """Return the present view, or a future of the view after the lookup of prices."""
        view = self.look()
        return asyncio.ensure_future(self._priced()) if self._observer.looks_up_prices else view

    async def _priced(self) -> View:
        until = self._loop.time() + LOOKUP_SECONDS
        while self._observer.looks_up_prices and self._loop.time() < until:
            await asyncio.sleep(LOOKUP_STEP_SECONDS)
            self.look()
        return self._view

    def _send_changes(self) -> None:
        """Send the differences from the view sent last."""
        before, view = self._sent, self._view
        if view is before:
            return
        self._sent = view
        if self._subscribers:
            self._sent_at = self._loop.time()
        snapshot = view.snapshot
        if view.config != before.config:
            self._send("config.changed", lambda: config_fields(view.config))
        if snapshot.reset_id != before.snapshot.reset_id:
            reset = {"reset_id": snapshot.reset_id, "before": before.snapshot.reset_id, "since": snapshot.since}
            self._send("ledger.reset", lambda: reset)
        if snapshot is not before.snapshot:
            self._send(TOKENS_UPDATED, self._status)
        # An unreadable ledger is not below the limits.
        for alert in () if view.ledger_trouble else self._alerts.of(snapshot):
            self._send(f"budget.{alert.state}", partial(_alert_fields, alert))
        self._subscribers = dict.fromkeys(self._subscribers, view)

    def _send(self, topic: str, data: Callable[[], object]) -> None:
        line = b""
        for connection, known in list(self._subscribers.items()):
            if topic in connection.topics and known is not self._view:
                line = line or _event(topic, data())
                connection.send_event(topic, line)

    def _log_trouble(self, before: View | None) -> None:
        view = self._view
        for what, now, then in (
            ("config", view.config_trouble, before and before.config_trouble),
            ("ledger", view.ledger_trouble, before and before.ledger_trouble),
        ):
            if now and now != then:
                _log.warning("%s: %s", what, safe(now))


def _check_topics(topics: list[str]) -> None:
    unknown = [topic for topic in topics if topic not in TOPICS]
    if unknown:
        raise CallError(INVALID_PARAMS, f"Invalid params: there is no topic {unknown[0]!r}", {"topics": list(TOPICS)})


def _event(topic: str, data: object) -> bytes:
    return notification(topic, {"topic": topic, "data": data, "timestamp": rfc3339()})


def resync_event(missed: int) -> bytes:
    """Return the event for a client behind in reading: this many events were left out."""
    return _event("resync", {"missed": missed})


def rfc3339() -> str:
    """Return the present moment, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def config_fields(config: BudgetConfig) -> dict[str, Any]:
    """Return the public fields of a config."""
    return {
        "total_budget": config.total_budget,
        "warning_threshold": config.warning_threshold,
        "per_agent_limits": dict(config.per_agent_limits),
        "count": config.count,
    }


def _alert_fields(alert: ThresholdAlert) -> dict[str, Any]:
    return {
        "scope": alert.scope,
        "agent_id": alert.name or None,
        "used": alert.used,
        "limit": alert.limit,
        "usage_percentage": alert.percentage,
        "message": alert.message,
    }
