"""The doctor's checks of agents: their logs, and their calls of the gate."""

from __future__ import annotations

import os
import shlex
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from budgauge.config.both import SET_ONE, load_budgets
from budgauge.config.load import Loaded, working_folder
from budgauge.config.name import FAMILY
from budgauge.doctor.finding import Finding, fail, ok, warn
from budgauge.doctor.logs import agents_logs
from budgauge.errors import LedgerError
from budgauge.files.cache import cache_folder
from budgauge.ledger.ledger import Ledger
from budgauge.sources.hook_obstacle import obstacles, project_folders
from budgauge.sources.hook_settings import commands_at, settings_files
from budgauge.sources.settings.command import is_understood
from budgauge.sources.settings.entry import EVENTS, Agent
from budgauge.sources.unasked.search import find_unasked
from budgauge.status.unasked import unasked_words
from budgauge.text import count, plural

_AGENTS: tuple[Agent, ...] = ("codex", "claude-code")
_REFUSING = ("UserPromptSubmit", "PreToolUse")
"""The events at which a refusal is obeyed."""


def logs(loaded: Loaded) -> Finding:
    """Check agents' own logs: the troubles met in them, and logs not collected into this ledger. Raises ConfigError."""
    hooks = _Hooks()
    gated = [agent for agent in _AGENTS if hooks.add(agent, working_folder())]
    return agents_logs(loaded, [] if hooks.gone or hooks.off else gated)


def gate(loaded: Loaded) -> Finding:
    """Check that agents call `budgauge hook`, by the user's settings and this folder's. Raises ConfigError."""
    hooks = _Hooks()
    calling = [agent for agent in _AGENTS if hooks.add(agent, working_folder())]
    if hooks.gone:
        message = "an agent calls a program that is not there, and is let through"
        return fail(message, "budgauge hook install", [*hooks.gone, *hooks.off])
    if hooks.off:
        fix = "Change what is named above. To write our hooks anew: budgauge hook install AGENT"
        return fail("an agent's settings switch it off, or weaken it", fix, hooks.off)
    if not hooks.calling:
        return ok("no agent calls it; to stop one: budgauge hook install codex, or claude-code")
    budgets = load_budgets(loaded.options)
    if not any(budget.sets_something for budget in budgets.all):
        message = "agents call it, but no budget and no limit is set: it refuses nothing"
        return warn(message, SET_ONE, hooks.calling)
    if troubles := [*map(str, budgets.troubles), *_unusable(budgets.all)]:
        return _undecided(any(budget.config.on_hook_error == "deny" for budget in budgets.all), troubles)
    if free := [agent for agent in calling if not any(_concerns(budget, agent) for budget in budgets.all)]:
        message = f"no budget and no limit concerns {', '.join(free)}: it is called, and refuses nothing there"
        return warn(message, SET_ONE, hooks.calling)
    return ok("agents call it", hooks.calling)


def _unusable(budgets: Sequence[Loaded]) -> Iterator[str]:
    """Yield the trouble with each budget's ledger, as far as visible without writing."""
    for budget in budgets:
        try:
            Ledger(budget.ledger.path).check_writable()
        except LedgerError as error:
            yield str(error)


def _undecided(refuses: bool, troubles: Sequence[str]) -> Finding:
    """Return the finding of a gate that cannot decide, and refuses or allows everything."""
    if refuses:
        return fail(
            "it cannot decide, and refuses every call (on_hook_error)", "Correct what is named below.", troubles
        )
    fix = 'Correct what is named below; on_hook_error = "deny" refuses instead.'
    return fail("it cannot decide, and lets agents through", fix, troubles)


def _concerns(budget: Loaded, agent: Agent) -> bool:
    """Return True if a budget can refuse a call of an agent or a sub-agent."""
    config = budget.config
    if (config.total_budget and not budget.budget_is_default) or config.collect_agent == "project":
        return True
    names = (key.removesuffix(FAMILY) for key in config.per_agent_limits)
    return any(name == agent or name.startswith(f"{agent}/") for name in names)


class _Hooks:
    """Our hooks in agents' settings, and the troubles with them, a line each."""

    def __init__(self) -> None:
        self.calling: list[str] = []
        """The files in which they stand."""
        self.gone: list[str] = []
        """The commands that cannot be run."""
        self.off: list[str] = []
        """Settings that keep an agent from calling, or from obeying."""

    def add(self, agent: Agent, here: Path) -> bool:
        """Check all files of an agent started in the folder `here`; True if the agent calls us. Raises ConfigError."""
        places = (settings_files(agent, os.environ, project) for project in (None, *project_folders(here)))
        covered: set[str] = set()
        for path in dict.fromkeys(path for files in places for path in files):
            calls = commands_at(agent, path)
            covered.update(calls)
            missing = [event for event in EVENTS[agent] if event not in calls]
            if calls:
                but = f", but not at {', '.join(missing)}" if missing else ""
                self.calling.append(f"{path}: {agent} calls at {plural(len(calls), 'event')}{but}")
            for command in sorted(set(calls.values())):
                self._check(agent, path, command)
        if covered:
            silent = [event for event in _REFUSING if event not in covered]
            self.off += [f"{agent} does not call at {event}, so nothing is refused there" for event in silent]
            self.off += obstacles(agent, os.environ, here)
        return bool(covered)

    def _check(self, agent: Agent, path: Path, command: str) -> None:
        program = shlex.split(command)[0]
        if shutil.which(program) is None and not os.access(program, os.X_OK):
            self.gone.append(f"{path}: {command}")
        elif not is_understood(command, agent):
            self.off.append(f"{path}: the command is not understood, so {agent} is let through: {command}")


def sessions(loaded: Loaded) -> Finding:
    """Check for sessions that spent today without calling the gate, though hooks are installed."""
    found = find_unasked(cache_folder(), loaded.ledger.path, loaded.config, time.time())
    if not found:
        return ok("none that was collected into this ledger today is known to have spent without asking the gate")
    details = [
        f"{one.source} {one.row.session}: {count(one.row.used)} tokens, begun in {one.folder or 'an unknown folder'}"
        for one in found
    ]
    fix = (
        "See whether hooks are switched off there (Claude Code: disableAllHooks, --bare, --setting-sources; "
        "Codex: features.hooks, or hooks that are not trusted: /hooks). If you took them out yourself: "
        "budgauge hook install AGENT --uninstall"
    )
    return warn(unasked_words([one.row for one in found]), fix, details)
