"""Builds Claude Code sessions line by line, in compact and in spaced JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sources.rollouts import START, iso

SESSION = "f26110ea-67ab-4f2b-990c-322fcc223a1e"
OTHER = "8dbf0466-1402-49e9-98a9-c4227a1bb188"
CWD = "/home/me/app"


def tokens(
    fresh: int | None = 0,
    output: int | None = 0,
    read: int | None = 0,
    write_5m: int = 0,
    write_1h: int = 0,
    **more: Any,
) -> dict[str, Any]:
    """Counts as Claude Code writes them."""
    return {
        "input_tokens": fresh,
        "cache_creation_input_tokens": write_5m + write_1h,
        "cache_read_input_tokens": read,
        "output_tokens": output,
        "service_tier": "standard",
        "cache_creation": {"ephemeral_5m_input_tokens": write_5m, "ephemeral_1h_input_tokens": write_1h},
        "iterations": [{"input_tokens": 10**6, "output_tokens": 10**6}],
        **more,
    }


class Session:
    """A session's log under construction, or that of one of its sub-agents."""

    def __init__(
        self, session: str = SESSION, *, agent: str | None = None, spaced: bool = False, start: int = START
    ) -> None:
        self.session = session
        self.agent = agent
        self.data = b""
        self.time = start
        self._separators = (", ", ": ") if spaced else (",", ":")

    def line(self, **fields: object) -> Session:
        """A line as it stands."""
        text = json.dumps(fields, separators=self._separators, ensure_ascii=False)
        self.data += text.encode(errors="surrogatepass") + b"\n"
        self.time += 1
        return self

    def said(
        self,
        id: str | None,
        usage: dict[str, Any] | None,
        *,
        model: str | None = "claude-sonnet-4-5",
        stop: str | None = "tool_use",
        **fields: object,
    ) -> Session:
        """A line of the model's message."""
        message: dict[str, Any] = {"id": id, "type": "message", "role": "assistant", "model": model}
        message |= {"content": [{"type": "text", "text": "x"}], "stop_reason": stop, "usage": usage}
        whole: dict[str, Any] = {"parentUuid": None, "isSidechain": self.agent is not None}
        if self.agent:
            whole["agentId"] = self.agent
        whole |= {"message": message, "requestId": "req_1", "type": "assistant", "uuid": f"u{self.time}"}
        whole |= {"timestamp": iso(self.time), "cwd": CWD, "sessionId": self.session}
        return self.line(**{**whole, **fields})

    def copy_of(self, other: Session) -> Session:
        """The other's lines as they stand, for this session, with new requests' ids."""
        for text in other.data.splitlines():
            entry = json.loads(text)
            self.line(**{**entry, "sessionId": self.session, "requestId": f"req_{self.time}"})
        return self

    def write(self, home: Path, *, project: str = "-home-me-app", kind: str | None = None, folder: str = "") -> Path:
        """Put it where Claude Code would, with a sub-agent's `kind` beside it; the path."""
        below = home / "projects" / project
        name = f"{self.session}.jsonl"
        if self.agent:
            below, name = below / self.session / "subagents" / folder, f"agent-{self.agent}.jsonl"
        below.mkdir(parents=True, exist_ok=True)
        path = below / name
        if kind is not None:
            path.with_suffix(".meta.json").write_text(json.dumps({"agentType": kind}), encoding="utf-8")
        path.write_bytes(self.data)
        return path
