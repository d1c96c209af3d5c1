"""`budgauge hook`: the gate that agents ask, and how it is put into their settings."""

from __future__ import annotations

import os
import shlex
import sys
import time
from pathlib import Path

import click

from budgauge.cli.options import common, note, on_terminal
from budgauge.config.both import SET_ONE, load_budgets
from budgauge.config.load import Options, working_folder
from budgauge.files.cache import cache_folder
from budgauge.gate import main
from budgauge.sources.hook_settings import installed, is_whole, settings_file, uninstalled
from budgauge.sources.settings.change import write
from budgauge.sources.settings.entry import Agent
from budgauge.sources.unasked.asked import Hook, add_hook, forget_hooks
from budgauge.text import safe


@click.group(invoke_without_command=True)
@common
def hook_command(options: Options) -> None:
    """Answer a hook call of Codex or Claude Code on standard input: exit code 0 allows, 2 refuses.

    An agent calls it by itself once it is installed: budgauge hook install codex
    """
    if click.get_current_context().invoked_subcommand is None:
        if on_terminal(sys.stdin):
            raise click.UsageError("agents call this at their hooks; to make them: budgauge hook install codex")
        click.get_current_context().exit(main(options))


@hook_command.command("install")
@click.argument("agent", type=click.Choice(["codex", "claude-code"]))
@click.option("--project", is_flag=True, help="In this folder's own settings, not in yours.")
@click.option("--uninstall", is_flag=True, help="Take it out again.")
@common
def install_command(options: Options, agent: Agent, project: bool, uninstall: bool) -> None:
    """Show the change to an agent's settings, then make it."""
    folder = working_folder() if project else None
    path = settings_file(agent, os.environ, folder)
    was_whole = not uninstall and is_whole(agent, path)
    change = uninstalled(agent, path) if uninstall else installed(agent, path, own_command())
    if not change.diff:
        click.echo(f"{safe(str(path))}: nothing to change")
        _remember(agent, path, folder, installs=not uninstall, afresh=False)
        if not uninstall:
            _note_missing_budget(options)
        return
    click.echo("\n".join(safe(line) for line in change.diff.splitlines()))
    write(change)
    _remember(agent, path, folder, installs=not uninstall, afresh=not was_whole)
    click.echo(f"{safe(str(path))}: written")
    if not uninstall:
        _note_missing_budget(options)
    if agent == "codex" and not uninstall:
        note("Codex asks once whether you trust these hooks; in its terminal: /hooks")


def _remember(agent: Agent, settings: Path, project: Path | None, *, installs: bool, afresh: bool) -> None:
    """From now on sessions call the gate, or no longer: who then spends without calling is found by that."""
    home = "" if project else os.path.realpath(settings.parent)
    folder = os.path.realpath(project) if project else ""
    if installs:
        add_hook(cache_folder(), Hook(agent, home, folder, time.time()), afresh=afresh)
    else:
        forget_hooks(cache_folder(), agent, home=home, folder=folder)


def _note_missing_budget(options: Options) -> None:
    """Say that nothing will be refused, where no budget and no limit is set."""
    budgets = load_budgets(options)
    for trouble in budgets.troubles:
        note(str(trouble))
    if not budgets.troubles and not any(loaded.sets_something for loaded in budgets.all):
        note(f"no budget is set, so nothing will be refused. {SET_ONE}")


def own_command() -> str:
    """How an agent calls this very installation, whatever its PATH is then."""
    script, beside = Path(sys.argv[0]), Path(sys.executable).with_name("budgauge")
    found = next((path for path in (script, beside) if path.name == "budgauge" and path.is_file()), None)
    if found:
        return f"{shlex.quote(os.path.abspath(found))} hook"
    return f"{shlex.quote(sys.executable)} -m budgauge hook"
