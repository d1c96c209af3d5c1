"""Our own themes; the only place with colours in numbers."""

from __future__ import annotations

from textual.theme import Theme


def _theme(name: str, *, primary: str, border: str, background: str, dark: bool = True, **colours: str) -> Theme:
    """Return a theme with the primary colour for accents and cursor."""
    variables = {
        "border": border,
        "border-blurred": border,
        "block-cursor-background": primary,
        "block-cursor-foreground": background,
        "scrollbar": border,
        "scrollbar-background": background,
        "scrollbar-corner-color": background,
    }
    colours |= {"primary": primary, "accent": primary, "background": background}
    return Theme(name, dark=dark, variables=variables, **colours)  # type: ignore[arg-type]  # every colour is a str


DARK = _theme(
    "budgauge-dark",
    primary="#58b8e8",
    secondary="#7aa2f7",
    success="#3fc79a",
    warning="#f2b33d",
    error="#f7626a",
    foreground="#d5dce6",
    background="#0e1218",
    surface="#131922",
    panel="#1b2330",
    border="#2b3646",
)
LIGHT = _theme(
    "budgauge-light",
    dark=False,
    primary="#0a6aa8",
    secondary="#3b5fae",
    success="#117553",
    warning="#9a5c00",
    error="#c0303a",
    foreground="#1d2733",
    background="#fbfaf7",
    surface="#f4f2ed",
    panel="#e9e6df",
    border="#cfcabf",
)
SAFE = _theme(
    "budgauge-colour-blind",
    primary="#b9a3e3",
    secondary="#cc9fc0",
    success="#56b4e9",
    warning="#f5ea50",
    error="#dd6414",
    foreground="#e4e7ec",
    background="#101217",
    surface="#161a21",
    panel="#202630",
    border="#39424f",
)
"""Blue, yellow and vermilion after Okabe and Ito: told apart with any kind of colour vision, and by lightness alone."""

THEMES = (DARK, LIGHT, SAFE)


def next_theme(name: str, available: list[str]) -> str:
    """Return the theme after `name`: ours first, then Textual's by name."""
    ours = [theme.name for theme in THEMES]
    order = [*ours, *sorted(set(available) - set(ours))]
    return order[(order.index(name) + 1) % len(order)] if name in order else order[0]
