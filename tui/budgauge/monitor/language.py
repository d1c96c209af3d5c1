"""The language of the screen. English is in the code; others are gettext catalogues.

Errors, notices and the budget's fixed messages stay English. A catalogue is loaded only for a
language other than English.
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
DOMAIN = "budgauge"
_catalogue: NullTranslations | None = None


def wanted_language(setting: str, env: Mapping[str, str]) -> str:
    """Return `en` or `ja`: the setting, or for `auto` the environment's language, read as gettext does."""
    if setting != "auto":
        return setting
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        for language in env.get(name, "").split(":"):
            if language:
                return "ja" if language.startswith("ja") else "en"
    return "en"


def use_language(language: str) -> None:
    """Use a language from now on."""
    global _catalogue
    if language == "en":
        _catalogue = None
        return
    from gettext import translation

    _catalogue = translation(DOMAIN, FOLDER, [language])


def mark(text: str) -> str:
    """Mark a text for translation, later, where the text is shown."""
    return text


def tr(text: str, **values: object) -> str:
    """Return a text in the language in force, with values for the names in braces."""
    shown = text if _catalogue is None else _catalogue.gettext(text)
    return shown.format(**values) if values else shown


def trn(one: str, many: str, number: int, **values: object) -> str:
    """Return the same for a number of things, `{n}`."""
    shown = (one if number == 1 else many) if _catalogue is None else _catalogue.ngettext(one, many, number)
    return shown.format(n=count(number), **values)


def dollars(value: Decimal | None) -> str:
    """Return US dollars, as `money` writes them; or the word for unknown."""
    return tr("unknown") if value is None else money(value)
