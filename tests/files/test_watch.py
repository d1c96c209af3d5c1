"""Change hints: soon after a change, and in any case once a tick."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from budgauge.files import watch as watch_module
from budgauge.files.watch import watch

WAIT_SECONDS = 60


class Watching:
    """A watch in a thread, and what it yielded."""

    def __init__(
        self,
        *folders: Path,
        recursive: bool = False,
        tick_seconds: float = 1.0,
        glance: Callable[[], object] | None = None,
    ) -> None:
        self.stop = threading.Event()
        self.folders = frozenset(map(str, folders))
        self.seen: list[frozenset[str]] = []
        self._more = threading.Condition()
        self._hints = watch(lambda: folders, self.stop, recursive=recursive, tick_seconds=tick_seconds, glance=glance)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        for hint in self._hints:
            with self._more:
                self.seen.append(hint)
                self._more.notify_all()

    def until(self, holds: Callable[[], bool]) -> None:
        with self._more:
            assert self._more.wait_for(holds, WAIT_SECONDS)

    def ticks(self) -> int:
        """Hints that name nothing within the folders."""
        return sum(hint <= self.folders for hint in self.seen)

    def saw(self, path: Path) -> bool:
        return any(str(path) in hint for hint in self.seen)

    def after_ticks(self, more: int) -> None:
        ticks = self.ticks()
        self.until(lambda: self.ticks() >= ticks + more)


@pytest.fixture
def start() -> Iterator[Callable[..., Watching]]:
    running: list[Watching] = []

    def begin(*folders: Path, tick_seconds: float = 0.1, **more: Any) -> Watching:  # as Watching takes them
        running.append(Watching(*folders, tick_seconds=tick_seconds, **more))
        return running[-1]

    yield begin
    for watching in running:
        watching.stop.set()
        watching.thread.join(WAIT_SECONDS)
        assert not watching.thread.is_alive()


Start = Callable[..., Watching]


def test_a_change_is_seen_before_the_next_tick(tmp_path: Path, start: Start) -> None:
    watching = start(tmp_path, tick_seconds=60)
    watching.until(lambda: watching.ticks() == 1)
    (tmp_path / "a").write_text("x")
    watching.until(lambda: watching.saw(tmp_path / "a"))
    assert watching.ticks() == 1


def test_ticks_come_by_themselves_and_beside_changes(tmp_path: Path, start: Start) -> None:
    watching = start(tmp_path)
    watching.after_ticks(3)
    stop = threading.Event()

    def neighbour() -> None:
        while not stop.wait(0.002):
            (tmp_path / "busy").write_text("x")

    thread = threading.Thread(target=neighbour)
    thread.start()
    try:
        watching.after_ticks(5)
    finally:
        stop.set()
        thread.join()
    assert watching.saw(tmp_path / "busy")


def test_stop_ends_it_at_once(tmp_path: Path) -> None:
    watching = Watching(tmp_path, tick_seconds=60)
    watching.until(lambda: watching.ticks() == 1)
    watching.stop.set()
    watching.thread.join(WAIT_SECONDS)
    assert not watching.thread.is_alive()


def test_what_is_glanced_at_needs_no_event(tmp_path: Path, start: Start) -> None:
    sizes = [0]
    watching = start(tmp_path, tick_seconds=60, glance=lambda: sizes[-1])
    watching.until(lambda: watching.ticks() == 1)
    for size in (1, 2):
        sizes.append(size)
        watching.until(lambda size=size: watching.ticks() == size + 1)
    (tmp_path / "a").write_text("x")
    watching.until(lambda: watching.saw(tmp_path / "a"))
    assert watching.ticks() == 3


def test_it_also_ends_at_once_while_glancing(tmp_path: Path) -> None:
    watching = Watching(tmp_path, tick_seconds=60, glance=lambda: 0)
    watching.until(lambda: watching.ticks() == 1)
    watching.stop.set()
    watching.thread.join(WAIT_SECONDS)
    assert not watching.thread.is_alive()


def test_a_folder_that_appears_later_is_watched(tmp_path: Path, start: Start) -> None:
    late = tmp_path / "late"
    watching = start(late, tmp_path / "never")
    watching.after_ticks(1)
    late.mkdir()
    watching.after_ticks(2)
    (late / "a").write_text("x")
    watching.until(lambda: watching.saw(late / "a"))


def test_a_folder_that_is_watched_anew_counts_as_changed(tmp_path: Path, start: Start) -> None:
    late = tmp_path / "late"
    watching = start(late, tick_seconds=0.1)
    watching.after_ticks(1)
    assert not watching.saw(late)
    ready = tmp_path / "ready"
    (ready / "deep").mkdir(parents=True)
    (ready / "deep" / "a").write_text("x")
    ready.rename(late)
    watching.until(lambda: watching.saw(late))
    assert not watching.saw(late / "deep" / "a")


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_folder_made_anew_is_watched_again(tmp_path: Path, start: Start, how: str) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    watching = start(folder)
    watching.after_ticks(1)
    if how == "removed":
        shutil.rmtree(folder)
        watching.after_ticks(2)
        folder.mkdir()
    else:
        other = tmp_path / "other"
        other.mkdir()
        os.rename(folder, tmp_path / "gone")
        os.rename(other, folder)
    watching.after_ticks(2)
    (folder / "a").write_text("x")
    watching.until(lambda: watching.saw(folder / "a"))


def test_below_is_watched_only_when_asked(tmp_path: Path, start: Start) -> None:
    deep = tmp_path / "deep"
    deep.mkdir()
    flat, recursive = start(tmp_path), start(tmp_path, recursive=True)
    flat.after_ticks(1)
    recursive.after_ticks(1)
    (deep / "a").write_text("x")
    recursive.until(lambda: recursive.saw(deep / "a"))
    flat.after_ticks(2)
    assert not flat.saw(deep / "a")


def test_where_nothing_can_be_watched_it_ticks_on(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "_notify", lambda folders, recursive: None)
    watching = start(tmp_path)
    watching.after_ticks(3)
    (tmp_path / "a").write_text("x")
    watching.after_ticks(2)
    assert not watching.saw(tmp_path / "a")


def test_a_watcher_that_breaks_is_made_anew(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_module, "RETRY_SECONDS", 0.0)
    real, broken = watch_module._notify, threading.Event()

    def notify(folders: list[str], recursive: bool) -> object:
        watcher = real(folders, recursive)
        if watcher is not None and not broken.is_set():
            broken.set()
            watcher.close()
        return watcher

    monkeypatch.setattr(watch_module, "_notify", notify)
    watching = start(tmp_path)
    watching.after_ticks(3)
    (tmp_path / "a").write_text("x")
    watching.until(lambda: watching.saw(tmp_path / "a"))


def test_one_folder_that_cannot_be_watched_leaves_the_others(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = tmp_path / "bad", tmp_path / "good"
    bad.mkdir()
    good.mkdir()
    real = watch_module._notify
    monkeypatch.setattr(
        watch_module, "_notify", lambda folders, recursive: None if str(bad) in folders else real(folders, recursive)
    )
    watching = start(bad, good)
    watching.after_ticks(1)
    (good / "a").write_text("x")
    watching.until(lambda: watching.saw(good / "a"))
