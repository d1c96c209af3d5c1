"""Checkpoints: the fold at an offset, in the cache folder, to spare reading a long ledger from the start.

What is kept can be rebuilt from the ledger at any time: if it is missing, damaged or made for
another file, another cycle or other price tiers, it is not used, and reading only takes longer.
Ids take most of the room and are seldom needed, so they lie in a file of their own.
"""

import os
import time
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec

from budgauge.accounting.counters import Bucket, Counters, Groups, Sums
from budgauge.accounting.fold import PastReset, Totals
from budgauge.accounting.open_reservations import OpenReservations
from budgauge.accounting.records import Fault, Reserve
from budgauge.accounting.usage_by_minute import UsageByMinute
from budgauge.accounting.usage_sums import KEPT_MINUTES, KEPT_RECENT
from budgauge.files.cache import CacheFile, short_name, verified, write_cache
from budgauge.ledger.tail import LedgerOffset

VERSION = 6
"""Of what a checkpoint means. Others are not used."""
PAUSE_SECONDS = 2.0
"""Between two checkpoints of one ledger, whoever makes them."""
_TAG_BYTES = 16
_IDS, _HOLDS = b"c", b"r"
"""What stands behind the tag: ids of calls, ids of reservations."""
_CHECKSUM_BYTES = 9

_Values = tuple[int, int, int, int, int, int, int, int, float]
_Rows = list[tuple[str, str, Bucket, str, _Values]]


class _Reset(msgspec.Struct):
    id: str
    agent_id: str | None
    timestamp: float
    groups: list[tuple[float, _Rows]]


class Checkpoint(msgspec.Struct, kw_only=True):
    """A fold, and the ledger and settings behind the fold."""

    version: int = VERSION
    tag: bytes
    """Common to it and the file with its ids."""
    mark: LedgerOffset
    cycle: str
    shapes: dict[str, str]
    """model → how its calls are told apart by price; empty where they are not."""
    faults: list[Fault]
    fault_count: int
    cycles: list[tuple[float, _Rows]]
    minutes: list[tuple[int, int, int]]
    recent: list[tuple[str, list[tuple[int, int, int]]]]
    resets: list[_Reset]
    holds: list[Reserve]
    flagged: dict[str, int]
    set_aside: dict[str, int]
    ids: int
    hold_ids: int
    earliest_import: float | None = None

    def restore(self, totals: Totals, ids: "IdFile | None", hold_ids: "IdFile | None") -> None:
        """Bring fresh totals up to this checkpoint. Raises DamagedIdsError for another checkpoint's ids."""
        seen = totals.seen
        parts = ((seen.call_ids, self.ids, ids, _IDS), (seen.reservation_ids, self.hold_ids, hold_ids, _HOLDS))
        for known, count, file, kind in parts:
            if not count:
                continue
            if file is None or file.tag != self.tag + kind:
                raise DamagedIdsError
            known.load_later(count, partial(file.read, known.dump_bytes(count)))
        for begin, rows in self.cycles:
            totals.cycles[begin] = Counters(_groups(rows))
        totals.sums.known_models = None
        totals.sums.minutes = UsageByMinute(KEPT_MINUTES, self.minutes)
        totals.sums.recent = {agent_id: UsageByMinute(KEPT_RECENT, spent) for agent_id, spent in self.recent}
        for past in self.resets:
            groups = {begin: _groups(rows) for begin, rows in past.groups}
            totals.resets.append(PastReset(past.id, past.agent_id, past.timestamp, groups))
            totals.reset_ids.add(past.id)
        totals.holds = OpenReservations(self.holds)
        totals.sums.flagged, totals.seen.set_aside = self.flagged, self.set_aside


class DamagedIdsError(Exception):
    """The ids of a checkpoint cannot be read: the ledger must be read from the start."""


class IdFile:
    """Ids of a checkpoint, held open: a later checkpoint changes nothing here."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        weakref.finalize(self, os.close, self._fd)
        self.tag = os.pread(self._fd, _TAG_BYTES + 1, _CHECKSUM_BYTES)

    def read(self, dump_bytes: int) -> bytes:
        """Return a dump of IdIndex of this length. Raises DamagedIdsError."""
        size = _CHECKSUM_BYTES + _TAG_BYTES + 1 + dump_bytes
        try:
            content = verified(os.pread(self._fd, size, 0))
        except OSError:
            content = None
        if content is None or len(content) != size - _CHECKSUM_BYTES:
            raise DamagedIdsError
        return content[_TAG_BYTES + 1 :]


def _rows(groups: Groups) -> _Rows:
    return [(*key, sums.values) for key, sums in groups.items()]


def _groups(rows: _Rows) -> Groups:
    return {(agent_id, model, bucket, more): Sums(*values) for agent_id, model, bucket, more, values in rows}


_decoder = msgspec.msgpack.Decoder(Checkpoint)


class CheckpointStore:
    """Where the checkpoints of one ledger and cycle setting are kept."""

    def __init__(self, folder: Path, ledger: Path, cycle: str, *, keeps_all_ids: bool = False) -> None:
        # What holds only the latest ids is of no use to an importer.
        prefix = "import" if keeps_all_ids else "ledger"
        self.path = folder / f"{prefix}-{short_name(f'{os.path.abspath(ledger)} {cycle}')}.fold"
        self._file = CacheFile(self.path, _decoder, VERSION)
        self._id_paths = self.path.with_suffix(".ids"), self.path.with_suffix(".holds")
        self._cycle = cycle

    def read(self) -> Checkpoint | None:
        """Return the latest usable checkpoint; None without one."""
        checkpoint = self._file.read()
        return checkpoint if checkpoint and checkpoint.cycle == self._cycle else None

    def restore(self, totals: Totals, fits: Callable[[Checkpoint], bool]) -> Checkpoint | None:
        """Bring fresh totals up to the latest checkpoint if the checkpoint `fits`; None without one."""
        checkpoint = self.read()
        if checkpoint is None or not fits(checkpoint):
            return None
        try:
            checkpoint.restore(totals, *(_opened(path) for path in self._id_paths))
        except DamagedIdsError:
            return None
        return checkpoint

    def is_fresh(self) -> bool:
        """Has somebody just made one?"""
        with suppress(OSError):
            return abs(time.time() - os.stat(self.path).st_mtime) < PAUSE_SECONDS
        return False

    def write(
        self,
        mark: LedgerOffset,
        totals: Totals,
        shapes: dict[str, str],
        faults: list[Fault],
        fault_count: int,
        earliest_import: float | None = None,
    ) -> bool:
        """Keep a fold; False if the file cannot be written. Raises OverflowError for sums beyond 64 bits."""
        tag = os.urandom(_TAG_BYTES)
        checkpoint = Checkpoint(
            tag=tag,
            mark=mark,
            cycle=self._cycle,
            shapes=shapes,
            faults=faults,
            fault_count=fault_count,
            cycles=[(begin, _rows(counters.groups)) for begin, counters in totals.cycles.items()],
            minutes=totals.sums.minutes.rows(),
            recent=[(agent_id, minutes.rows()) for agent_id, minutes in totals.sums.recent.items()],
            resets=[
                _Reset(r.id, r.agent_id, r.timestamp, [(begin, _rows(groups)) for begin, groups in r.groups.items()])
                for r in totals.resets
            ],
            holds=totals.holds.values(),
            flagged=totals.sums.flagged,
            set_aside=totals.seen.set_aside,
            ids=totals.seen.call_ids.count,
            hold_ids=totals.seen.reservation_ids.count,
            earliest_import=earliest_import,
        )
        parts = ((totals.seen.call_ids, _IDS), (totals.seen.reservation_ids, _HOLDS))
        for path, (known, kind) in zip(self._id_paths, parts, strict=True):
            if known.count and not write_cache(path, tag + kind + known.dump()):
                return False
        return self._file.write(checkpoint)


def _opened(path: Path) -> IdFile | None:
    try:
        return IdFile(path)
    except OSError:
        return None
