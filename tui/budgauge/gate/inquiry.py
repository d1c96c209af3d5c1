"""A hook call on the way to an answer from both budgets, with an answer ready at any time."""

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
from budgauge.gate.budgets import Budgets, possible_files
from budgauge.gate.call import DECIDING, HookCall, decode_call, picked
from budgauge.gate.caller import caller_of
from budgauge.gate.reply import Answer, failed
from budgauge.gate.session import Gate
from budgauge.sources.unasked.asked import note_call

if TYPE_CHECKING:
    from budgauge.sources.settings.entry import Agent

MAX_REASON = 300
"""The most characters of an error in an answer."""
_VALUE = re.compile(r" = .+(?=: must be )", re.DOTALL)
"""The value in a ConfigError's message."""


class Inquiry:
    """One hook call. One thread runs the call; another takes the answer found so far when time is up."""

    def __init__(self, options: Options, env: Mapping[str, str], caller: str = "") -> None:
        """Take the name of the agent in the command as `caller`; empty if there is none."""
        self.reply: Answer | None = None
        """The answer; None until found."""
        self._options, self._env, self._caller = options, env, caller
        self._call = HookCall("")
        self._budgets: Budgets | None = None
        self._refused: Answer | None = None

    def run(self, read: Callable[[], bytes]) -> Answer:
        """Return the answer to the raw call returned by `read`. Never raises."""
        try:
            self.reply = self._answer(*self._decoded(read()))
        except Exception as error:  # the agent must get an answer whatever failed
            self.reply = self._undecided(_reason(error))
        return self.reply

    def late(self) -> Answer:
        """Return the answer when time is up."""
        late = SourceError("the session's logs and the ledger could not be read in time")
        return self.reply or self._refused or self._undecided(_reason(late))

    def _decoded(self, data: bytes) -> tuple[HookCall, list[str]]:
        """Return the call, and the reasons if parts are not readable."""
        troubles = []
        try:
            call = decode_call(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            call = picked(data)
            troubles.append(f"this is no hook call: {error}")
        self._call = msgspec.structs.replace(call, caller=caller_of(call, self._caller, self._env))
        return self._call, troubles

    def _answer(self, call: HookCall, troubles: list[str]) -> Answer:
        """Return the answer of both budgets; each is updated and asked, also after a refusal by the other."""
        folder = call.folder(self._env)
        with suppress(Exception):  # no failure of a note keeps an agent from an answer
            _note(call, folder)
        budgets = self._budgets = Budgets(self._options, self._env, folder)
        # A prompt or a tool's input can be any text: a broken one must not open the gate.
        asked = budgets.all if not troubles or call.hook_event_name in DECIDING else []
        gates = [Gate(call, loaded, budgets.remarks if loaded is asked[0] else {}) for loaded in asked]
        for gate in gates:
            # A failure here comes up again, and is reported, where the ledger is updated.
            with suppress(Exception):
                if (reply := gate.refusal_now()) is not None:
                    return reply
        troubles += map(_reason, budgets.troubles)
        allowed = Answer()
        for gate in gates:
            try:
                reply = gate.answer(informs=not (troubles or self._refused or allowed.output))
            except Exception as error:  # the other budget must be asked whatever failed
                troubles.append(_reason(error))
                continue
            if reply.code:
                self._refused = self._refused or reply
            elif reply.output:
                allowed = reply
        if self._refused is not None:
            return self._refused
        return self._undecided(troubles[0]) if troubles else allowed

    def _undecided(self, trouble: str) -> Answer:
        return failed(self._call.hook_event_name, trouble, denies=self._denies())

    def _denies(self) -> bool:
        budgets = self._budgets
        if budgets is not None and (budgets.denies or not budgets.troubles):
            return budgets.denies
        return any_says_deny(possible_files(self._options, self._env, budgets.start if budgets else None))


def _note(call: HookCall, folder: Path | None) -> None:
    """Note the session's call, for the search of sessions without gate calls."""
    if call.session_id:
        # Other agents' sessions are not collected.
        transcript = next(iter(call.transcripts), None) if call.is_read else None
        holds = partial(_hold_hooks, "codex" if call.is_codex else "claude-code")
        note_call(cache_folder(), call.caller, call.session_id, transcript, folder, is_users=holds, now=time.time())


def _hold_hooks(agent: Agent, home: Path) -> bool:
    """Return True if the settings in an agent's own folder hold our hooks."""
    # Loaded here: only the first call in a folder needs this.
    from budgauge.sources.hook_settings import commands_at, users_files

    return any(commands_at(agent, path) for path in users_files(agent, home))


def _reason(error: Exception) -> str:
    """Return an error's text for a model: without values from files, and short."""
    text = str(error) if isinstance(error, (BudgaugeError, OSError)) else f"{type(error).__name__}: {error}"
    text = _VALUE.sub("", text)
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…"
