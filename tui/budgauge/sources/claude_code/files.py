"""Claude Code's logs: of sessions, and of their sub-agents."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from budgauge.sources.folders import files_below
from budgauge.sources.log import MakeParser
from budgauge.sources.name import CLAUDE_CODE, AgentNames, safe_path
from budgauge.sources.session import SessionFormat
from budgauge.sources.source import FindLog, Found

if TYPE_CHECKING:
    from budgauge.sources.claude_code.transcript import Session
    from budgauge.sources.origin import Origin

_SUFFIX = ".jsonl"
_SUBAGENTS = "subagents"
_AGENT = "agent-"
_JOURNAL = "journal.jsonl"
"""A workflow's own notes, which restate its agents' messages."""


class ClaudeCodeFormat:
    """All sessions below Claude Code's folders of projects."""

    name = CLAUDE_CODE

    def __init__(self, roots: Sequence[Path], names: AgentNames = AgentNames()) -> None:
        """`roots` are the folders called `projects`. They need not exist yet."""
        self.roots = tuple(roots)
        self._names = names

    def find(self) -> Found:
        """Find all session logs, sessions and old ones first: a message in several is imported from the first."""
        unlistable: list[str] = []
        paths = {path for root in self.roots for path in files_below(root, _is_session, unlistable)}
        ordered = sorted(paths, key=lambda path: (_is_agents(path), _written(path), path))
        return Found({self.key_of(path): path for path in ordered}, tuple(unlistable), len(unlistable))

    def key_of(self, path: Path) -> str:
        """Return the log's path: nothing else tells sub-agents' logs from each other."""
        return safe_path(str(path))

    def parser(self, key: str, path: Path, find: FindLog) -> MakeParser:
        """Makes the parser of a session's log."""
        # Loaded here: most runs find nothing new to read.
        from budgauge.sources.claude_code.folder import session_folder
        from budgauge.sources.claude_code.transcript import Session

        is_agents = _is_agents(path)

        def make(saved: bytes | None, seconds: int) -> Session:
            return Session(
                path.stem.removeprefix(_AGENT) if is_agents else None,
                agent_type=_type_reader(path.with_suffix(".meta.json")),
                seconds=seconds,
                saved=saved,
                names=self._names,
                folder=session_folder(_session_of(path)),
            )

        return make

    def origin(self, path: Path, find: FindLog) -> Origin | None:
        """Return the session, whose log stands above the sub-agents' logs."""
        from budgauge.sources.claude_code.folder import session_begun, session_folder
        from budgauge.sources.origin import Origin

        own = _session_of(path)
        begun = session_begun(own)
        root = next((root for root in self.roots if path.is_relative_to(root)), None)
        if begun is None or root is None:
            return None
        folder = session_folder(own)
        return Origin(own.stem, os.path.realpath(root.parent), os.path.realpath(folder) if folder else "", begun)


def claude_session(transcripts: Sequence[Path], names: AgentNames) -> SessionFormat:
    """Return a session of Claude Code: its transcripts, and all sub-agents' logs beside the first of them."""
    own = transcripts[0]
    below = ClaudeCodeFormat([own.with_suffix("")] if own.suffix == _SUFFIX else []).find()
    unlistable = tuple(note.removeprefix("cannot read ") for note in below.notes)
    return SessionFormat(ClaudeCodeFormat([], names), [*transcripts, *below.logs.values()], unlistable)


def agents_log(transcript: Path, agent_id: str) -> Path:
    """Return the path of a sub-agent's log."""
    return transcript.with_suffix("") / _SUBAGENTS / f"{_AGENT}{agent_id}{_SUFFIX}"


def _session_of(path: Path) -> Path:
    """Return the log of the session to which a log belongs. A sub-agent's own folder may be another."""
    if _is_agents(path) and _SUBAGENTS in path.parts:
        at = len(path.parts) - 1 - path.parts[::-1].index(_SUBAGENTS)
        return Path(*path.parts[:at]).with_suffix(_SUFFIX)
    return path


def _is_agents(path: Path) -> bool:
    return path.name.startswith(_AGENT)


def _written(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0


def _is_session(name: str) -> bool:
    return name.endswith(_SUFFIX) and name != _JOURNAL


class _Meta(msgspec.Struct, frozen=True):
    agentType: object = None


_decode_meta = msgspec.json.Decoder(_Meta).decode


def _type_reader(path: Path) -> Callable[[], str | None]:
    """Return a reader of a sub-agent's kind from the file beside the log; None until the file is there."""
    known: list[str] = []

    def read() -> str | None:
        if not known:
            try:
                kind = _decode_meta(path.read_bytes()).agentType
            except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
                return None
            if not isinstance(kind, str) or not kind.strip():
                return None
            known.append(kind)
        return known[0]

    return read
