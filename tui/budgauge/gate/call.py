"""The call that an agent makes at a hook: its fields, and how they are decoded."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from budgauge.accounting.codec import repaired
from budgauge.sources.name import CLAUDE_CODE, CODEX, UNKNOWN, AgentNames

PROMPT, TOOL = ("UserPromptSubmit", "BeforeAgent", "BeforeModel"), ("PreToolUse", "BeforeTool")
"""Events before a model is called, and before a tool; those with `Before` are Gemini's."""
DECIDING = PROMPT + TOOL
"""Events at which a refusal is obeyed; at all others the ledger is only brought up to date."""
TELLING = ("UserPromptSubmit", "PostToolUse")
"""Events whose answer can tell the agent something."""


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
    client_type: str | None = None
    """Kimi's alone."""
    asker: str = ""
    """The agent that asks; empty where it is not known. Set after the call is decoded, whatever the call says."""

    @property
    def is_codex(self) -> bool:
        """Does Codex ask?"""
        return self.asker == CODEX

    @property
    def is_read(self) -> bool:
        """Are this agent's logs read?"""
        return self.asker in (CODEX, CLAUDE_CODE)

    def folder(self, env: Mapping[str, str]) -> Path | None:
        """Where the session was begun, if that is known, else where the agent is now; None if neither is."""
        named = None if self.is_codex else env.get("CLAUDE_PROJECT_DIR")
        for place in (self.own_folder, named, self.cwd):
            with suppress(OSError, ValueError):
                if place and os.path.isabs(place) and os.path.isdir(place):
                    return Path(place)
        return None

    @property
    def own_folder(self) -> str | None:
        """Where the session was begun, as its log says; None if that says nothing yet."""
        if not self.transcripts or not self.is_read:
            return None
        if not self.is_codex:
            from budgauge.sources.claude_code.folder import session_folder

            return session_folder(self.transcripts[0])
        from budgauge.sources.codex.session import first_line

        meta = first_line(self.transcripts[0])
        return meta.cwd if meta else None

    @property
    def transcripts(self) -> list[Path]:
        """The logs it names, its own first."""
        named = (self.transcript_path, self.agent_transcript_path)
        # A relative path, or one from `~`, names another file from every folder.
        return [Path(path) for path in dict.fromkeys(named) if path and os.path.isabs(path) and "\0" not in path]

    def agent(self, names: AgentNames) -> str:
        """The id of the agent or sub-agent that asks, as its calls are booked."""
        # The main thread of `claude --agent x` has a type and no id: its calls are the session's own.
        role = (self.agent_type or self.agent_id) if self.agent_id or self.is_codex else None
        if not self.is_read:
            return names.of(self.asker or UNKNOWN, role, self.cwd)
        if not self.is_codex:
            return names.of(CLAUDE_CODE, role, (self.own_folder or self.cwd) if names.by_project else None)
        from budgauge.sources.codex.session import first_line

        meta = first_line(Path(self.transcript_path)) if self.transcript_path else None
        return names.of(CODEX, (meta.role if meta else None) or role, meta.cwd if meta else self.cwd)


_decode = msgspec.json.Decoder(HookCall).decode


def decode_call(data: bytes) -> HookCall:
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


def picked(data: bytes) -> HookCall:
    """What can be told of a call that cannot be decoded, of what its agent wrote itself."""
    data = _FREE.split(data, maxsplit=1)[0]
    fields: dict[str, str] = {}
    for name in HookCall.__struct_fields__:
        found = re.search(rb'"%s"\s*:\s*("(?:[^"\\]|\\.)*")' % name.encode(), data)
        if found:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                fields[name] = msgspec.json.decode(repaired(found[1]), type=str)
    return HookCall(**{"hook_event_name": "", **fields})
