"""Options, errors and notes shared by all commands."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from functools import wraps
from typing import IO, TYPE_CHECKING, Any

import click

from budgauge.config.load import Loaded, Options, load
from budgauge.errors import BudgaugeError, ConfigError, RecordError, RefusedError
from budgauge.text import safe

if TYPE_CHECKING:
    from budgauge.authority.local import Local


def common(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --config and --ledger to a command, as the argument `options`.

    Both may stand before or after the command; those after it win.
    """

    @click.option("--config", metavar="FILE", help="A config file that replaces the user's and the project's.")
    @click.option("--ledger", metavar="FILE", help="The ledger to use.")
    @click.pass_context
    @wraps(command)
    def with_options(
        ctx: click.Context, /, *args: object, config: str | None, ledger: str | None, **kwargs: object
    ) -> object:
        for option, value in (("--config", config), ("--ledger", ledger)):
            if value == "":
                raise click.UsageError(f"{option} is empty: name a file, or leave {option} out (an unset variable?)")
        outer: Options = ctx.obj or Options()
        ctx.obj = Options(config=config or outer.config, ledger=ledger or outer.ledger)
        return command(*args, options=ctx.obj, **kwargs)

    return with_options


class Failure(click.ClickException):
    """An error in up to three lines: the reason, a hint, and the help topic."""

    def __init__(self, message: str, hint: str, exit_code: int, topic: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.topic = topic
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    @classmethod
    def of(cls, error: BudgaugeError) -> Failure:
        """Convert one of our own errors."""
        code = 3 if isinstance(error, RefusedError) else 2 if isinstance(error, (ConfigError, RecordError)) else 1
        return cls(str(error), error.hint, code, "config" if isinstance(error, ConfigError) else "")

    @classmethod
    def of_system(cls, error: OSError) -> Failure:
        """Convert a failed system call without a better error."""
        where = f"{error.filename}: " if error.filename else ""
        return cls(f"{where}{error.strerror or error}", "", 1)

    def show(self, file: Any = None) -> None:
        """Print to standard error, safe for the terminal."""
        click.echo(f"budgauge: {safe(self.message)}", err=True)
        if self.hint:
            click.echo(f"  {safe(self.hint)}", err=True)
        if self.topic:
            note_topic(self.topic)


def on_terminal(*streams: IO[str] | None) -> bool:
    """Return True if all streams are terminals; a stream closed before the program began is None."""
    return all(stream is not None and stream.isatty() for stream in streams)


def loaded() -> None:
    """Start garbage collection now, and exclude everything loaded so far."""
    gc.freeze()
    gc.enable()


def note(text: str) -> None:
    """Print a note on standard error, beside the data."""
    click.echo(f"budgauge: {safe(text)}", err=True)


def note_warnings(configs: Iterable[Loaded]) -> None:
    """Note the warnings of configs, each once."""
    for warning in dict.fromkeys(warning for loaded in configs for warning in loaded.warnings):
        note(warning)


def note_topic(topic: str) -> None:
    """Name the topic of the documentation that says more, below a note or an error."""
    click.echo(f"  more: budgauge help {topic}", err=True)


def note_set_aside(budget: Local) -> None:
    """Note in one line if lines of the ledger were skipped."""
    if problems := budget.set_aside:
        note("; ".join(problem.message for problem in problems) + ". Each line: budgauge doctor")


def load_config(options: Options) -> Loaded:
    """Return the options' config; its warnings become notes."""
    loaded = load(options)
    note_warnings([loaded])
    return loaded


def open_budget(options: Options) -> Local:
    """Return the options' budget; config warnings become notes."""
    from budgauge.authority.local import Local

    loaded = load_config(options)
    return Local(loaded.config, loaded.ledger.path)
