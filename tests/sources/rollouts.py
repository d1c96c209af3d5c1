"""Builds Codex rollouts line by line, in compact and in spaced JSON."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

Counts = tuple[int, ...]
"""Input, cached input, output, reasoning output; cache write may follow."""
START = 1_764_000_000
"""The first line's time in unix seconds; each later line is a second later."""
PARENT = "01a20b43-7c6e-71b0-ac6d-b55d744bbb24"
CHILD = "01a20b4b-c6aa-7b01-ac28-ba56e8650e12"


def usage(counts: Counts) -> dict[str, int]:
    """Counts as Codex writes them."""
    prompt, cached, completion, reasoning, *written = counts
    return {
        "input_tokens": prompt,
        "cached_input_tokens": cached,
        "cache_write_input_tokens": written[0] if written else 0,
        "output_tokens": completion,
        "reasoning_output_tokens": reasoning,
        "total_tokens": prompt + completion,
    }


def iso(seconds: float) -> str:
    """Unix seconds as Codex writes a time."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


class Log:
    """A rollout under construction."""

    def __init__(
        self, thread: str = PARENT, *, spaced: bool = False, start: int = START, ordinals: bool = False
    ) -> None:
        self.thread = thread
        self.page: str | None = None
        """The second id in its name, if it is a later page of the thread."""
        self.data = b""
        self.time = start
        self._separators = (", ", ": ") if spaced else (",", ":")
        self._ordinal = 0 if ordinals else None
        self._total = [0, 0, 0, 0, 0]

    def line(self, kind: str, payload: object) -> Log:
        entry: dict[str, object] = {"timestamp": iso(self.time), "type": kind, "payload": payload}
        if self._ordinal is not None:
            entry["ordinal"] = self._ordinal
            self._ordinal += 1
        self.data += json.dumps(entry, separators=self._separators, ensure_ascii=False).encode() + b"\n"
        self.time += 1
        return self

    def meta(self, **fields: object) -> Log:
        """The thread's own first line."""
        payload: dict[str, object] = {"id": self.thread, "timestamp": iso(self.time), "cwd": "/home/me/app"}
        return self.line("session_meta", {**payload, "source": "cli", **fields})

    def turn(self, model: str | None = "gpt-5-codex") -> Log:
        return self.line("turn_context", {"cwd": "/home/me/app", "model": model})

    def started(self, seconds: int | None = None) -> Log:
        return self.event("task_started", started_at=self.time if seconds is None else seconds)

    def event(self, kind: str, **fields: object) -> Log:
        return self.line("event_msg", {"type": kind, **fields})

    def count(self, total: Counts, last: Counts | None = None) -> Log:
        """A `token_count` as it stands."""
        info = {"total_token_usage": usage(total), "last_token_usage": usage(last or total)}
        return self.event("token_count", info=info, rate_limits=None)

    def call(self, *counts: int) -> Log:
        """One more call, told by a `token_count`."""
        self._add(counts)
        return self.count(tuple(self._total), counts)

    def full(self, window: int = 258_400) -> Log:
        """The context window is full: no usage."""
        self._total = [0, 0, 0, 0, 0]
        nothing = usage((0, 0, 0, 0))
        total, last = {**nothing, "total_tokens": window}, {**nothing, "total_tokens": 7}
        return self.event("token_count", info={"total_token_usage": total, "last_token_usage": last})

    def record(self, *counts: int, response: str | None = None, thread: str | None = "") -> Log:
        """One more call, told by a `token_usage_record`."""
        self._add(counts)
        return self.line(
            "token_usage_record",
            {
                "thread_id": self.thread if thread == "" else thread,
                "response_id": response or f"resp_{self.time}",
                "usage": usage(counts),
                "turn_token_usage": usage(counts),
                "thread_token_usage": usage(tuple(self._total)),
            },
        )

    def page_of(self, earlier: Log, page: str, **fields: object) -> Log:
        """Make it a later page, which goes on from the earlier page as it stands."""
        self.thread, self.page, self.time = earlier.thread, page, earlier.time + 60
        self._total, self._ordinal = list(earlier._total), earlier._ordinal
        base = {"thread_id": self.thread, "end_ordinal_exclusive": self._ordinal}
        return self.meta(session_id=self.thread, history_base=base, **fields)

    def copy_of(self, parent: Log) -> Log:
        """The parent's lines as they stand, under new timestamps, and its total."""
        for text in parent.data.splitlines():
            entry = json.loads(text)
            self.line(entry["type"], entry["payload"])
        self._total = list(parent._total)
        return self

    def write(self, home: Path, *, folder: str = "sessions/2026/11/24") -> Path:
        """Put it where Codex would; the path."""
        name = f"{self.thread}_{self.page}" if self.page else self.thread
        path = home / folder / f"rollout-2026-11-24T01-55-01-{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)
        return path

    def _add(self, counts: Counts) -> None:
        prompt, cached, completion, reasoning, *written = counts
        for at, more in enumerate((prompt, cached, completion, reasoning, sum(written))):
            self._total[at] += more
