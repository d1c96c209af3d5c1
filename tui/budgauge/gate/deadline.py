"""The time within which an agent gets its answer."""

import os
import threading
import time
from collections.abc import Callable

DEADLINE_SECONDS = 8.0
"""From the start of the process. Agents wait for 10 seconds, and then go on without an answer."""
LEAST_SECONDS = 1.0
"""This much is left in any case: a system may tell a wrong age."""


def time_left() -> float:
    """Seconds until the deadline."""
    return max(LEAST_SECONDS, DEADLINE_SECONDS - _process_age())


def in_time(work: Callable[[], object], seconds: float) -> bool:
    """Do the work; False if the time was over first.

    The work then goes on in a thread of its own until the process ends: it must bear being cut off
    anywhere, as by SIGKILL. What was recorded by then is found at the next call.
    """
    worker = threading.Thread(target=work, name="budgauge-gate", daemon=True)
    worker.start()
    worker.join(seconds)
    return not worker.is_alive()


def _process_age() -> float:
    """Seconds since this process began, where Linux tells it; else 0."""
    try:
        with open("/proc/self/stat", "rb") as file:
            # The name of the program may hold anything, parentheses too; 22nd field: ticks from boot to start.
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return 0.0
