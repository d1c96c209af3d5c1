"""A change of a settings file, shown before the file is written, and written whole or not at all."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from budgauge.errors import ConfigError

MAX_BYTES = 10 << 20


class Change(msgspec.Struct, frozen=True):
    """A settings file's text before and after; equal if there is nothing to do."""

    path: Path
    before: str
    """Its text now, line ends as they are; "" also if there is no such file."""
    after: str
    within: Path | None = None
    """The folder that no link may lead out of; None if any target is right."""

    @property
    def target(self) -> Path:
        """The file to write, behind all links."""
        return Path(os.path.realpath(self.path))

    @property
    def is_linked(self) -> bool:
        """True if the file or the folder is a symbolic link."""
        return self.path.is_symlink() or self.path.parent.is_symlink()

    @property
    def diff(self) -> str:
        """A unified diff, the path in both heads; "" if nothing changes. Line ends of CRLF files are in it."""
        from difflib import unified_diff

        name = str(self.path)
        before, after = (re.findall(r"[^\n]*\n|[^\n]+", text) for text in (self.before, self.after))
        lines = unified_diff(before, after, name, name)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def read(path: Path) -> str:
    """A settings file's text, line ends untouched; "" if there is none. Raises ConfigError."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path}: is not a regular file", hint="Move away what stands there.")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}", hint="Check its permissions.") from error
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path}: is larger than {MAX_BYTES >> 20} MiB", hint="Is it really the agent's settings?")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (byte {error.start})", hint="Save it as UTF-8.") from error


def check_target(path: Path, within: Path | None) -> Path:
    """Return the path behind all links. Raises ConfigError if that is outside the folder `within`."""
    target = Path(os.path.realpath(path))
    if within is not None and not target.is_relative_to(os.path.realpath(within)):
        raise ConfigError(
            f"{path}: leads to {target}, outside the project {within}; nothing was changed",
            hint="Replace the symbolic link by a file or folder of the project.",
        )
    return target


def write(change: Change) -> None:
    """Write the new text whole, through links. The file keeps the old mode; a new file is the owner's alone.

    Raises ConfigError if the file is no longer as it was read, lies outside `within`, or cannot be written.
    """
    if change.after == change.before:
        return
    target = check_target(change.path, change.within)
    if read(change.path) != change.before:
        raise ConfigError(f"{change.path}: was changed by someone else just now", hint="Run the command again.")
    try:
        _replace(target, change.after.encode())
    except OSError as error:
        raise ConfigError(
            f"{change.path}: cannot be written: {error.strerror}", hint="Check the folder's permissions and free space."
        ) from error


def _replace(target: Path, content: bytes) -> None:
    import tempfile

    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            with suppress(FileNotFoundError):
                _keep_owner_and_mode(fd, target.stat())
            file.write(content)
            file.flush()
            os.fsync(fd)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _keep_owner_and_mode(fd: int, old: os.stat_result) -> None:
    with suppress(OSError):  # only root may give files away, and only root needs to
        os.fchown(fd, old.st_uid, old.st_gid)
    os.fchmod(fd, stat.S_IMODE(old.st_mode))
