"""Textual's private names, all in this file: a version of Textual that lacks one draws plainly instead of failing."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.driver import Driver

REPLACEMENT = "\ufffd"
"""What a byte that is not UTF-8 becomes."""


def replace_bad_input(driver: Driver, replaced: Callable[[], object]) -> bool:
    """Make a driver replace bytes that are not UTF-8; Textual's own decoder ends the program at the first one.

    `replaced` is called in the input thread whenever a byte was replaced. Return False if this
    version of Textual decodes elsewhere, and nothing was changed.
    """
    module = sys.modules[type(driver).__module__]
    if not hasattr(module, "getincrementaldecoder"):
        return False

    class Decoder(codecs.getincrementaldecoder("utf-8")):  # type: ignore[misc]  # a class made at run time
        def __init__(self) -> None:
            super().__init__("replace")

        def decode(self, data: bytes, final: bool = False) -> str:
            text: str = super().decode(data, final)
            if REPLACEMENT in text:
                replaced()
            return text

    # setattr, because a module as mypy sees it has no such name.
    setattr(module, "getincrementaldecoder", lambda _encoding: Decoder)  # noqa: B010
    return True
