"""Every test has its own home, environment, working directory and time zone: the real ones are never touched."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import settings

from budgauge import TokenBudgetTracker, connect
from budgauge.authority.both import Both
from budgauge.authority.local import Local
from budgauge.config import BudgetConfig
from clock import Clock
from usage import Make

settings.register_profile("small", max_examples=100, derandomize=True, deadline=None, database=None)
settings.register_profile("full", max_examples=5000, deadline=None)
settings.load_profile("small")  # `pytest --full` takes the other

# Many tests start programs, which would spend half of their time compiling us again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Programs inherit signals that a run in the background ignores, but not those with a handler.
for _signal in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, lambda *_: None)

_FOREIGN = ("CODEX_", "CLAUDE_", "XDG_", "TEXTUAL")
_FOREIGN_NAMES = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the tests of faults at their full size: many minutes")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--full"):
        settings.load_profile("full")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = terminalreporter.getreports("passed")
    figures = [str(text) for report in passed for name, text in report.user_properties if name == "figure"]
    if figures:
        terminalreporter.section("figures")
        for text in figures:
            terminalreporter.write_line(text)


@pytest.fixture
def figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Takes a line that says what a test measured; all of them are shown at the end."""
    return lambda text: record_property("figure", text)


@pytest.fixture
def sized(pytestconfig: pytest.Config) -> Callable[[int, int], int]:
    """`sized(small, full)` is the one that was asked for."""
    is_full = pytestconfig.getoption("--full")
    return lambda small, full: full if is_full else small


@pytest.fixture(autouse=True)
def own_place(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty home with an empty working directory in it, and nothing of ours in the environment; the home."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(_FOREIGN) or name in _FOREIGN_NAMES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    (home / "run").mkdir(mode=0o700)
    (home / "work").mkdir()
    monkeypatch.chdir(home / "work")
    yield home
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at 1 January 2026, 00:00 UTC."""
    return Clock(1_767_225_600)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """A path where no ledger is yet."""
    return tmp_path / "token_usage.jsonl"


@pytest.fixture(params=["memory", "local", "both", "remote"])
def make(
    request: pytest.FixtureRequest, own_place: Path, ledger: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Make]:
    """Trackers under each kind of authority, which keep the same rules."""
    if request.param in ("memory", "local"):
        path = ledger if request.param == "local" else None
        yield lambda config: TokenBudgetTracker(config, ledger=path, now=clock)
        return
    if request.param == "both":
        user = Local(BudgetConfig(total_budget=0), ledger.with_name("users.jsonl"), now=clock)
        yield lambda config: TokenBudgetTracker(authority=Both(user, Local(config, ledger, now=clock)), now=clock)
        return
    from budgauge.authority.remote import Remote
    from served import Served

    def other_rules(*_: object) -> None:
        pytest.skip("a server has a config of its own")

    monkeypatch.setattr(Remote, "set_config", other_rules)
    ending = ExitStack()

    def connected(config: BudgetConfig) -> TokenBudgetTracker:
        ending.close()  # a ledger has one server
        served = Served(ledger, config=written(config, own_place / "served.toml"), clock=clock)
        ending.callback(served.end)
        served.server._tracker._warn = lambda _tokens: None  # type: ignore[method-assign]  # one warns here
        client = ending.enter_context(connect(socket=served.path))
        return TokenBudgetTracker(authority=Remote(client, now=clock), now=clock)

    with ending:
        yield connected


def written(config: BudgetConfig, path: Path) -> Path:
    """A config as a file."""
    lines = ["[token_budget]"]
    lines += [f"{name} = {getattr(config, name)!r}" for name in ("total_budget", "warning_threshold", "count")]
    lines += ["[token_budget.per_agent_limits]"]
    lines += [f"{name!r} = {limit}" for name, limit in config.per_agent_limits.items()]
    if config.cycle is not None:
        lines += ["[token_budget.cycle]"]
        lines += [f"{name} = {getattr(config.cycle, name)!r}" for name in ("period", "day", "timezone")]
    for model, price in config.prices.items():
        lines += [f"[token_budget.prices.{model!r}]"]
        lines += [f"{name} = {getattr(price, name)}" for name in ("prompt_per_1k", "completion_per_1k")]
    lines += ["[token_budget.price_factors]"]
    lines += [f"{name!r} = {factor}" for name, factor in config.price_factors.items()]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
