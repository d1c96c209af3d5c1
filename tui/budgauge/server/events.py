"""What subscribers are told: whoever wrote the line, merged where much comes at once."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from datetime import datetime, timezone
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
"""Between two looks for subscribers: what comes meanwhile is told together."""
IDLE_SECONDS = 0.45
"""Between two looks where nobody is told of anything: a changed config is to be in force soon."""
TICK_SECONDS = 0.9
"""Between two looks where no event tells of a change."""
LOOKUP_SECONDS = 5.0
"""How long whoever asks for the budget waits for prices."""
LOOKUP_STEP_SECONDS = 0.02
_log = logging.getLogger("budgauge")


class Events:
    """Looks when something may have changed, and tells listeners what did. Lives in the event loop.

    While nobody listens it looks now and then, for the config. Watching begins with the first
    listener: the system tells a watcher of every write, which costs each charge a third more.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[Connection, View] = {}
        """Each with the view that it knows."""
        self._crossings = ThresholdAlerts()
        self._encoded: tuple[Snapshot | None, bytes] = None, b""
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = self._loop.time()
        self._view = self._told = observer.look()
        self._crossings.of(self._view.snapshot)
        self._say_trouble(None)
        self._watching: threading.Event | None = None
        """Set, it ends the thread that watches."""
        self._ticking = self._loop.create_task(self._tick())

    def close(self) -> None:
        """Look no more."""
        self._ticking.cancel()
        self._listeners = {}
        self._watch_or_not()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            try:
                if not self._listeners:
                    self.look()
            except Exception:  # as in `_watch`
                _log.exception("Looking failed and is tried again.")

    def _watch_or_not(self) -> None:
        if self._listeners and self._watching is None:
            self._watching = threading.Event()
            threading.Thread(target=self._watch, args=(self._watching,), name="budgauge-watch", daemon=True).start()
        elif not self._listeners and self._watching is not None:
            self._watching.set()
            self._watching = None

    def _watch(self, stop: threading.Event) -> None:
        """In a thread: tell the loop when config or ledger may have changed, and now and then in any case."""
        from budgauge.files.watch import watch

        observer = self._observer
        while not stop.is_set():
            try:
                for _ in watch(
                    observer.folders, stop, tick_seconds=TICK_SECONDS, quick_seconds=2.0, glance=observer.glance
                ):
                    self._loop.call_soon_threadsafe(self.changed)
            except Exception:  # whatever it is: the server goes on, and what is wrong is said
                if self._loop.is_closed():
                    return
                _log.exception("Watching failed and is begun again.")
                stop.wait(TICK_SECONDS)

    def subscribe(self, listener: Connection, topics: list[str]) -> list[str]:
        """Tell a listener of these topics, too. Raises CallError for an unknown one."""
        _check_topics(topics)
        # What was before it came is not told to it as an event.
        self._listeners[listener] = self.look()
        listener.topics.update(topics)
        if not listener.topics:
            self.forget(listener)
        self._watch_or_not()
        return sorted(listener.topics, key=TOPICS.index)

    def unsubscribe(self, listener: Connection, topics: list[str]) -> list[str]:
        """Tell a listener no more of these topics. Raises CallError for an unknown one."""
        _check_topics(topics)
        listener.topics.difference_update(topics)
        if not listener.topics:
            self.forget(listener)
        return sorted(listener.topics, key=TOPICS.index)

    def forget(self, listener: Connection) -> None:
        """It has gone."""
        self._listeners.pop(listener, None)
        self._watch_or_not()

    def present(self) -> bytes:
        """The present state, as the event that tells of it."""
        return _event(TOKENS_UPDATED, self._status())

    def _status(self) -> msgspec.Raw:
        return msgspec.Raw(self.status(self._view.snapshot))

    def status(self, snapshot: Snapshot) -> bytes:
        """A snapshot's public fields as JSON, made once: with thousands of agents that takes a while."""
        if self._encoded[0] is not snapshot:
            self._encoded = snapshot, ascii_json(status_fields(snapshot))
        return self._encoded[1]

    def changed(self) -> None:
        """Something may have changed: look soon and tell of it, if anybody wants to know."""
        if self._listeners and self._timer is None:
            # A look that found nothing does not hold up what comes right after it.
            self._timer = self._loop.call_at(self._told_at + SHORTEST_SECONDS, self._look_and_tell)

    def _look_and_tell(self) -> None:
        self._timer = None
        self.look()
        self._tell_changes()

    def look(self) -> View:
        """The present view. What changed is told soon: whoever looks often must not make events come more often."""
        before, self._view = self._view, self._observer.look()
        if self._view is not before:
            self._say_trouble(before)
            self.changed()
            if not self._listeners:
                self._tell_changes()
        return self._view

    def priced(self) -> View | asyncio.Future[View]:
        """The present view, once no price is being looked up: unknown ones are told only as long as that takes."""
        view = self.look()
        return asyncio.ensure_future(self._priced()) if self._observer.looks_up_prices else view

    async def _priced(self) -> View:
        until = self._loop.time() + LOOKUP_SECONDS
        while self._observer.looks_up_prices and self._loop.time() < until:
            await asyncio.sleep(LOOKUP_STEP_SECONDS)
            self.look()
        return self._view

    def _tell_changes(self) -> None:
        """Tell what differs from what was told last."""
        before, view = self._told, self._view
        if view is before:
            return
        self._told = view
        if self._listeners:
            self._told_at = self._loop.time()
        snapshot = view.snapshot
        if view.config != before.config:
            self._tell("config.changed", lambda: config_fields(view.config))
        if snapshot.reset_id != before.snapshot.reset_id:
            reset = {"reset_id": snapshot.reset_id, "before": before.snapshot.reset_id, "since": snapshot.since}
            self._tell("ledger.reset", lambda: reset)
        if snapshot is not before.snapshot:
            self._tell(TOKENS_UPDATED, self._status)
        # What cannot be read is not below its limits.
        for crossing in () if view.ledger_trouble else self._crossings.of(snapshot):
            self._tell(f"budget.{crossing.state}", lambda crossing=crossing: _crossing_fields(crossing))  # type: ignore[misc]
        self._listeners = dict.fromkeys(self._listeners, view)

    def _tell(self, topic: str, data: Callable[[], object]) -> None:
        line = b""
        for listener, known in list(self._listeners.items()):
            if topic in listener.topics and known is not self._view:
                line = line or _event(topic, data())
                listener.send_event(topic, line)

    def _say_trouble(self, before: View | None) -> None:
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
    """For one that did not read: so many events were left out; it must ask for what it needs to know."""
    return _event("resync", {"missed": missed})


def rfc3339() -> str:
    """The present moment, in UTC."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def config_fields(config: BudgetConfig) -> dict[str, Any]:
    """The rules in force."""
    return {
        "total_budget": config.total_budget,
        "warning_threshold": config.warning_threshold,
        "per_agent_limits": dict(config.per_agent_limits),
        "count": config.count,
    }


def _crossing_fields(crossing: ThresholdAlert) -> dict[str, Any]:
    return {
        "scope": crossing.scope,
        "agent_id": crossing.name or None,
        "used": crossing.used,
        "limit": crossing.limit,
        "usage_percentage": crossing.percentage,
        "message": crossing.message,
    }
