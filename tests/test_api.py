"""The public names, and that importing them is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

import budgauge

HEAVY = ("textual", "rich", "genai_prices", "click", "watchfiles", "platformdirs")


def loaded_after(code: str) -> set[str]:
    """Which heavy packages stand in sys.modules after running some code in a fresh interpreter."""
    show = f"\nimport sys; print(*(set({HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_measure_itself_sees_what_is_loaded() -> None:
    assert "click" in loaded_after("import click")


def test_importing_loads_nothing_heavy() -> None:
    assert loaded_after("import budgauge") == set()


def test_tracking_in_memory_loads_nothing_heavy() -> None:
    code = "from budgauge import *; TokenBudgetTracker(BudgetConfig()).report_usage('a', 'gpt-4', 1, 1)"
    assert loaded_after(code) == set()


def test_the_shared_tracker_and_what_programs_look_through_load_no_screen() -> None:
    code = "from budgauge import *; import budgauge.views.live; TokenBudgetTracker.open().get_total_used()"
    assert not loaded_after(code) & {"textual", "rich", "genai_prices", "click"}


def test_every_public_name_is_there() -> None:
    for name in budgauge.__all__:
        assert getattr(budgauge, name) is not None
        assert name in dir(budgauge)
    for name in ("TokenBudgetTracker", "BudgetConfig", "BudgetExceededError", "AgentLimitExceededError"):
        assert name in budgauge.__all__


def test_other_names_are_missing_as_usual() -> None:
    with pytest.raises(AttributeError, match="module 'budgauge' has no attribute 'nope'"):
        budgauge.nope  # noqa: B018  # asking is the test
