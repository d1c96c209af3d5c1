"""What a config made in Python may hold: whatever its types do not stop is a ConfigError."""

from __future__ import annotations

from typing import Any

import pytest

from budgauge.config import BudgetConfig
from budgauge.config.model import Cycle
from budgauge.errors import ConfigError


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("per_agent_limits", None),
        ("per_agent_limits", [("a", 1)]),
        ("per_agent_limits", {5: 1}),
        ("per_agent_limits", {"a": -1}),
        ("prices", None),
        ("prices", {"m": 3}),
        ("prices", {5: 3}),
        ("cycle", "daily"),
        ("notify", None),
        ("sync", "yes"),
        ("count", "x"),
        ("count", ["all"]),
        ("on_hook_error", "x"),
        ("language", None),
        ("language", "fr"),
        ("collect_agent", "x"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"{key}.* = .*: must be "):
        BudgetConfig(**{key: value})


@pytest.mark.parametrize(
    ("key", "value"), [("period", "hourly"), ("day", 0), ("day", 32), ("day", True), ("day", "1"), ("timezone", None)]
)
def test_a_wrong_value_of_a_cycle_is_named(key: str, value: Any) -> None:
    fields: dict[str, Any] = {"period": "monthly", key: value}
    with pytest.raises(ConfigError, match=f"cycle.{key} = .*: must be "):
        Cycle(**fields)


def test_choices_are_spelt_out() -> None:
    wrong: Any = "fr"
    with pytest.raises(ConfigError, match='language = "fr": must be "auto", "en" or "ja"'):
        BudgetConfig(language=wrong)
