"""Search for files below a folder, links included."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator


def files_below(root: str | os.PathLike[str], miss: Callable[[OSError], None]) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder at or below `root` with the names of the files in it.

    `miss` gets the error of each folder that cannot be listed.
    Links to folders are followed, and each folder is walked through once, so that loops end.
    """
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
        yield folder, files
