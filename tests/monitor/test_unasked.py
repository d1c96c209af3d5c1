"""The screen tells of sessions that spent without asking the gate."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from budgauge.files.cache import cache_folder
from budgauge.monitor.widgets.banner import Item, banner_items
from budgauge.status.unasked import UnaskedSession
from budgauge.views.live import Observer
from clock import Clock
from monitor.stage import Stage, view
from unasking import Sessions

ONE = UnaskedSession(session="a", agent_id="codex", used=20_000)
OTHER = UnaskedSession(session="b", agent_id="claude-code", used=21_000)


@pytest.mark.parametrize(
    ("unasked", "text"), [((ONE,), "1 session today spent 20,000"), ((ONE, OTHER), "2 sessions today spent 41,000")]
)
async def test_the_banner_tells_of_them(tmp_path: Path, unasked: tuple[UnaskedSession, ...], text: str) -> None:
    shown = view()
    shown = msgspec.structs.replace(shown, snapshot=msgspec.structs.replace(shown.snapshot, unasked=unasked))
    text += " tokens without asking the gate"
    assert Item("warning", f"{text}; see budgauge doctor") in banner_items(shown)
    stage = Stage(tmp_path, shown)
    async with stage.run(120, 30) as pilot:
        await stage.wait(pilot, text)


def test_an_observer_sees_them_come_and_go(own_place: Path, clock: Clock) -> None:
    place, ticks = Sessions(own_place, clock), Clock(0)
    clock.now += 12 * 3600
    place.install("codex")
    observer = Observer(clock=clock, monotonic=ticks, lookup=False)
    assert observer.look().snapshot.unasked == ()
    place.begin("codex", 1)
    place.spend(1, 20_000)
    place.collect()
    ticks.now += 0.5
    assert observer.look().snapshot.unasked == (), "it is looked for once a second"
    ticks.now += 0.5
    (row,) = observer.look().snapshot.unasked
    assert (row.agent_id, row.used) == ("codex", 20_000)
    seen = observer.look()
    ticks.now += 5
    assert observer.look() is seen
    (own_place / ".cache" / "budgauge" / "hooks.since").unlink()
    assert cache_folder() == own_place / ".cache" / "budgauge"
    ticks.now += 1
    assert observer.look().snapshot.unasked == ()
