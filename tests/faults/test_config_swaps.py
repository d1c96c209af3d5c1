"""The config is replaced, written in parts, damaged and lost while a monitor runs: never without a limit."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from budgauge.files import watch
from budgauge.views.live import View
from faults.following import Screen

BUDGET = "[token_budget]\ntotal_budget = {}\nper_agent_limits = {{a = 50}}\n"
LIMITS = {"a": 50}


def replace(config: Path, text: str) -> None:
    config.parent.mkdir(exist_ok=True)
    config.with_suffix(".tmp").write_text(text)
    os.replace(config.with_suffix(".tmp"), config)


def write_in_parts(config: Path, text: str, chance: random.Random) -> None:
    """As an editor does that empties the file first."""
    with config.open("w") as file:
        for cut in sorted(chance.sample(range(len(text)), 4)):
            file.write(text[file.tell() : cut])
            file.flush()
            time.sleep(0.005)
        file.write(text[file.tell() :])


INVALID = [
    "[token_budget]\ntotal_budget = -1\n",
    "[token_budget]\ntotal_budget = 1e3\n",
    '[token_budget]\ntotal_budget = "',
    "[token_bud",
    "x = 1\nx = 2\n",
    "\0\0\0\0",
    "[token_budget]\nper_agent_limits = 5\n",
]
LOST = ["", "[token_budget]\n", 'model = "x"\n', "# all commented out\n"]


class Swaps:
    """One round of each kind, and what must be shown during and after it."""

    def __init__(self, config: Path, screen: Screen, seed: int) -> None:
        self._config = config
        self._screen = screen
        self._chance = random.Random(seed)
        self._budget = 1000

    def round(self, kind: str) -> None:
        """Do it, see that the last good config stays in force meanwhile, and that the new one comes."""
        self._budget += 1
        text = BUDGET.format(self._budget)
        if kind == "parts":
            write_in_parts(self._config, text, self._chance)
        elif kind != "replace":
            self._lose(kind)
            replace(self._config, text)
        else:
            replace(self._config, text)
        self._screen.until(self._is_applied)

    def _lose(self, kind: str) -> None:
        if kind == "invalid":
            replace(self._config, self._chance.choice(INVALID))
        elif kind == "lost":
            replace(self._config, self._chance.choice(LOST))
        elif kind == "deleted":
            self._config.unlink()
        elif kind == "folder":
            shutil.rmtree(self._config.parent)
        else:
            self._config.unlink()
            self._config.mkdir()
        self._screen.until(lambda view: view.config_trouble is not None)
        assert self._screen.view.config.total_budget == self._budget - 1
        if kind == "a folder":
            self._config.rmdir()

    def _is_applied(self, view: View) -> bool:
        shown = (view.config.total_budget, view.snapshot.total_budget, view.config_trouble)
        return shown == (self._budget, self._budget, None)


MOST_LOOKS = {False: 2, True: 12}
"""With a watcher or without: the second look that a tick brings applies a file, and hints bring a few more."""
KINDS = ["replace", "parts", "invalid", "lost", "deleted", "folder", "a folder", "replace"]


def swapped(home: Path, rounds: int, seed: int) -> Screen:
    """A screen after many swaps; every view of it was under a budget that was whole."""
    config = home / ".codex" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(BUDGET.format(1000))
    with Screen(home=home) as screen:
        swaps = Swaps(config, screen, seed)
        for number in range(seed, seed + rounds):
            swaps.round(KINDS[number % len(KINDS)])
    budgets = [view.config.total_budget for view in screen.seen]
    assert sorted(budgets) == budgets, "an older one never came back"
    assert set(budgets) <= set(range(1000, 1001 + rounds))
    assert all(view.config.per_agent_limits == LIMITS for view in screen.seen)
    assert all(view.snapshot.remaining_budget is not None for view in screen.seen), "never unlimited"
    return screen


@pytest.mark.parametrize("watched", [True, False], ids=["watched", "no-watcher"])
def test_the_last_good_config_stays_and_a_new_one_is_applied(
    tmp_path: Path,
    sized: Callable[[int, int], int],
    figure: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    watched: bool,
) -> None:
    """Several homes at once, because each waits for a second most of the time."""
    if not watched:
        monkeypatch.setattr(watch, "_notify", lambda _folders, _recursive: None)
    homes, rounds = len(KINDS), sized(1, 20 if watched else 5)
    with ThreadPoolExecutor(homes) as pool:
        screens = list(pool.map(lambda seed: swapped(tmp_path / f"home-{seed}", rounds, seed), range(homes)))
    most_looks = max(screen.most_looks for screen in screens)
    figure(
        f"config ({'watched' if watched else 'watcher off'}): {homes * rounds} swaps of {len(set(KINDS))} kinds, "
        f"last good kept in {sum(len(screen.seen) for screen in screens):,} views, 0 unlimited, "
        f"applied or refused within {most_looks} looks"
    )
    assert most_looks <= MOST_LOOKS[watched]
