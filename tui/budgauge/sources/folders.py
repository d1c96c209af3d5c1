"""Search for files below a folder, links included."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(root: Path, is_wanted: Callable[[str], bool], unlistable: list[str]) -> Iterator[Path]:
    """Yield the files at any depth below `root` with a wanted name. Folders that cannot be listed go to `unlistable`.

    Links to folders are followed, and each folder is walked through once, so that loops end.
    """

    def miss(error: OSError) -> None:
        # A folder that is not there holds nothing.
        if not isinstance(error, FileNotFoundError):
            unlistable.append(f"cannot read {error.filename}: {error.strerror or error}")

    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, onerror=miss, followlinks=True):
        try:
            status = os.stat(folder)
        except OSError as error:
            folders.clear()
            miss(error)
            continue
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        yield from (Path(folder, name) for name in files if is_wanted(name))
