"""Which of two budgets is nearer its end, by its total or by a limit."""

from __future__ import annotations

import pytest

from budgauge.status.standing import Standing, nearer, nearest_end, total_words
from monitor.stage import view


@pytest.mark.parametrize(
    ("budget", "limits", "words"),
    [
        (1_000_000, {}, "81.2% (812,000 / 1,000,000)"),
        (0, {}, None),
        (0, {"coder": 700_000}, "coder 87.4% (612,000 / 700,000)"),
        (1_000_000, {"coder": 700_000}, "coder 87.4% (612,000 / 700,000)"),
        (1_000_000, {"docs": 100_000}, "81.2% (812,000 / 1,000,000)"),
        (0, {"coder/*": 612_000}, "coder/* 100.0% (612,000 / 612,000)"),
        (0, {"nobody": 0}, None),
        (0, {"coder": 0}, "coder (612,000 / 0)"),
    ],
)
def test_the_largest_part_counts(budget: int, limits: dict[str, int], words: str | None) -> None:
    standing = nearest_end(view(budget=budget, limits=limits).snapshot)
    assert (standing.words if standing else None) == words


@pytest.mark.parametrize(
    ("other", "shown", "is_nearer"), [(900_000, 1_000_000, True), (1_000_000, 1_000_000, False), (0, 5, False)]
)
def test_only_what_is_nearer_is_worth_a_word(other: int, shown: int, is_nearer: bool) -> None:
    standing = nearer(view(budget=other).snapshot, view(budget=shown).snapshot)
    assert (standing is not None) == is_nearer
    assert nearer(view(budget=5).snapshot, view(budget=0).snapshot) is not None


def test_the_total_in_words() -> None:
    assert total_words(view().snapshot) == "81.2% (812,000 / 1,000,000)"
    assert total_words(view(budget=0).snapshot) == "812,000 tokens used, no total budget is set"


def test_a_limit_of_0_has_no_percentage() -> None:
    assert Standing(100.0, 5, 0, "exceeded", "none").words == "none (5 / 0)"
