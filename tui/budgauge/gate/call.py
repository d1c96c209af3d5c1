"""An agent's hook call: the fields and their decoding."""

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
"""Events at which agents obey a refusal; at all others the gate only updates the ledger."""
INFORMING = ("UserPromptSubmit", "PostToolUse")
"""Events whose answer can carry a text for the agent."""


class HookCall(msgspec.Struct, frozen=True):
    """The fields of a hook call used by the gate."""

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
    caller: str = ""
    """The calling agent; empty where unknown. Set after decoding, so the call's own value never counts."""

    @property
    def is_codex(self) -> bool:
        """Return True if Codex calls."""
        return self.caller == CODEX

    @property
    def is_read(self) -> bool:
        """Return True if budgauge reads this agent's logs."""
        return self.caller in (CODEX, CLAUDE_CODE)

    def folder(self, env: Mapping[str, str]) -> Path | None:
        """Return the folder where the session began, else the agent's present folder; None if neither is known."""
        named = None if self.is_codex else env.get("CLAUDE_PROJECT_DIR")
        for place in (self.own_folder, named, self.cwd):
            with suppress(OSError, ValueError):
                if place and os.path.isabs(place) and os.path.isdir(place):
                    return Path(place)
        return None

    @property
    def own_folder(self) -> str | None:
        """The folder where the session began, from the session's log; None if not in the log yet."""
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
        """The logs named by the call, the session's own first."""
        named = (self.transcript_path, self.agent_transcript_path)
        # A relative path, or one from `~`, names another file from every folder.
        return [Path(path) for path in dict.fromkeys(named) if path and os.path.isabs(path) and "\0" not in path]

    def agent(self, names: AgentNames) -> str:
        """Return the id of the calling agent or sub-agent, as in the ledger."""
        # The main thread of `claude --agent x` has a type and no id: its calls are the session's own.
        role = (self.agent_type or self.agent_id) if self.agent_id or self.is_codex else None
        if not self.is_read:
            return names.of(self.caller or UNKNOWN, role, self.cwd)
        if not self.is_codex:
            return names.of(CLAUDE_CODE, role, (self.own_folder or self.cwd) if names.by_project else None)
        from budgauge.sources.codex.session import first_line

        meta = first_line(Path(self.transcript_path)) if self.transcript_path else None
        return names.of(CODEX, (meta.role if meta else None) or role, meta.cwd if meta else self.cwd)


_decode = msgspec.json.Decoder(HookCall).decode


def decode_call(data: bytes) -> HookCall:
    """Return a call; a text cut within a character is repaired. Raises as msgspec does."""
    try:
        return _decode(data)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        fixed = repaired(data)
        if fixed == data:
            raise
        return _decode(fixed)


_FREE = re.compile(rb'"(?:tool_input|tool_response|prompt|last_assistant_message)"\s*:')
"""The beginning of text written by a person or a model: neither may name the calling agent."""


def picked(data: bytes) -> HookCall:
    """Return the readable fields of a broken call, from the part written by the agent program itself."""
    data = _FREE.split(data, maxsplit=1)[0]
    fields: dict[str, str] = {}
    for name in HookCall.__struct_fields__:
        found = re.search(rb'"%s"\s*:\s*("(?:[^"\\]|\\.)*")' % name.encode(), data)
        if found:
            with suppress(msgspec.MsgspecError, UnicodeDecodeError):
                fields[name] = msgspec.json.decode(repaired(found[1]), type=str)
    return HookCall(**{"hook_event_name": "", **fields})
