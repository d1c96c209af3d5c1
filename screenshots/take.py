"""Takes the pictures that README shows, of the real app on a fixed ledger and a fixed clock.

    python screenshots/take.py [FOLDER]     # default: beside this script

The same pictures come out every time, so a picture that changes shows a change of the app.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from budgauge.accounting.codec import encode
from budgauge.accounting.record_checks import make_usage
from budgauge.config.load import Options
from budgauge.demo.simulation import CONFIG
from budgauge.monitor.app import MonitorApp
from budgauge.monitor.preferences import Preferences
from budgauge.sources.found import FoundLog
from budgauge.views.live import Observer

NOW = 1_795_514_425.0
"""The clock of all pictures: 2026-11-24 10:00:25 UTC."""

AGENTS = (
    # agent, model, prompt tokens of a call, part of it from a cache, completion tokens, minutes between calls
    ("codex", "gpt-5.1-codex", 15_300, 0.8, 890, 3),
    ("claude-code", "claude-sonnet-4-5", 14_100, 0.9, 640, 4),
    ("claude-code/explore", "claude-haiku-4-5", 7_450, 0.6, 410, 5),
    ("code-reviewer", "gpt-4o", 6_120, 0.0, 530, 6),
    ("codex/reviewer", "gpt-5.1-codex", 4_870, 0.5, 320, 7),
    ("docs", "gpt-4o-mini", 1_940, 0.0, 760, 11),
    ("local-summaries", "in-house-7b", 880, 0.0, 120, 19),
)


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """What is on a picture."""

    scale: float
    """How much was used; 0 is an empty ledger."""
    size: tuple[int, int] = (100, 30)
    keys: tuple[str, ...] = ()
    """What is pressed before it is taken."""
    theme: str = "budgauge-dark"
    in_line: bool = False


PICTURES = {
    "quiet": Picture(scale=0.86),
    "warning": Picture(scale=2.11),
    "exceeded": Picture(scale=2.93),
    "reset": Picture(scale=0.86, keys=("r",)),
    "details": Picture(scale=0.86, keys=("down", "down", "down", "enter")),
    "over-time": Picture(scale=0.86, keys=("o",)),
    "inline": Picture(scale=2.11, size=(100, 5), in_line=True),
    "narrow": Picture(scale=0.86, size=(60, 15)),
    "empty": Picture(scale=0.0),
}


def fill(ledger: Path, scale: float) -> None:
    """An hour of work, scaled to how much the picture needs."""
    with ledger.open("wb") as file:
        for minute in range(60):
            for place, (agent, model, prompt, cached, completion, every) in enumerate(AGENTS):
                if minute % every == (place + 2) % every:
                    size = int(prompt * scale * (1 + 0.4 * ((minute * 7 + place * 3) % 5 - 2) / 2))
                    usage = make_usage(
                        agent,
                        model,
                        size,
                        int(completion * scale),
                        timestamp=NOW - 60 * (59 - minute) - 5 * place,
                        cached_tokens=int(size * cached),
                    )
                    file.write(encode(usage))


async def take(folder: Path, picture: Picture) -> str:
    """One picture of the app on what lies in a folder, as SVG."""
    options = Options(config=str(folder / "config.toml"), ledger=str(folder / "token_usage.jsonl"))
    observer = Observer(options, cache=folder / "cache", lookup=False, clock=lambda: NOW)
    observer.resolve_prices()
    preferences = Preferences(folder / "preferences.json")
    preferences.choose(theme=picture.theme)
    app = MonitorApp(
        observer,
        collector=Idle(),
        preferences=preferences,
        found_logs=lambda: [FoundLog("codex", "~/.codex"), FoundLog("claude-code", "~/.claude/projects")],
        clock=lambda: NOW,
        shown_ledger="~/.codex/token_usage.jsonl",
        in_line=picture.in_line,
    )
    app.animation_level = "none"
    async with app.run_test(size=picture.size, notifications=True) as pilot:
        while not app.is_showing:
            await pilot.pause(0.01)
        await pilot.press(*picture.keys)
        await pilot.pause(0.5)
        return app.export_screenshot(title="budgauge", simplify=True)


class Idle:
    """A collector that is switched off."""

    running = False
    moved = False
    summary = ""
    details = ()
    trouble = None

    def start(self) -> None:
        """Do nothing."""

    def stop(self) -> None:
        """Do nothing."""


def portable(svg: str) -> str:
    """Make an SVG that draws the same everywhere: no web fonts, and no ids that differ from picture to picture.

    Programs other than browsers ignore `textLength` and drop spaces at a text's ends: the font's size
    makes a character exactly one cell (12.2) wide, and every space is kept.
    """
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<text[^>]*>\n</text>", "", svg)
    svg = svg.replace('class="terminal-matrix"', 'class="terminal-matrix" xml:space="preserve"')
    svg = re.sub(r"(?<=font-size: )20px", "20.27px", svg)
    return svg.replace("Fira Code, monospace", "'Fira Code', 'DejaVu Sans Mono', Menlo, Consolas, monospace")


def draw(picture: Picture) -> str:
    """One picture as SVG."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "config.toml").write_text(CONFIG, encoding="utf-8")
        if picture.scale:
            fill(folder / "token_usage.jsonl", picture.scale)
        return portable(asyncio.run(take(folder, picture)))


def main(target: Path) -> None:
    """Take them all."""
    os.environ.pop("NO_COLOR", None)
    os.environ["TZ"] = "UTC"
    time.tzset()
    for name, picture in PICTURES.items():
        (target / f"{name}.svg").write_text(draw(picture), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
