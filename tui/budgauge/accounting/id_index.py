"""Which ids the latest records carried: fixed memory, exact, and quick to keep and to load."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator, Sequence

_MASK = (1 << 17) - 1
_PRIME_BITS = 30
"""Python divides by a number of up to so many bits in one pass."""
_PRIME_BYTES = 4


class Fingerprint:
    """The hash of an id: the id, as a number, modulo a random prime (Karp and Rabin, 1987).

    Nobody who does not know the prime can choose ids of one hash, so no lookup has many records to compare.
    """

    def __init__(self, prime: int | None = None) -> None:
        self.prime = prime or _random_prime()
        """Under 31 bits. It is kept with the ids."""

    def of(self, id: str) -> int:
        """The 32-bit hash of an id."""
        # The last byte tells ids apart that differ by NULs at their end.
        return int.from_bytes(id.encode() + b"\1", "little") % self.prime


def _random_prime() -> int:
    source = random.SystemRandom()
    while True:
        number = source.getrandbits(_PRIME_BITS) | 1 << (_PRIME_BITS - 1) | 1
        if pow(2, number - 1, number) == pow(3, number - 1, number) == 1:
            return number


class KnownIds:
    """A hash table in four flat arrays: the latest ids by their hashes, and the place of the record that has each.

    Only the place is kept; whether a record there really has the id is for the asker to see. An
    id is forgotten when `size` later ones have come: its slot is taken, and every chain ends
    where its numbers become too old.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = 0
        self._fingerprint = Fingerprint()
        self._source: Callable[[], bytes] | None = None
        self._heads = array("I")
        """bucket → number of the latest id in it; numbers start at 1."""
        self._before = array("I")
        """slot → number of the id before it in the same bucket."""
        self._hashes = array("I")
        self._places = array("Q")

    def digest(self, id: str) -> int:
        """The hash of an id here."""
        if self._source is not None:
            self._need()
        return self._fingerprint.of(id)

    def places(self, digest: int) -> Iterator[int]:
        """Where ids with this 32-bit hash stand, the latest first."""
        if self._source is not None:
            self._need()
        number = self._heads[digest & _MASK] if self._count else 0
        oldest = max(0, self._count - self._size)
        while number > oldest:
            slot = number % self._size
            if self._hashes[slot] == digest:
                yield self._places[slot]
            number = self._before[slot]

    def add(self, digest: int, place: int) -> None:
        """Note an id by its 32-bit hash."""
        if self._source is not None:
            self._need()
        if not self._count:
            self._allocate()
        self._count += 1
        slot, bucket = self._count % self._size, digest & _MASK
        self._before[slot] = self._heads[bucket]
        self._heads[bucket] = self._count
        self._hashes[slot] = digest
        self._places[slot] = place

    def add_new(self, digests: Sequence[int], places: Sequence[int], start: int) -> int:
        """Add ids from an index on until one comes whose hash is known; the index of that, or how many there are.

        As `places` and `add` for each, in a third of the time.
        """
        if self._source is not None:
            self._need()
        if not self._count:
            self._allocate()
        heads, before, hashes, kept, size = self._heads, self._before, self._hashes, self._places, self._size
        count = self._count
        for index in range(start, len(digests)):
            digest = digests[index]
            bucket = digest & _MASK
            first = number = heads[bucket]
            oldest = count - size
            while number > oldest and number:
                if hashes[number % size] == digest:
                    self._count = count
                    return index
                number = before[number % size]
            count += 1
            slot = count % size
            before[slot], hashes[slot], kept[slot] = first, digest, places[index]
            heads[bucket] = count
        self._count = count
        return len(digests)

    def _allocate(self) -> None:
        self._heads = array("I", bytes(4 * (_MASK + 1)))
        self._before, self._hashes = (array("I", bytes(4 * self._size)) for _ in range(2))
        self._places = array("Q", bytes(8 * self._size))

    @property
    def count(self) -> int:
        """How many ids were ever added."""
        return self._count

    def dump(self) -> bytes:
        """Everything, for `load_later` on a machine of the same kind; empty if there is nothing."""
        self._need()
        if not self._count:
            return b""
        prime = self._fingerprint.prime.to_bytes(_PRIME_BYTES, "little")
        return b"".join((prime, *(part.tobytes() for part in self._arrays())))

    def load_later(self, count: int, source: Callable[[], bytes]) -> None:
        """Take over what `dump` gave when `count` ids had been added; `source` is asked when it is first needed.

        Whoever needs it then gets what `source` raises.
        """
        self._count = count
        self._source = source if count else None

    def _need(self) -> None:
        if self._source is None:
            return
        data = self._source()
        self._source = None
        self._allocate()
        start = _PRIME_BYTES
        self._fingerprint = Fingerprint(int.from_bytes(data[:start], "little"))
        for part in self._arrays():
            end = start + len(part) * part.itemsize
            del part[:]
            part.frombytes(data[start:end])
            start = end

    def _arrays(self) -> tuple[array[int], ...]:
        return self._heads, self._before, self._hashes, self._places


def dump_bytes(size: int) -> int:
    """How long a dump is that is not empty."""
    return _PRIME_BYTES + 4 * (_MASK + 1) + 16 * size


class EveryId:
    """As KnownIds, but no id is ever forgotten: it grows by 16 bytes an id."""

    def __init__(self) -> None:
        self._fingerprint = Fingerprint()
        self._heads = array("I", bytes(4 * (_MASK + 1)))
        self._before, self._hashes, self._places = array("I", [0]), array("I", [0]), array("Q", [0])

    def digest(self, id: str) -> int:
        """The hash of an id here."""
        return self._fingerprint.of(id)

    def places(self, digest: int) -> Iterator[int]:
        """Where ids with this 32-bit hash stand, the latest first."""
        number = self._heads[digest & _MASK]
        while number:
            if self._hashes[number] == digest:
                yield self._places[number]
            number = self._before[number]

    def add(self, digest: int, place: int) -> None:
        """Note an id by its 32-bit hash."""
        bucket = digest & _MASK
        self._before.append(self._heads[bucket])
        self._heads[bucket] = len(self._hashes)
        self._hashes.append(digest)
        self._places.append(place)

    def __len__(self) -> int:
        return len(self._hashes) - 1

    def dump(self) -> tuple[bytes, ...]:
        """Everything, for `load` on a machine of the same kind."""
        prime = self._fingerprint.prime.to_bytes(_PRIME_BYTES, "little")
        return (prime, *(part.tobytes() for part in (self._heads, self._before, self._hashes, self._places)))

    @classmethod
    def load(cls, dump: Sequence[bytes]) -> EveryId:
        """What `dump` gave."""
        ids = cls()
        ids._fingerprint = Fingerprint(int.from_bytes(dump[0], "little"))
        for part, data in zip((ids._heads, ids._before, ids._hashes, ids._places), dump[1:], strict=True):
            del part[:]
            part.frombytes(data)
        return ids
