"""The person's choices in the monitor, kept for the next time."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import Literal

import msgspec
from platformdirs import user_config_path


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """The remembered choices."""

    theme: str = "budgauge-dark"
    collecting: bool = False
    order: str = "used"
    reverse: bool = False
    glyphs: Literal["auto", "ascii", "all"] = "auto"
    """`auto`: as many glyphs as the terminal can show, as far as the environment tells."""
    animation: bool = True


class Preferences:
    """Choices in a JSON file. Reading never fails: a bad file gives the defaults and a notice.

    Fields of other versions are kept when the file is written.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Read the file at `path`, by default in the user's config folder."""
        self.path = path or user_config_path("budgauge", appauthor=False) / "preferences.json"
        self.notice: str | None = None
        """The trouble with the file, if any."""
        self._fields: dict[str, object] = {}
        self.choices = self._read()

    def choose(self, **changes: str | bool) -> None:
        """Change choices by field and write the file; a failure becomes a notice."""
        choices = msgspec.structs.replace(self.choices, **changes)
        if choices == self.choices:
            return
        self.choices = choices
        try:
            self._write()
        except OSError as error:
            self.notice = f"Preferences cannot be written to {self.path}: {error.strerror or error}"
        else:
            self.notice = None

    def _read(self) -> Choices:
        try:
            data = _read_regular(self.path)
        except FileNotFoundError:
            return Choices()
        except OSError as error:
            self.notice = f"Preferences cannot be read from {self.path}: {error.strerror or error}; using defaults"
            return Choices()
        try:
            choices = msgspec.json.decode(data, type=Choices)
            self._fields = msgspec.json.decode(data, type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self.notice = f"Preferences in {self.path} are not valid ({error}); using defaults"
            return Choices()
        return choices

    def _write(self) -> None:
        self._fields.update(msgspec.to_builtins(self.choices))
        data = msgspec.json.format(msgspec.json.encode(self._fields)) + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, self.path)
        except OSError:
            os.unlink(name)
            raise


def _read_regular(path: Path) -> bytes:
    """Return the bytes of a plain file. Opening a FIFO would wait for good."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0))) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read()
