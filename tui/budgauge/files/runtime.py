"""The folder for files that live as long as the machine runs: sockets, and notes between processes."""

from __future__ import annotations

import os
import stat
import warnings
from pathlib import Path

from budgauge.files.cache import short_name


class NotPrivateError(OSError):
    """The folder is not ours alone."""


def private_folder() -> Path:
    """Return the folder, made if missing: 0700 and ours. Raises OSError, NotPrivateError if others could change it."""
    folder = folder_path()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise NotPrivateError(f"{folder} is not a folder of yours alone (0700)")
    return folder


def folder_path() -> Path:
    """Return the folder's path, whether the folder exists or not."""
    from platformdirs import user_runtime_path

    with warnings.catch_warnings():
        # That no such folder is set up is no news to those who record.
        warnings.simplefilter("ignore")
        return user_runtime_path("budgauge", appauthor=False)


def name_of(ledger: Path) -> str:
    """Return the name, without a suffix, of a ledger's files, the same for every path to the ledger."""
    return short_name(os.path.realpath(ledger))
