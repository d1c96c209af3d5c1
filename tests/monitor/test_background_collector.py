"""Collecting beside the monitor: into the ledger that is read, and again when another collector has gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from budgauge.config.load import Options
from budgauge.files.cache import cache_folder
from budgauge.monitor.background_collector import BackgroundCollector
from budgauge.sources.lock import lock_name, only_collector
from budgauge.views.live import SETTLE_SECONDS, Observer
from clock import Clock
from sources.rollouts import Log


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def write_call(home: Path) -> None:
    """Codex makes a call, a little later than now."""
    Log(start=int(time.time()) + 60).meta(cwd=str(home)).turn("gpt-4o").call(100, 40, 10, 0).write(home / ".codex")


@pytest.fixture
def observer(own_place: Path, tmp_path: Path, clock: Clock) -> Observer:
    (own_place / ".codex" / "sessions").mkdir(parents=True)
    config = tmp_path / "config.toml"
    config.write_text('[token_budget]\nledger = "one.jsonl"\n', encoding="utf-8")
    return Observer(Options(config=str(config)), monotonic=clock, lookup=False)


def test_it_moves_with_the_ledger(observer: Observer, own_place: Path, tmp_path: Path, clock: Clock) -> None:
    following = BackgroundCollector(observer)
    assert not following.moved
    following.start()
    (tmp_path / "config.toml").write_text('[token_budget]\nledger = "two.jsonl"\n', encoding="utf-8")
    for _ in range(2):
        observer.look()
        clock.now += SETTLE_SECONDS
    observer.look()
    assert following.moved
    following.stop()
    following.start()
    assert not following.moved
    write_call(own_place)
    wait(lambda: following.summary == "1 call")
    following.stop()
    assert (tmp_path / "two.jsonl").exists()
    assert not (tmp_path / "one.jsonl").exists()


def test_after_another_collector_it_goes_on_from_its_first_start(observer: Observer, own_place: Path) -> None:
    following = BackgroundCollector(observer)
    with only_collector(cache_folder() / lock_name(observer.loaded.ledger.path)):
        following.start()
        wait(lambda: following.trouble is not None)
        assert "another collector" in (following.trouble or "")
        assert not following.running
    write_call(own_place)
    following.start()
    wait(lambda: following.running)
    assert following.trouble is None
    wait(lambda: following.summary == "1 call")
    following.stop()


def test_lines_that_it_cannot_read_are_reported(observer: Observer, own_place: Path) -> None:
    following = BackgroundCollector(observer)
    following.start()
    wait(lambda: following.running)
    log = Log(start=int(time.time()) + 60).meta(cwd=str(own_place)).turn("gpt-4o").call(100, 40, 10, 0)
    log.line("token_usage_record", {"usage": {"prompt_tokens": 5, "output_tokens": 1}}).write(own_place / ".codex")
    wait(lambda: following.summary == "1 call")
    assert following.trouble == "codex: 1 line of session logs cannot be read; not counted; see budgauge doctor"
    following.stop()
