"""The folder for what lives as long as the machine runs: sockets, and notes between processes."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

from budgauge.files.cache import short_name


class NotPrivateError(OSError):
    """The folder is not ours alone."""


def private_folder() -> Path:
    """The folder, made if it is missing: 0700 and ours. Raises OSError, NotPrivateError if others could change it."""
    folder = folder_path()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise NotPrivateError(f"{folder} is not a folder of yours alone (0700)")
    return folder


def folder_path() -> Path:
    """Where it is, whether it exists or not."""
    from platformdirs import user_runtime_path

    with warnings.catch_warnings():
        # That no such folder is set up is no news to those who record.
        warnings.simplefilter("ignore")
        return user_runtime_path("budgauge", appauthor=False)


def name_of(ledger: Path) -> str:
    """The name, without a suffix, of what belongs to a ledger, by whatever path it is reached."""
    return short_name(os.path.realpath(ledger))
