"""All files below a folder, those behind links too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator


def files_below(root: str | os.PathLike[str], miss: Callable[[OSError], None]) -> Iterator[tuple[str, list[str]]]:
    """Each folder at or below `root` with its files' names; `miss` is told of each that cannot be listed.

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
