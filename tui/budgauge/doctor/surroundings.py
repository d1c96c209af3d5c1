"""The doctor's checks of the ledger's surroundings: free space, file system, and events of changes."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from pathlib import Path

from budgauge.config.load import Loaded
from budgauge.doctor.finding import Finding, fail, ok, warn
from budgauge.files.watch import watch
from budgauge.ledger.network import FORCE, device_at, network_kind
from budgauge.text import count

EVENT_SECONDS = 2.0
"""The longest that an event may take to arrive."""
LOW_BYTES = 100 << 20
NO_BYTES = 1 << 20


def space(loaded: Loaded) -> Finding:
    """Check the free space and inodes of the ledger's disk."""
    folder = existing(loaded.ledger.path.parent)
    system = os.statvfs(folder)
    free = system.f_bavail * system.f_frsize
    message = f"{count(free >> 20)} MiB free at {folder}"
    if system.f_files and not system.f_favail:
        return fail(f"no file can be made at {folder}: its inodes are used up", "Free some space.")
    if free >= LOW_BYTES:
        return ok(message)
    return (fail if free < NO_BYTES else warn)(message, "Free some space.")


def existing(folder: Path) -> Path:
    """Return the folder, or the nearest existing one above."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def file_system(loaded: Loaded) -> Finding:
    """Check that the ledger's file system is local: only there locks hold the budget."""
    kind = network_kind(device_at(loaded.ledger.path.parent))
    if kind is None:
        return ok("local, as far as the system tells")
    if os.environ.get(FORCE) == "1":
        message = f"{kind}: a network file system, used because {FORCE}=1 says that locks work there"
        return warn(message, "See that they do, on every machine.")
    fix = f"Name a ledger on a local disk; or, if you know that locks work there, set {FORCE}=1."
    return fail(f"{kind}: a network file system, where locks do not hold the budget", fix)


def watching(loaded: Loaded) -> Finding:
    """Check that a change in the ledger's folder brings an event."""
    folder = loaded.ledger.path.parent
    fix = "Numbers are brought up to date once a second all the same."
    if not folder.exists():
        return ok(f"nothing to watch yet: {folder} is not there")
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return warn(f"{folder}: cannot be tried, since no file can be made there", fix)
    seconds = event_seconds(folder)
    if seconds is None:
        return warn(f"no event arrived within {EVENT_SECONDS:g} s of a change in {folder}", fix)
    return ok(f"an event arrived after {seconds * 1000:.0f} ms")


def event_seconds(folder: Path) -> float | None:
    """Return the seconds until a change in a folder is seen; None if it is not."""
    # A name nobody can foresee, and a file that was not there: in a folder of others, a link may wait for us.
    fd, name = tempfile.mkstemp(dir=folder, prefix=".budgauge-doctor-")
    probe = Path(name)
    stop, ready, seen = threading.Event(), threading.Event(), threading.Event()

    def listen() -> None:
        for changed in watch(lambda: (folder,), stop):
            ready.set()
            if str(probe) in changed:
                seen.set()
                return

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        ready.wait(EVENT_SECONDS)
        begin = time.monotonic()
        os.write(fd, b"\n")
        return time.monotonic() - begin if seen.wait(EVENT_SECONDS) else None
    finally:
        os.close(fd)
        probe.unlink(missing_ok=True)
        stop.set()
        listener.join(EVENT_SECONDS)
