"""Poor terminals and plain wishes: glyphs, colours, animation; and themes that everybody can read."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.color import Color
from textual.theme import Theme

from budgauge.monitor.drawing.plain import ascii_of, is_poor
from budgauge.monitor.preferences import Preferences
from budgauge.monitor.theme import SAFE, THEMES
from budgauge.text import width
from monitor.stage import Stage, view


@pytest.mark.parametrize(
    ("env", "poor"),
    [
        ({}, False),
        ({"TERM": "xterm-256color", "LANG": "en_US.UTF-8"}, False),
        ({"TERM": "xterm-256color", "LANG": "ja_JP.utf8@x"}, False),
        ({"TERM": "tmux-256color", "LANG": "C.UTF-8"}, False),
        ({"LANG": "ja_JP.eucJP"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "", "LC_CTYPE": "POSIX"}, True),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, False),
        ({"LANG": "de_DE"}, False),
        ({"TERM": "linux", "LANG": "en_US.UTF-8"}, True),
        ({"TERM": "vt100"}, True),
        ({"TERM": "dumb"}, True),
    ],
)
def test_what_a_terminal_can_show(env: dict[str, str], poor: bool) -> None:
    assert is_poor(env) == poor


@given(st.text(max_size=30))
def test_ascii_is_as_wide_as_what_it_stands_for(text: str) -> None:
    assert ascii_of(text).isascii()
    assert len(ascii_of(text)) == width(text) - sum(width(c) - 1 for c in text if c.isascii() and width(c) != 1)


async def test_ascii_is_switched_in_the_palette_and_remembered(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view(limits={"coder": 600_000}))
    async with stage.run(120, 40) as pilot:
        await stage.wait(pilot, "▲ warning")
        await pilot.press("ctrl+p", *"ascii", "enter")
        await stage.wait(pilot, "ASCII glyphs: on")
        await stage.wait(pilot, lambda: not stage.app.screen_stack[0].has_class("-figures"))
        assert Preferences(stage.preferences.path).choices.glyphs == "ascii"
        strips = [strip.apply_filter(stage.app._ascii, Color(0, 0, 0)) for strip in strips_of(stage)]
        assert all(strip.text.isascii() for strip in strips)
        assert any("! warning" in strip.text for strip in strips)
        await pilot.press("ctrl+p", *"ascii", "enter")
        await stage.wait(pilot, "ASCII glyphs: off")
        assert Preferences(stage.preferences.path).choices.glyphs == "all"


def strips_of(stage: Stage) -> list:  # type: ignore[type-arg]  # of Strip
    return stage.app.screen._compositor.render_strips(stage.app.size)


async def test_animation_is_switched_in_the_palette_and_remembered(tmp_path: Path) -> None:
    stage = Stage(tmp_path, view())
    async with stage.run() as pilot:
        await stage.wait(pilot, "812,000 /")
        assert stage.app.animation_level == "none"  # as the stage wants it
        await pilot.press("ctrl+p", *"animation", "enter")
        await stage.wait(pilot, "Animation: on")
        await pilot.press("ctrl+p", *"animation", "enter")
        await stage.wait(pilot, "Animation: off")
    assert not Preferences(stage.preferences.path).choices.animation


def luminance(color: Color) -> float:
    """WCAG 2's relative luminance."""
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: Color, other: Color) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize("name", ["foreground", "primary", "accent", "success", "warning", "error"])
def test_what_is_written_can_be_read(theme: Theme, name: str) -> None:
    text = Color.parse(getattr(theme, name))
    for ground in (theme.background, theme.surface):
        assert ground
        assert contrast(text, Color.parse(ground)) >= 4.5


VISIONS = {
    # Machado, Oliveira and Fernandes 2009, severity 1, for linear RGB.
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
}


def lab(color: Color, vision: str) -> tuple[float, float, float]:
    """CIE L*a*b* of a colour as somebody sees it."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in color.normalized]
    r, g, b = (min(1, max(0, sum(k * part for k, part in zip(row, linear, strict=True)))) for row in VISIONS[vision])
    white = (0.95047, 1.0, 1.08883)
    xyz = (
        0.4124 * r + 0.3576 * g + 0.1805 * b,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        0.0193 * r + 0.1192 * g + 0.9505 * b,
    )
    x, y, z = (
        v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (p / w for p, w in zip(xyz, white, strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("vision", VISIONS)
def test_severities_are_told_apart_by_everybody(vision: str) -> None:
    colors = [Color.parse(color) for color in (SAFE.success, SAFE.warning, SAFE.error) if color]
    assert len(colors) == 3
    for one, other in itertools.combinations(colors, 2):
        assert sum((a - b) ** 2 for a, b in zip(lab(one, vision), lab(other, vision), strict=True)) ** 0.5 >= 30
