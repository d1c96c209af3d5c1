"""`budgauge reset`: start the counters afresh, or take that back."""

from __future__ import annotations

import shlex
import sys

import click

from budgauge.cli.options import common, on_terminal, open_tracker
from budgauge.config.load import Options
from budgauge.text import count, safe


@click.command()
@click.option("--agent", metavar="ID", help="Only this agent's counters.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--undo", is_flag=True, help="Take the latest reset back; usage since then is kept.")
@common
def reset_command(options: Options, agent: str | None, yes: bool, undo: bool) -> None:
    """Start the counters afresh. It is a line in the ledger: nothing is deleted."""
    if undo and (agent or yes):
        raise click.UsageError("--undo stands alone: it asks nothing and takes the latest reset back")
    tracker = open_tracker(options)
    if undo:
        before = tracker.get_total_used()
        tracker.undo_reset()
        used = tracker.get_total_used()
        click.echo(f"the latest reset is undone: {count(used - before)} tokens are back, {count(used)} used")
        return
    used = tracker.get_total_used() if agent is None else tracker.get_agent_usage(agent)
    who = "all agents" if agent is None else f"agent {safe(agent)}"
    if not yes:
        if not on_terminal(sys.stdin):
            raise click.UsageError("without a terminal to ask on, reset needs --yes")
        if not _agreed(f"Reset {who}: {count(used)} tokens?"):
            click.echo("nothing was reset", err=True)
            click.get_current_context().exit(1)
    tracker.reset(agent, by="command line")
    click.echo(f"reset {who}: {count(used)} tokens; take it back with: {_undo(options)}")


def _undo(options: Options) -> str:
    """The command that takes it back, of this very ledger."""
    named = [f"--{key} {shlex.quote(value)}" for key in ("config", "ledger") if (value := getattr(options, key))]
    return safe(" ".join(["budgauge", *named, "reset --undo"]))


def _agreed(question: str) -> bool:
    """Ask; Ctrl-C and the end of the input mean no."""
    try:
        return click.confirm(question, err=True)
    except click.Abort:
        click.echo(err=True)
        return False
