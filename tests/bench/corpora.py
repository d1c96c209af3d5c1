"""Session logs as agents write them, in any amount, and what they truly spent.

The same arguments give the same logs. They hold what makes such logs easy to count wrongly: messages
in several growing lines, resumed sessions, forks, repeated counts, and tool output that looks like usage.
"""

from __future__ import annotations

import random
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec

_FIRST = datetime(2026, 9, 1, tzinfo=timezone.utc)
_DAYS = 60
_CLAUDE_MODELS = ("claude-sonnet-4-5-20250929", "claude-opus-4-1-20250805", "claude-haiku-4-5-20251001")
_CODEX_MODELS = ("gpt-5-codex", "gpt-5")
_WORDS = (
    "def",
    "class",
    "return",
    "import",
    "self",
    "token",
    "usage",
    "agent",
    "model",
    "path",
    "test",
    "list",
    "async",
)
_TRAPS = (
    '{"type":"assistant","message":{"id":"msg_1","usage":{"input_tokens":999999,"output_tokens":999999}}}\n',
    '"token_count" "total_token_usage": {"input_tokens": 5}\n',
    "naïve — ünïcode ✓ 日本語\n",
    'C:\\Users\\x\\y\t"quoted"\n',
)

_encode = msgspec.json.Encoder().encode
_Entry = dict[str, Any]


@dataclass
class Corpus:
    """What was written."""

    size: int = 0
    """Bytes."""
    files: int = 0
    calls: int = 0
    agents: dict[str, list[int]] = field(default_factory=dict)
    """agent id → prompt, completion and cached tokens"""
    models: dict[str, list[int]] = field(default_factory=dict)
    """model → the same"""

    def spend(self, agent: str, model: str, *counts: int) -> None:
        """One call that is to be counted: prompt, completion and cached tokens."""
        self.calls += 1
        for sums, name in ((self.agents, agent), (self.models, model)):
            sums[name] = [a + b for a, b in zip(sums.get(name, (0, 0, 0)), counts, strict=True)]


class _Dice:
    """Everything that is left to chance."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        parts = [self._line() for _ in range(40_000)]
        self._pool = "".join(parts)

    def _line(self) -> str:
        if self.chance.random() < 0.004:
            return self.chance.choice(_TRAPS)
        words = self.chance.choices(_WORDS, k=self.chance.randint(4, 14))
        return " " * self.chance.choice((0, 4, 8)) + " ".join(words) + self.chance.choice(("\n", ":\n", "()\n"))

    def number(self, middle: int, most: int) -> int:
        """Mostly near `middle`, at times far above."""
        return min(most, 1 + int(middle * self.chance.lognormvariate(0, 1.1)))

    def text(self, middle: int, most: int = 100_000) -> str:
        """So many characters of code, mostly."""
        begin = self.chance.randrange(len(self._pool) - most)
        return self._pool[begin : begin + self.number(middle, most)]

    def id(self, prefix: str = "", length: int = 24) -> str:
        return f"{prefix}{self.chance.getrandbits(length * 4):0{length}x}"

    def uuid(self) -> str:
        return str(uuid.UUID(int=self.chance.getrandbits(128), version=4))

    def sizes(self, size: int, files: int) -> list[int]:
        """A few long files and many short ones, which together have `size` bytes."""
        weights = [self.chance.paretovariate(1.6) for _ in range(files)]
        return [int(size * weight / sum(weights)) for weight in weights]

    def moment(self) -> datetime:
        return _FIRST + timedelta(seconds=self.chance.random() * _DAYS * 86_400)


class _Log:
    """One file being written."""

    def __init__(self, path: Path, dice: _Dice, corpus: Corpus, began: datetime) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb")
        self.dice, self.corpus, self.now = dice, corpus, began
        self.size = 0

    def put(self, entry: _Entry) -> None:
        self.size += self._file.write(_encode(entry) + b"\n")

    def wait(self, seconds: float) -> str:
        """Let so much time pass, about; the time it is then."""
        self.now += timedelta(seconds=self.dice.chance.expovariate(1 / seconds))
        return self.time

    @property
    def time(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.now.microsecond // 1000:03}Z"

    def close(self) -> None:
        self._file.close()
        self.corpus.files += 1
        self.corpus.size += self.size


def write_claude(root: Path, *, size: int, files: int, seed: int = 1) -> Corpus:
    """About `size` bytes of Claude Code's logs in `root`, which is its CLAUDE_CONFIG_DIR."""
    dice, corpus = _Dice(seed), Corpus()
    recent: deque[_Entry] = deque(maxlen=200)
    for number, share in enumerate(dice.sizes(size, files)):
        session, folder = dice.uuid(), root / "projects" / f"-home-dev-app-{number % 24}"
        path, agent = folder / f"{session}.jsonl", None
        if number % 10 == 7:
            agent = dice.id(length=8)
            path = folder / session / "subagents" / f"agent-{agent}.jsonl"
        log = _Claude(path, dice, corpus, dice.moment(), session=session, agent=agent, recent=recent)
        if agent:
            path.with_suffix(".meta.json").write_bytes(_encode({"agentType": "Explore"}))
        elif number % 12 == 5:
            log.resume()
        while log.size < share:
            log.turn()
        log.close()
    return corpus


class _Claude(_Log):
    """A session, or one of its sub-agents."""

    def __init__(self, *place: Any, session: str, agent: str | None, recent: deque[_Entry]) -> None:
        super().__init__(*place)
        self._session, self._agent, self._recent = session, agent, recent
        self._model = self.dice.chance.choice(_CLAUDE_MODELS)
        self._context = 12_000
        self._parent: str | None = None

    def resume(self) -> None:
        """Copy what was said before, as a resumed session does."""
        for entry in self._recent:
            more = {"requestId": self.dice.id("req_011")} if self.dice.chance.random() < 0.1 else {}
            self.put({**entry, "sessionId": self._session, **more})

    def turn(self) -> None:
        """What a person says, and all that the model does about it."""
        self._said("user", {"message": {"role": "user", "content": self.dice.text(150, 4000)}})
        for _ in range(self.dice.number(8, 40)):
            if self.dice.chance.random() < 0.12:
                self._said("system", {"subtype": "stop_hook_summary", "content": self.dice.text(200), "level": "info"})
            self._call()
        if self.dice.chance.random() < 0.1:
            self._model = self.dice.chance.choice(_CLAUDE_MODELS)
            self.put({"type": "summary", "summary": self.dice.text(60), "leafUuid": self._parent})

    def _said(self, kind: str, fields: _Entry) -> _Entry:
        own = self.dice.uuid()
        entry: _Entry = {"parentUuid": self._parent, "isSidechain": self._agent is not None, "userType": "external"}
        entry |= {"cwd": "/home/dev/app", "sessionId": self._session, "version": "2.1.197", "gitBranch": "main"}
        if self._agent:
            entry["agentId"] = self._agent
        entry |= {**fields, "type": kind, "uuid": own, "timestamp": self.wait(3)}
        self._parent = own
        self.put(entry)
        return entry

    def _call(self) -> None:
        """One to four lines of one message, whose output grows or stands, then what the tool gave."""
        message, request, tool = self.dice.id("msg_01"), self.dice.id("req_011"), self.dice.id("toolu_01")
        usage, grows = self._usage(), self.dice.chance.random() < 0.5
        lines = self.dice.chance.choices((1, 2, 3, 4), (66, 25, 7, 2))[0]
        for left in reversed(range(lines)):
            counts = {**usage, "output_tokens": 1 + usage["output_tokens"] // (left + 2)} if left and grows else usage
            said = {"model": self._model, "id": message, "type": "message", "role": "assistant"}
            said |= {"content": [self._block(left, tool)], "stop_reason": None if left else "tool_use"}
            said |= {"stop_sequence": None, "usage": counts}
            entry = self._said("assistant", {"message": said, "requestId": request})
        if not self._agent:
            self._recent.append(entry)
        result = {"tool_use_id": tool, "type": "tool_result", "content": self.dice.text(1200), "is_error": False}
        shown = {"stdout": self.dice.text(700), "stderr": "", "interrupted": False, "isImage": False}
        self._said("user", {"message": {"role": "user", "content": [result]}, "toolUseResult": shown})

    def _block(self, left: int, tool: str) -> _Entry:
        if left:
            return {"type": "thinking", "thinking": self.dice.text(250, 5000), "signature": self.dice.id(length=180)}
        return {"type": "tool_use", "id": tool, "name": "Bash", "input": {"command": self.dice.text(200, 9000)}}

    def _usage(self) -> _Entry:
        """The counts of one more call, which is spent."""
        fresh, written, output = self.dice.number(4, 9000), self.dice.number(500, 60_000), self.dice.number(150, 16_000)
        read, long = self._context, written // 4 if self._agent is None else 0
        self._context = 15_000 if read + written > 190_000 else read + written
        agent = "claude-code/Explore" if self._agent else "claude-code"
        self.corpus.spend(agent, self._model, fresh + written + read, output, read)
        return {
            "input_tokens": fresh,
            "cache_creation_input_tokens": written,
            "cache_read_input_tokens": read,
            "cache_creation": {"ephemeral_5m_input_tokens": written - long, "ephemeral_1h_input_tokens": long},
            "output_tokens": output,
            "service_tier": "standard",
        }


def write_codex(root: Path, *, size: int, files: int, seed: int = 2) -> Corpus:
    """About `size` bytes of Codex's rollouts in `root`, which is its CODEX_HOME."""
    dice, corpus = _Dice(seed), Corpus()
    parent: _Codex | None = None
    for number, share in enumerate(dice.sizes(size, files)):
        thread, began = dice.uuid(), dice.moment()
        path = root / "sessions" / f"{began:%Y/%m/%d}" / f"rollout-{began:%Y-%m-%dT%H-%M-%S}-{thread}.jsonl"
        role = "worker" if number % 10 == 7 else None
        log = _Codex(path, dice, corpus, began, thread=thread, role=role, is_new=number % 2 == 1)
        if parent is not None and number % 20 == 9:
            log.fork(parent)
        else:
            log.begin()
        while log.size < share:
            log.turn()
        log.close()
        if role is None:
            parent = log
    return corpus


class _Codex(_Log):
    """A thread. A new one has `token_usage_record` beside `token_count`."""

    _KEPT = 60

    def __init__(self, *place: Any, thread: str, role: str | None, is_new: bool) -> None:
        super().__init__(*place)
        self._thread, self._role, self._is_new = thread, role, is_new
        self._total = (0, 0, 0, 0)
        self._context = 8000
        self._start: list[tuple[str, _Entry, tuple[int, ...]]] = []
        """The first lines, each with the total after it: what a fork copies."""

    def begin(self, **more: str) -> None:
        """The thread's own first line."""
        meta: _Entry = {"id": self._thread, "timestamp": self.time, "cwd": "/home/dev/app", "originator": "codex"}
        meta |= {"cli_version": "0.169.0", "source": "cli", "model_provider": "openai", **more}
        if self._role:
            meta |= {"thread_source": "subagent", "agent_role": self._role}
        self._said("session_meta", {**meta, "instructions": self.dice.text(4000)})

    def fork(self, parent: _Codex) -> None:
        """Begin with a copy of another's first lines."""
        self._is_new = parent._is_new
        self.begin(forked_from_id=parent._thread)
        for kind, payload, total in parent._start:
            self._total = total
            self._said(kind, payload)

    def turn(self) -> None:
        """What a person says, and all that the model does about it."""
        model, text = self.dice.chance.choice(_CODEX_MODELS), self.dice.text(150, 4000)
        context = {"cwd": "/home/dev/app", "approval_policy": "on-request", "model": model, "effort": "medium"}
        self._said("turn_context", {**context, "summary": "auto"})
        self._item("message", role="user", content=[{"type": "input_text", "text": text}])
        self._said("event_msg", {"type": "user_message", "message": text, "kind": "plain"})
        self._said("event_msg", {"type": "token_count", "info": None, "rate_limits": self._limits()})
        for _ in range(self.dice.number(6, 20)):
            self._call(model)
        self._item("message", role="assistant", content=[{"type": "output_text", "text": self.dice.text(400, 5000)}])

    def _said(self, kind: str, payload: _Entry) -> None:
        self.put({"timestamp": self.wait(3), "type": kind, "payload": payload})
        if len(self._start) < self._KEPT:
            self._start.append((kind, payload, self._total))

    def _item(self, kind: str, **fields: Any) -> None:
        self._said("response_item", {"type": kind, **fields})

    def _limits(self) -> _Entry:
        used = round(self.dice.chance.random() * 100, 1)
        return {"primary": {"used_percent": used, "window_minutes": 300, "resets_in_seconds": 9000}}

    def _call(self, model: str) -> None:
        """One call: what was thought, what the tool gave, and its counts, which at times are told twice."""
        secret = self.dice.id(length=40) * self.dice.chance.randint(6, 40)
        summary = [{"type": "summary_text", "text": self.dice.text(80)}]
        self._item("reasoning", summary=summary, content=None, encrypted_content=secret)
        call = self.dice.id("call_")
        self._item("function_call", name="shell", arguments='{"command":["bash","-lc","ls"]}', call_id=call)
        self._item("function_call_output", call_id=call, output=self.dice.text(2500, 90_000))
        last = self._spend(model)
        if self._is_new:
            record = {"thread_id": self._thread, "response_id": self.dice.id("resp_"), "usage": _counts(last)}
            record |= {"turn_token_usage": _counts(last), "thread_token_usage": _counts(self._total)}
            self._said("token_usage_record", record)
        info = {"total_token_usage": _counts(self._total), "last_token_usage": _counts(last)}
        for _ in range(self.dice.chance.choices((1, 2), (88, 12))[0]):
            limits = self._limits()
            self._said("event_msg", {"type": "token_count", "info": info, "rate_limits": limits})

    def _spend(self, model: str) -> tuple[int, ...]:
        """Prompt, cached, completion and reasoning tokens of one more call."""
        chance = self.dice.chance
        cached = int(self._context * chance.uniform(0.6, 0.98)) if chance.random() < 0.9 else 0
        output = self.dice.number(150, 9000)
        last = (self._context, cached, output, int(output * chance.random() * 0.8))
        self._context = 20_000 if self._context > 250_000 else self._context + chance.randint(50, 5000)
        self._total = tuple(a + b for a, b in zip(self._total, last, strict=True))
        self.corpus.spend(f"codex/{self._role}" if self._role else "codex", model, last[0], output, cached)
        return last


def _counts(counts: tuple[int, ...]) -> dict[str, int]:
    prompt, cached, completion, reasoning = counts
    return {
        "input_tokens": prompt,
        "cached_input_tokens": cached,
        "cache_write_input_tokens": 0,
        "output_tokens": completion,
        "reasoning_output_tokens": reasoning,
        "total_tokens": prompt + completion,
    }
