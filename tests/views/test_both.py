"""The user's own budget is looked at beside the project's that is shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from budgauge.config.load import Options
from budgauge.errors import ConfigError
from budgauge.views.both import BothObserver
from budgauge.views.live import CHANGE_NOTICE_SECONDS, SETTLE_SECONDS, Observer, View
from clock import Clock
from usage import line


class Place:
    """A user's folder, and a project that is the working directory."""

    def __init__(self, home: Path, clock: Clock) -> None:
        self.user, self.project, self.clock = home / ".codex", home / "work" / ".codex", clock
        self.user.mkdir()
        self.project.mkdir()

    def config(self, folder: Path, text: str) -> None:
        (folder / "config.toml").write_text(f"[token_budget]\n{text}\n", encoding="utf-8")

    def spend(self, folder: Path, tokens: int) -> None:
        with (folder / "token_usage.jsonl").open("ab") as file:
            file.write(line("a", tokens, 0))

    def observer(self, options: Options = Options()) -> BothObserver:
        return BothObserver(options, monotonic=self.clock, lookup=False)

    def settled(self, observer: Observer) -> View:
        observer.look()
        self.clock.now += SETTLE_SECONDS
        return observer.look()


@pytest.fixture
def place(own_place: Path, clock: Clock) -> Place:
    return Place(own_place, clock)


def test_both_stand_beside_each_other(place: Place) -> None:
    place.config(place.user, "total_budget = 1000")
    place.config(place.project, "total_budget = 50")
    observer = place.observer()
    place.spend(place.user, 70)
    place.spend(place.project, 7)
    view = observer.look()
    assert (view.budget_of, view.snapshot.total_budget, view.snapshot.total_used) == ("project", 50, 7)
    assert view.user is not None
    assert (view.user.snapshot.total_budget, view.user.snapshot.total_used) == (1000, 70)
    assert set(observer.folders()) == {place.user, place.project}


def test_it_is_the_same_view_until_either_changes(place: Place) -> None:
    place.config(place.project, "total_budget = 50")
    place.spend(place.user, 1)
    place.spend(place.project, 1)
    observer = place.observer()
    view = place.settled(observer)
    assert observer.look() is view
    for folder in (place.user, place.project):
        glance = observer.glance()
        place.spend(folder, 5)
        assert observer.glance() != glance
        newer = observer.look()
        assert newer is not view
        assert observer.look() is newer
        view = newer


@pytest.mark.parametrize("named", [False, True])
def test_without_a_project_there_is_one(place: Place, named: bool) -> None:
    place.config(place.user, "total_budget = 1000")
    observer = place.observer(Options(config=str(place.user / "config.toml")) if named else Options())
    view = observer.look()
    assert (view.budget_of, view.user, observer.user_loaded) == ("" if named else "user", None, None)


def test_a_project_that_comes_later_brings_the_users_beside_it(place: Place) -> None:
    place.config(place.user, "total_budget = 1000")
    observer = place.observer()
    assert place.settled(observer).user is None
    place.config(place.project, "total_budget = 50")
    view = place.settled(observer)
    assert (view.budget_of, view.user is not None) == ("project", True)


def test_a_total_that_nobody_set_is_none_beside_a_project(place: Place) -> None:
    place.config(place.project, "total_budget = 50")
    user = place.observer().look().user
    assert user is not None
    assert user.snapshot.remaining_budget is None


def test_trouble_with_the_users_own_is_seen(place: Place) -> None:
    place.config(place.project, "total_budget = 50")
    observer = place.observer()
    (place.user / "token_usage.jsonl").mkdir()
    user = observer.look().user
    assert user is not None
    assert "is a folder" in (user.ledger_trouble or "")
    place.config(place.user, "total_budget = -1")
    user = place.settled(observer).user
    assert user is not None
    assert "total_budget = -1" in (user.config_trouble or "")
    with pytest.raises(ConfigError):
        place.observer()


def test_a_project_that_goes_leaves_the_users_own_and_says_so(place: Place) -> None:
    place.config(place.user, "total_budget = 1000")
    place.config(place.project, "total_budget = 50")
    place.spend(place.user, 70)
    place.spend(place.project, 7)
    observer = place.observer()
    assert observer.look().budget_of == "project"
    (place.project / "config.toml").unlink()
    view = place.settled(observer)
    assert (view.budget_of, view.user, view.config_trouble) == ("user", None, None)
    assert (view.snapshot.total_budget, view.snapshot.total_used) == (1000, 70)
    assert view.notices[0] == (
        f"The project's config {place.project / 'config.toml'} is gone: your own budget "
        f"and ledger {place.user / 'token_usage.jsonl'} are shown now."
    )
    place.clock.now += CHANGE_NOTICE_SECONDS
    assert observer.look().notices == ()


def test_a_project_that_comes_is_said(place: Place) -> None:
    place.config(place.user, "total_budget = 1000")
    observer = place.observer()
    place.settled(observer)
    place.config(place.project, "total_budget = 50")
    assert place.settled(observer).notices[0] == (
        f"The project's config {place.project / 'config.toml'} was found: its budget "
        f"and ledger {place.project / 'token_usage.jsonl'} are shown now."
    )


def test_branches_with_and_without_a_project_never_stick(place: Place) -> None:
    place.config(place.user, "total_budget = 1000")
    observer = place.observer()
    place.settled(observer)
    for _ in range(3):
        place.config(place.project, "total_budget = 0")
        assert (place.settled(observer).budget_of, observer.look().snapshot.total_budget) == ("project", 0)
        shutil.rmtree(place.project)
        assert (place.settled(observer).budget_of, observer.look().snapshot.total_budget) == ("user", 1000)
        place.project.mkdir()


def test_a_project_around_it_takes_the_place_of_one_that_goes(place: Place) -> None:
    around, inner = place.project, place.project.parent / "inner" / ".codex"
    inner.mkdir(parents=True)
    place.config(around, "total_budget = 50")
    place.config(inner, "total_budget = 5")
    observer = BothObserver(start=inner.parent, monotonic=place.clock, lookup=False)
    assert observer.look().snapshot.total_budget == 5
    (inner / "config.toml").unlink()
    view = place.settled(observer)
    assert (view.snapshot.total_budget, view.budget_of) == (50, "project")
    assert f"The project's config is {around / 'config.toml'} now" in view.notices[0]


BROKEN = ["", "# nothing but a remark\n", "[token_budget]\n", "[token_budget]\ntotal_budget = -1\n", "[token_bud"]


@pytest.mark.parametrize("text", BROKEN)
def test_a_projects_config_that_is_broken_stays_as_it_was(place: Place, text: str) -> None:
    place.config(place.user, "total_budget = 1000")
    place.config(place.project, "total_budget = 50")
    observer = place.observer()
    observer.look()
    (place.project / "config.toml").write_text(text, encoding="utf-8")
    view = place.settled(observer)
    assert (view.budget_of, view.snapshot.total_budget) == ("project", 50)
    assert str(place.project / "config.toml") in (view.config_trouble or "")


def test_a_projects_other_settings_without_the_table_are_no_budget(place: Place) -> None:
    place.config(place.user, "total_budget = 1000")
    place.config(place.project, "total_budget = 50")
    observer = place.observer()
    observer.look()
    (place.project / "config.toml").write_text('model = "gpt-4"\n', encoding="utf-8")
    view = place.settled(observer)
    assert (view.budget_of, view.snapshot.total_budget, view.config_trouble) == ("user", 1000, None)


def test_another_ledger_is_said(place: Place) -> None:
    place.config(place.user, "total_budget = 1000")
    observer = place.observer()
    place.settled(observer)
    place.config(place.user, 'total_budget = 1000\nledger = "other.jsonl"')
    assert place.settled(observer).notices[0] == (
        f"The config names another ledger: {place.user / 'other.jsonl'} is shown now, "
        f"{place.user / 'token_usage.jsonl'} no longer."
    )


def test_what_serves_a_projects_ledger_keeps_its_limits(place: Place) -> None:
    place.config(place.project, "total_budget = 50")
    observer = Observer(monotonic=place.clock, lookup=False, keeps_project=True)
    (place.project / "config.toml").unlink()
    view = place.settled(observer)
    assert view.snapshot.total_budget == 50
    assert "no longer holds the budget" in (view.config_trouble or "")
