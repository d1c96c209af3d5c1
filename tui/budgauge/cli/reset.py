"""`budgauge reset`: reset the counters, or undo the last reset."""

from __future__ import annotations

import shlex
import sys

import click

from budgauge.accounting.family import families_of, is_family, members_of
from budgauge.cli.options import common, on_terminal, open_budget
from budgauge.config.load import Options
from budgauge.config.name import same_name
from budgauge.errors import RecordError
from budgauge.text import count, safe
from budgauge.tracker.tracker import TokenBudgetTracker


@click.command()
@click.option("--agent", metavar="ID", help="Only this agent's counters, or a family's, as in 'codex/*'.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--undo", is_flag=True, help="Undo the latest reset; usage since then is kept.")
@common
def reset_command(options: Options, agent: str | None, yes: bool, undo: bool) -> None:
    """Set the counters back to zero. A reset is a line in the ledger: nothing is deleted."""
    if undo and (agent or yes):
        raise click.UsageError("--undo takes no other option: it undoes the latest reset without asking")
    budget = open_budget(options)
    tracker = TokenBudgetTracker(authority=budget)
    if undo:
        before = tracker.get_total_used()
        tracker.undo_reset()
        used = tracker.get_total_used()
        click.echo(f"the latest reset is undone: {count(used - before)} tokens are back, {count(used)} used")
        return
    if agent is not None:
        _check_is_known(budget.known_agents(), agent)
    used = tracker.get_total_used() if agent is None else tracker.get_agent_usage(agent)
    who = "all agents" if agent is None else f"family {safe(agent)}" if is_family(agent) else f"agent {safe(agent)}"
    if not yes:
        if not on_terminal(sys.stdin):
            raise click.UsageError("without a terminal to ask on, reset needs --yes")
        if not _agreed(f"Reset {who}: {count(used)} tokens?"):
            click.echo("nothing was reset", err=True)
            click.get_current_context().exit(1)
    tracker.reset(agent, by="command line")
    if not used:
        click.echo(f"reset {who}: nothing was used")
        return
    click.echo(f"reset {who}: {count(used)} tokens; undo it with: {_undo(options)}")


_NAMED = 20
"""Names listed at most."""


def _check_is_known(known: set[str], agent: str) -> None:
    """Raise RecordError, with the known names, unless the agent or family ever used something."""
    wanted = same_name(agent)
    if any(members_of(agent, known)) if is_family(agent) else wanted in map(same_name, known):
        return
    families = {family for name in known for family in families_of(same_name(name)) if family != f"{name}/*"}
    what = "no agent of the family" if is_family(agent) else "no agent"
    message = f"{what} {agent!r} in this ledger"
    if not known:
        raise RecordError(f"{message}: it is empty", hint="Name the ledger with --ledger, or leave --agent out.")
    from difflib import get_close_matches

    names = sorted(known | families)
    near = get_close_matches(wanted, names, 1, 0.6)
    listed = ", ".join(names[:_NAMED]) + (f" and {count(len(names) - _NAMED)} more" if len(names) > _NAMED else "")
    raise RecordError(message, hint=(f"Did you mean {near[0]}? " if near else "") + f"There are: {listed}")


def _undo(options: Options) -> str:
    """Return the command to undo a reset of this very ledger."""
    named = [f"--{key} {shlex.quote(value)}" for key in ("config", "ledger") if (value := getattr(options, key))]
    return safe(" ".join(["budgauge", *named, "reset --undo"]))


def _agreed(question: str) -> bool:
    """Ask a question; Ctrl-C and the end of the input mean no."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        return False
