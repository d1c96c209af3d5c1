"""The language of the screen. English is in the code; others are gettext catalogues beside it.

What the contract fixes to the letter, and what comes from elsewhere (errors, notices), is not
translated. A catalogue is loaded only for a language that is not English.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from budgauge.text import count, money

if TYPE_CHECKING:
    from gettext import NullTranslations

FOLDER = Path(__file__).parents[1] / "locale"
"""Where the catalogues are."""
DOMAIN = "budgauge"
_catalogue: NullTranslations | None = None


def wanted_language(setting: str, env: Mapping[str, str]) -> str:
    """`en` or `ja`: the setting, or with `auto` what the environment asks for, as gettext reads it."""
    if setting != "auto":
        return setting
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        for language in env.get(name, "").split(":"):
            if language:
                return "ja" if language.startswith("ja") else "en"
    return "en"


def use_language(language: str) -> None:
    """Speak this language from now on."""
    global _catalogue
    if language == "en":
        _catalogue = None
        return
    from gettext import translation

    _catalogue = translation(DOMAIN, FOLDER, [language])


def mark(text: str) -> str:
    """A text that is translated later, where it is shown."""
    return text


def tr(text: str, **values: object) -> str:
    """A text in the language in force, with values for its names in braces."""
    shown = text if _catalogue is None else _catalogue.gettext(text)
    return shown.format(**values) if values else shown


def trn(one: str, many: str, number: int, **values: object) -> str:
    """The same for a number of things, `{n}`."""
    shown = (one if number == 1 else many) if _catalogue is None else _catalogue.ngettext(one, many, number)
    return shown.format(n=count(number), **values)


def dollars(value: Decimal | None) -> str:
    """US dollars, as `money` writes them; what is not known in the language in force."""
    return tr("unknown") if value is None else money(value)
