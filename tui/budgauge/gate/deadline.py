"""The deadline of a hook call's answer."""

import os
import threading
import time
from collections.abc import Callable

DEADLINE_SECONDS = 8.0
"""From the start of the process. Agents wait for 10 seconds, and then go on without an answer."""
LEAST_SECONDS = 1.0
"""The shortest time for an answer: a system may report a wrong age."""


def time_left() -> float:
    """Return the seconds until the deadline."""
    return max(LEAST_SECONDS, DEADLINE_SECONDS - _process_age())


def in_time(work: Callable[[], object], seconds: float) -> bool:
    """Do the work in a thread; return False if time was up first.

    The thread then goes on until the process ends: the work must bear an end at any point, as by
    SIGKILL. The next call finds the records written by then.
    """
    worker = threading.Thread(target=work, name="budgauge-gate", daemon=True)
    worker.start()
    worker.join(seconds)
    return not worker.is_alive()


def _process_age() -> float:
    """Return the seconds since this process began, from Linux's /proc; 0 elsewhere."""
    try:
        with open("/proc/self/stat", "rb") as file:
            # The name of the program may hold anything, parentheses too; 22nd field: ticks from boot to start.
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
