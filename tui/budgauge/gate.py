"""The gate: an agent asks at its hooks whether it may go on, and is allowed or refused by the budget.

Codex and Claude Code call a command at certain events, with one JSON object on standard input,
and obey its exit code: 2 refuses, with the reason on standard error. Before anything is decided,
what the session's own logs say is new is booked, so that the answer is right with nothing else
running; a collector beside it books the same calls under the same ids.
"""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from budgauge.budget import warning_due, warning_message
from budgauge.cache import cache_folder, read_cache, short_name, write_cache
from budgauge.config.find import config_files
from budgauge.config.load import Loaded, Options, load
from budgauge.cycle import midnight
from budgauge.errors import BudgaugeError, SourceError
from budgauge.ledger.booking import Booking
from budgauge.records import repaired
from budgauge.sources.collector import Collector
from budgauge.sources.cursors import CursorFile
from budgauge.sources.name import AgentNames
from budgauge.sources.session import SessionFormat
from budgauge.sources.source import Source
from budgauge.text import safe
from budgauge.tracker import TokenBudgetTracker

DECIDING = ("UserPromptSubmit", "PreToolUse")
"""Events at which a refusal is obeyed; at all others the ledger is only brought up to date."""
TELLING = ("UserPromptSubmit", "PostToolUse")
"""Events whose answer can tell the agent something."""
LOCK_SECONDS = 2.0
"""How long the ledger's lock is waited for: an agent waits for the answer."""
LINE_SECONDS = 0.1
"""How long a line of the log is waited for: it comes 40 to 70 ms after the hook is called."""
LOOK_SECONDS = 0.004
END_BYTES = 1 << 18
"""So much of the log's end is looked at for that line."""
FORGET_SECONDS = 30 * 86_400
"""How long what is kept of a session stays after it last changed."""
MAX_BYTES = 64 << 20
"""A longer call is not read: whatever it is, it is none."""


class HookCall(msgspec.Struct, frozen=True):
    """What an agent says at a hook, as far as it matters here."""

    hook_event_name: str
    session_id: str | None = None
    transcript_path: str | None = None
    agent_transcript_path: str | None = None
    cwd: str | None = None
    agent_id: str | None = None
    agent_type: str | None = None
    tool_use_id: str | None = None
    turn_id: str | None = None
    """Codex's alone."""

    @property
    def is_codex(self) -> bool:
        """Else it is Claude Code."""
        return self.turn_id is not None or os.path.basename(self.transcript_path or "").startswith("rollout-")

    def folder(self, env: Mapping[str, str]) -> Path | None:
        """Where the session was begun, if that is told, else where the agent is now; None if neither is."""
        for place in ("" if self.is_codex else env.get("CLAUDE_PROJECT_DIR"), self.cwd):
            with suppress(OSError, ValueError):
                if place and os.path.isdir(place):
                    return Path(place)
        return None

    @property
    def transcripts(self) -> list[Path]:
        """The logs it names, its own first."""
        named = (self.transcript_path, self.agent_transcript_path)
        return [Path(path) for path in dict.fromkeys(named) if path and "\0" not in path]

    def agent(self, names: AgentNames) -> str:
        """The id of the agent or sub-agent that asks, as its calls are booked."""
        # The main thread of `claude --agent x` has a type and no id: its calls are the session's own.
        role = (self.agent_type or self.agent_id) if self.agent_id or self.is_codex else None
        if not self.is_codex:
            return names.of("claude-code", role, self.cwd)
        from budgauge.sources.codex_session import first_line

        meta = first_line(Path(self.transcript_path)) if self.transcript_path else None
        return names.of("codex", (meta.role if meta else None) or role, meta.cwd if meta else self.cwd)


class Answer(NamedTuple):
    """What the agent is to be answered."""

    code: int = 0
    """0 allows, 2 refuses."""
    output: str = ""
    error: str = ""


_decode = msgspec.json.Decoder(HookCall).decode


def main(options: Options = Options()) -> int:
    """Answer the hook call on standard input; the exit code that answers it."""
    # A stream that was closed before the program began is None.
    reply = answer(sys.stdin.buffer.read(MAX_BYTES) if sys.stdin else b"", options)
    for stream, text in ((sys.stdout, reply.output), (sys.stderr, reply.error)):
        if stream and text:
            # Whether anybody listens or not, the exit code is the answer.
            with suppress(OSError, ValueError):
                stream.write(text)
                stream.flush()
    return reply.code


def answer(data: bytes, options: Options = Options(), env: Mapping[str, str] | None = None) -> Answer:
    """The answer to a hook call, given as it came on standard input. Never raises."""
    env = os.environ if env is None else env
    event, start = "", None
    try:
        call = _decode_call(data)
        event, start = call.hook_event_name, call.folder(env)
        return _Gate(call, options, env).answer()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        trouble = f"this is no hook call: {error}"
        call = _picked(data)
        event, start = call.hook_event_name, call.folder(env)
        if event in DECIDING:
            # A prompt, or what a tool is told, may be anything: it must not open the gate.
            with suppress(Exception):
                reply = _Gate(call, options, env).answer()
                if reply.code:
                    return reply
    except (BudgaugeError, OSError) as error:
        trouble = str(error)
    except Exception as error:  # whatever it is, the agent must get an answer
        trouble = f"{type(error).__name__}: {error}"
    return _failed(event, trouble, denies=_denies_on_error(options, env, start))


def _decode_call(data: bytes) -> HookCall:
    """A call; texts that were cut within a character are no fault of it. Raises as msgspec does."""
    try:
        return _decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        mended = repaired(data)
        if mended == data:
            raise
        return _decode(mended)


_FREE = re.compile(rb'"(?:tool_input|tool_response|prompt|last_assistant_message)"\s*:')
"""Where what a person or a model wrote begins: neither must say who asks."""


def _picked(data: bytes) -> HookCall:
    """What can be told of a call that cannot be decoded, of what its agent wrote itself."""
    data = _FREE.split(data, maxsplit=1)[0]
    fields: dict[str, str] = {}
    for name in HookCall.__struct_fields__:
        found = re.search(rb'"%s"\s*:\s*("(?:[^"\\]|\\.)*")' % name.encode(), data)
        if found:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                fields[name] = msgspec.json.decode(repaired(found[1]), type=str)
    return HookCall(**{"hook_event_name": "", **fields})


class _Notes(msgspec.Struct):
    """What is remembered of a session between its hook calls."""

    warned: bool = False
    """Was the agent told that the warning threshold is reached?"""
    members: list[str] = []
    """Paths of a Codex session's own and its sub-agents' rollouts."""
    strangers: list[str] = []
    """Paths of other sessions' rollouts in the same folders."""


class _Gate:
    """One hook call being answered."""

    def __init__(self, call: HookCall, options: Options, env: Mapping[str, str]) -> None:
        self._call = call
        self._loaded = loaded = load(options, env=env, start=call.folder(env))
        self._names = AgentNames(by_project=loaded.config.collect_agent == "project")
        # Nobody chose the default budget, so nothing is refused by it.
        config = loaded.config
        if loaded.budget_is_default:
            config = msgspec.structs.replace(config, total_budget=0)
        self._config = config
        self._tracker = TokenBudgetTracker(config, ledger=loaded.ledger.path)
        session = call.session_id or call.transcript_path or ""
        self._notes_file = _NotesFile(loaded, session)

    def answer(self) -> Answer:
        call, notes = self._call, self._notes_file.read()
        before = msgspec.json.encode(notes)
        trouble: Exception | None = None
        if call.transcripts:
            try:
                if not call.is_codex and call.hook_event_name == "PreToolUse":
                    _await_tool_use(call)
                self._bring_up_to_date(notes)
            except Exception as error:  # whatever it is
                # What is booked already may be enough to refuse.
                trouble = error
        reply = self._decided() if call.hook_event_name in DECIDING else Answer()
        if trouble is not None and not reply.code:
            raise trouble
        if not reply.code and not notes.warned and call.hook_event_name in TELLING:
            reply = self._warning()
            notes.warned = bool(reply.output)
        if self._notes_file.is_first or msgspec.json.encode(notes) != before:
            self._notes_file.write(notes)
        return reply

    def _bring_up_to_date(self, notes: _Notes) -> None:
        place, cache = self._loaded.ledger, cache_folder()
        booking = Booking(place.path, sync=self._config.sync, cache=cache, timeout=LOCK_SECONDS)
        format = self._format(notes)
        source = Source(format)
        collector = Collector(
            booking,
            [source],
            since=self._since(booking),
            only_below=place.project,
            cursors=CursorFile(cache, booking.booked, place.project, purpose=self._notes_file.session),
        )
        collector.collect()
        if unread := [*format.unlistable, *source.unreadable]:
            raise SourceError(f"cannot read {', '.join(unread)}", hint="Check its permissions.")

    def _format(self, notes: _Notes) -> SessionFormat:
        """The session's logs. Each agent's reader is loaded alone: every call of this command starts anew."""
        call = self._call
        if call.is_codex:
            from budgauge.sources.codex_session import codex_session

            return codex_session(call.session_id, call.transcripts, notes.members, notes.strangers, self._names)
        from budgauge.sources.claude_code import claude_session

        return claude_session(call.transcripts, self._names)

    def _since(self, booking: Booking) -> float:
        """From when on calls are brought in: the last reset, else the first collected call, else midnight."""
        reset = self._tracker.get_last_reset()
        if reset is not None:
            return reset
        booking.booked.refresh()
        begun = midnight(time.time())
        return min(begun, booking.booked.earliest or begun)

    def _decided(self) -> Answer:
        refused = self._tracker.check(self._call.agent(self._names))
        return Answer(2, error=f"{safe(str(refused))}\n") if refused else Answer()

    def _warning(self) -> Answer:
        used = self._tracker.get_total_used()
        if not warning_due(self._config, used):
            return Answer()
        return _told(self._call.hook_event_name, warning_message(self._config, used))


def _await_tool_use(call: HookCall) -> None:
    """Wait, not for long, until the log holds the message that asked for the tool.

    Claude Code asks this hook while it still writes that message: without it the decision would
    be one call behind.
    """
    from budgauge.sources.claude_code import agents_log

    log = agents_log(call.transcripts[0], call.agent_id) if call.agent_id else call.transcripts[0]
    mark = f'"{call.tool_use_id}"'.encode(errors="replace")
    deadline = time.monotonic() + LINE_SECONDS
    while call.tool_use_id and mark not in _end_of(log) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def _end_of(log: Path) -> bytes:
    with suppress(OSError), open(log, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - END_BYTES))
        return file.read(END_BYTES)
    return b""


def _told(event: str, text: str) -> Answer:
    """An answer that allows, and tells the agent something."""
    specific = {"hookEventName": event, "additionalContext": text}
    return Answer(output=_json({"systemMessage": text, "hookSpecificOutput": specific}))


def _failed(event: str, trouble: str, *, denies: bool) -> Answer:
    """The answer where nothing could be decided: allowed or refused as the config says, and never silently."""
    refuses = denies and (not event or event in DECIDING)
    done = "so this was refused" if refuses else "so this was allowed without a check"
    text = safe(f"budgauge could not decide, {done}: {trouble}")
    if refuses:
        return Answer(2, error=f"{text}\n")
    return Answer(output=_json({"systemMessage": text}), error=f"{text}\n")


def _json(value: object) -> str:
    # Loaded here: there is seldom anything to tell. It escapes what an agent's encoding may lack.
    import json

    return json.dumps(value) + "\n"


_DENIES = re.compile(rb"""^[^#\n]*\bon_hook_error["']?\s*=\s*["']deny["']""", re.MULTILINE)


def _denies_on_error(options: Options, env: Mapping[str, str], start: Path | None) -> bool:
    """What `on_hook_error` says, as well as it can be told where the config itself is what is wrong."""
    with suppress(BudgaugeError, OSError):
        return load(options, env=env, start=start).config.on_hook_error == "deny"
    with suppress(BudgaugeError, OSError):
        files = [Path(options.config)] if options.config else config_files(start or Path.cwd(), env)
        return any(_DENIES.search(path.read_bytes()) for path in files if path.is_file())
    return False


class _NotesFile:
    """Where a session's notes are kept."""

    def __init__(self, loaded: Loaded, session: str) -> None:
        self.session = session
        ledger = os.path.abspath(loaded.ledger.path)
        self._path = cache_folder() / f"hook-{short_name(f'{ledger} {session}')}.notes"
        self.is_first = True
        """Is nothing kept of this session yet?"""

    def read(self) -> _Notes:
        """The notes; empty ones at a session's first call."""
        content = read_cache(self._path)
        self.is_first = content is None
        if content is not None:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return _decode_notes(content)
        return _Notes()

    def write(self, notes: _Notes) -> None:
        """Keep them; the first time, those of sessions long gone are removed."""
        write_cache(self._path, msgspec.json.encode(notes))
        if self.is_first:
            for old in _old_notes(self._path.parent):
                with suppress(OSError):
                    old.unlink()


_decode_notes = msgspec.json.Decoder(_Notes).decode


def _old_notes(folder: Path) -> Iterator[Path]:
    oldest = time.time() - FORGET_SECONDS
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith("hook-") and path.stat().st_mtime < oldest:
                yield path
