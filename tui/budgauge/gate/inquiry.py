"""A hook call on its way to an answer: both budgets are asked, and what came of it so far can be told at any time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from budgauge.config.load import Options
from budgauge.errors import BudgaugeError, SourceError
from budgauge.files.cache import cache_folder
from budgauge.files.denying import any_says_deny
from budgauge.gate.asked import Asked, possible_files
from budgauge.gate.asker import asker_of
from budgauge.gate.call import DECIDING, HookCall, decode_call, picked
from budgauge.gate.reply import Answer, failed
from budgauge.gate.session import Gate
from budgauge.sources.unasked.asked import note_call

if TYPE_CHECKING:
    from budgauge.sources.settings.entry import Agent

MAX_REASON = 300
"""So many characters of what went wrong are told."""
_VALUE = re.compile(r" = .+(?=: must be )", re.DOTALL)
"""The value in a ConfigError's message."""


class Inquiry:
    """One hook call. One thread runs it; another may ask for what is known of the answer when time is up."""

    def __init__(self, options: Options, env: Mapping[str, str], asker: str = "") -> None:
        """`asker` is the agent that the command names; empty if it names none."""
        self.reply: Answer | None = None
        """The answer; None until it is found."""
        self._options, self._env, self._asker = options, env, asker
        self._call = HookCall("")
        self._asked: Asked | None = None
        self._refused: Answer | None = None

    def run(self, read: Callable[[], bytes]) -> Answer:
        """Find the answer to the call that `read` gives, as it came on standard input. Never raises."""
        try:
            self.reply = self._answer(*self._decoded(read()))
        except Exception as error:  # whatever it is, the agent must get an answer
            self.reply = self._undecided(_reason(error))
        return self.reply

    def late(self) -> Answer:
        """The answer when time is up."""
        late = SourceError("the session's logs and the ledger could not be read in time")
        return self.reply or self._refused or self._undecided(_reason(late))

    def _decoded(self, data: bytes) -> tuple[HookCall, list[str]]:
        """The call, and why it cannot be decoded whole."""
        troubles = []
        try:
            call = decode_call(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            call = picked(data)
            troubles.append(f"this is no hook call: {error}")
        self._call = msgspec.structs.replace(call, asker=asker_of(call, self._asker, self._env))
        return self._call, troubles

    def _answer(self, call: HookCall, troubles: list[str]) -> Answer:
        """The answer of both budgets: each is asked and brought up to date, whatever the other says."""
        folder = call.folder(self._env)
        with suppress(Exception):  # whatever it is, it keeps no agent from its answer
            _note(call, folder)
        asked = self._asked = Asked(self._options, self._env, folder)
        # A prompt, or what a tool is told, may be anything: it must not open the gate.
        budgets = asked.budgets if not troubles or call.hook_event_name in DECIDING else []
        gates = [Gate(call, loaded, asked.remarks if loaded is budgets[0] else {}) for loaded in budgets]
        for gate in gates:
            # What hinders it comes up again, and is told, where the ledger is brought up to date.
            with suppress(Exception):
                if (reply := gate.refusal_now()) is not None:
                    return reply
        troubles += map(_reason, asked.troubles)
        told = Answer()
        for gate in gates:
            try:
                reply = gate.answer(tells=not (troubles or self._refused or told.output))
            except Exception as error:  # whatever it is, the other budget must be asked
                troubles.append(_reason(error))
                continue
            if reply.code:
                self._refused = self._refused or reply
            elif reply.output:
                told = reply
        if self._refused is not None:
            return self._refused
        return self._undecided(troubles[0]) if troubles else told

    def _undecided(self, trouble: str) -> Answer:
        return failed(self._call.hook_event_name, trouble, denies=self._denies())

    def _denies(self) -> bool:
        asked = self._asked
        if asked is not None and (asked.denies or not asked.troubles):
            return asked.denies
        return any_says_deny(possible_files(self._options, self._env, asked.start if asked else None))


def _note(call: HookCall, folder: Path | None) -> None:
    """Remember that the session asked."""
    if call.session_id:
        # Other agents' sessions are not collected.
        transcript = next(iter(call.transcripts), None) if call.is_read else None
        holds = partial(_hold_hooks, "codex" if call.is_codex else "claude-code")
        note_call(cache_folder(), call.asker, call.session_id, transcript, folder, is_users=holds, now=time.time())


def _hold_hooks(agent: Agent, home: Path) -> bool:
    """Do the settings in an agent's own folder hold our hooks?"""
    # Loaded here: it is asked at the first call of all, or of a folder.
    from budgauge.sources.hook_settings import commands_at, users_files

    return any(commands_at(agent, path) for path in users_files(agent, home))


def _reason(error: Exception) -> str:
    """Why nothing could be decided, for a model to read: no value that stands in a file, and not much of anything."""
    text = str(error) if isinstance(error, (BudgaugeError, OSError)) else f"{type(error).__name__}: {error}"
    text = _VALUE.sub("", text)
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…"
