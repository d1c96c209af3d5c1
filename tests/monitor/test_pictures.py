"""README's pictures draw right outside browsers, and load nothing from the network."""

from __future__ import annotations

from pathlib import Path

import pytest

PICTURES = sorted((Path(__file__).parents[2] / "screenshots").glob("*.svg"))


@pytest.mark.parametrize("picture", PICTURES, ids=lambda path: path.stem)
def test_a_picture_keeps_every_space_and_needs_no_web_font(picture: Path) -> None:
    svg = picture.read_text(encoding="utf-8")
    assert 'class="terminal-matrix" xml:space="preserve"' in svg
    assert "@font-face" not in svg
