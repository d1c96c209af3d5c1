"""The command line: one module a command, loaded when the command is called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from budgauge.cli.options import Failure, common, loaded
from budgauge.config.load import Options
from budgauge.errors import BudgaugeError
from budgauge.text import safe

_COMMANDS = {"check": "record"} | {
    name: name
    for name in ("collect", "config", "demo", "doctor", "export", "help", "hook", "record", "reset", "serve", "status")
}
"""command → module below budgauge.cli that holds it, as `<command>_command`."""


class _Commands(click.Group):
    """A group of commands found by name. Their errors are shown in a few lines, never as a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(import_module(f"budgauge.cli.{module}"), f"{cmd_name}_command")
        loaded()
        return command

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        answers = _answers_a_hook(args)
        with _clean_errors(refuses=not answers):
            made = super().make_context(info_name, args, parent, **extra)
            made.meta[_ANSWERS] = answers
            return made

    def invoke(self, ctx: click.Context) -> object:
        with _clean_errors(refuses=not ctx.meta.get(_ANSWERS)):
            return super().invoke(ctx)


_ANSWERS = "budgauge.answers_a_hook"
"""Key in a context's `meta`: does an agent wait for the exit code?"""


def _answers_a_hook(words: list[str]) -> bool:
    """Return True for an agent's hook call, even a misspelt one as far as possible."""
    return next((word for word in words if word in _COMMANDS), None) == "hook" and "install" not in words


@contextmanager
def _clean_errors(*, refuses: bool) -> Iterator[None]:
    """Convert every error into one of click's, safe for the terminal.

    Without `refuses` no error has exit code 2: agents take that for a refusal.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except click.ClickException as error:
        error.message = safe(error.message)  # type: ignore[misc]  # final for subclasses; it is only made safe
        if not refuses:
            error.exit_code = 1  # type: ignore[misc]  # click reads it from the instance
        raise
    except BudgaugeError as error:
        failure = Failure.of(error)
        if not refuses:
            failure.exit_code = 1  # type: ignore[misc]  # click reads it from the instance
        raise failure from error
    except OSError as error:
        raise Failure.of_system(error) from error


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from budgauge import __version__

        click.echo(f"budgauge {__version__}")
        ctx.exit()


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
@click.option("--collect", "collecting", is_flag=True, help="Collect from agents' own logs while the monitor is open.")
@click.option("--inline", "in_line", is_flag=True, help="Draw in five lines of the scrollback.")
@common
def cli(options: Options, collecting: bool, in_line: bool) -> None:
    """A live token budget for AI coding agents.

    Without a command, the monitor opens. The documentation: budgauge help
    """
    if click.get_current_context().invoked_subcommand is not None:
        if collecting:
            raise click.UsageError("--collect belongs to the monitor: budgauge --collect")
        if in_line:
            raise click.UsageError("--inline belongs to the monitor, before any command: budgauge --inline")
        return
    from budgauge.cli.monitor import open_monitor

    open_monitor(options, collect=collecting, in_line=in_line)
