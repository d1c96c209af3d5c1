"""The tree of errors."""

from __future__ import annotations

import pickle

import pytest

from budgauge import errors
from budgauge.errors import AgentLimitExceededError, BudgaugeError, BudgetExceededError, ConfigError, LedgerWriteError

KINDS = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("kind", KINDS)
def test_all_have_one_base_and_stand_in_the_drawing(kind: type[Exception]) -> None:
    assert issubclass(kind, BudgaugeError)
    assert kind.__name__ in (errors.__doc__ or "")


def test_none_is_missing_from_the_list() -> None:
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert kinds == set(errors.__all__)


@pytest.mark.parametrize(
    "error",
    [
        AgentLimitExceededError("a/*", limit=1, current=2, requested=3),
        BudgetExceededError(limit=1, current=2, requested=3),
        ConfigError("m", hint="h"),
        LedgerWriteError("m"),
    ],
)
def test_errors_cross_process_pools(error: BudgaugeError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)


def test_the_message_stands_alone() -> None:
    assert str(ConfigError("what and where", hint="what to do")) == "what and where"
