"""How long the benches may take: in full by default, in small with `--short`."""

from __future__ import annotations

import os
from typing import TypeVar

SHORT = "BUDGAUGE_BENCH_SHORT"
"""The environment variable that `--short` sets."""
_Size = TypeVar("_Size", int, float)


def sized(short: _Size, full: _Size) -> _Size:
    """The one that was asked for."""
    return short if os.environ.get(SHORT) else full
