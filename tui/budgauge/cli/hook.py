"""`budgauge hook`: the gate for agents' hook calls, and its installation into their settings."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from budgauge.cli.options import common, note, note_topic, on_terminal
from budgauge.cli.own_command import own_command
from budgauge.config.both import SET_ONE, load_budgets
from budgauge.config.load import Options, load, working_folder
from budgauge.files.cache import cache_folder
from budgauge.files.pinned import pin
from budgauge.gate import CALLERS, main
from budgauge.sources.hook_obstacle import obstacles, project_folders
from budgauge.sources.hook_settings import are_whole, installation, removal, settings_files
from budgauge.sources.settings.change import Change, write
from budgauge.sources.settings.entry import Agent
from budgauge.sources.unasked.asked import Hook, add_hook, forget_hooks
from budgauge.text import safe


class _Hook(click.Group):
    """The gate's command; an agent's name may follow."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return _asking(cmd_name) if cmd_name in CALLERS else super().get_command(ctx, cmd_name)


def _places(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the installed command's options for folders."""
    for name in ("--home", "--codex-home", "--cache-home"):
        command = click.option(name, metavar="FOLDER", hidden=True)(command)
    return command


def _asking(caller: str) -> click.Command:
    """Return the command for an agent's hook calls."""

    @click.command(caller, hidden=True, help=f"Answer a hook call of {caller}.")
    @_places
    @common
    def command(options: Options, **folders: str | None) -> None:
        _answer(options, folders, caller)

    return command


@click.group(cls=_Hook, invoke_without_command=True)
@_places
@common
def hook_command(options: Options, **folders: str | None) -> None:
    """Answer an agent's hook call on standard input: exit code 0 allows, 2 refuses.

    An agent calls this command once its hooks are installed: budgauge hook install codex
    """
    if click.get_current_context().invoked_subcommand is None:
        _answer(options, folders)


def _answer(options: Options, folders: dict[str, str | None], caller: str = "") -> None:
    """Exit with the answer to the call on standard input; the budget is found from the named folders."""
    pin(os.environ, **folders)
    if on_terminal(sys.stdin):
        raise click.UsageError("agents call this from their hooks; to install them: budgauge hook install codex")
    click.get_current_context().exit(main(options, caller=caller))


@hook_command.command("install")
@click.argument("agent", type=click.Choice(["codex", "claude-code"]))
@click.option("--project", is_flag=True, help="Change this folder's settings instead of yours.")
@click.option("--uninstall", is_flag=True, help="Remove the hooks.")
@common
def install_command(options: Options, agent: Agent, project: bool, uninstall: bool) -> None:
    """Show the change to an agent's settings, then write it."""
    folder = working_folder() if project else None
    files = settings_files(agent, os.environ, folder)
    if uninstall:
        _make(removal(agent, files, within=folder), files)
        home, place = _place(files, folder)
        forget_hooks(cache_folder(), agent, home=home, folder=place)
        return
    if options.config or options.ledger:
        load(options)  # a wrong path must fail now, not in the installed command
    command = own_command(agent, options, os.environ)
    changes, were_whole = installation(agent, files, command, within=folder), are_whole(agent, files)
    _make(changes, files)
    # Sessions from now on call the gate: this note finds those that spend without.
    add_hook(cache_folder(), Hook(agent, *_place(files, folder), time.time()), afresh=not were_whole)
    if folder is not None and (project_folders(folder)[-1] / ".git").exists():
        named = ", ".join(str(change.path) for change in changes if change.diff and change.after)
        if named:
            note(f"keep out of commits, because of this machine's paths: {named}")
    troubles = _missing_budget(options)
    troubles += [f"the gate does not work: {obstacle}" for obstacle in obstacles(agent, os.environ, working_folder())]
    for trouble in troubles:
        note(trouble)
    if troubles:
        note_topic("gate")


def _make(changes: Sequence[Change], files: Sequence[Path]) -> None:
    """Show the diffs, then write them."""
    changes = [change for change in changes if change.diff]
    for change in changes:
        if change.is_linked:
            click.echo(safe(f"{change.path} is a link to {change.target}"))
        click.echo("\n".join(safe(line) for line in change.diff.splitlines()))
    for change in changes:
        write(change)
        click.echo(f"{safe(str(change.path))}: written")
    if not changes:
        click.echo(f"{safe(', '.join(map(str, files)))}: nothing to change")


def _place(files: Sequence[Path], project: Path | None) -> tuple[str, str]:
    """Return the agent's folder and the project's for the hooks in these files; empty for any."""
    if project is not None:
        return "", os.path.realpath(project)
    return os.path.realpath(files[0].parent), ""


def _missing_budget(options: Options) -> list[str]:
    """Return why nothing will be refused: a broken config, or no budget and no limit that is set."""
    budgets = load_budgets(options)
    if budgets.troubles:
        return [*map(str, budgets.troubles)]
    if any(loaded.sets_something for loaded in budgets.all):
        return []
    return [f"no budget is set, so nothing will be refused. {SET_ONE}"]
