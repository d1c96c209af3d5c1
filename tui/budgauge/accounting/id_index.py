"""Where the record with an id stands: exact, in little memory, quick to keep and to load."""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Iterator, Sequence

_MASK = (1 << 17) - 1
_PRIME_BITS = 30
"""Python divides by a number of up to so many bits in one pass."""
_PRIME_BYTES = 4
_FIRST_SLOTS = 1 << 12


class Fingerprint:
    """The hash of an id: the id, as a number, modulo a random prime (Karp and Rabin, 1987).

    Nobody who does not know the prime can choose ids of one hash, so no lookup has many records to compare.
    """

    def __init__(self, prime: int | None = None) -> None:
        self.prime = prime or _random_prime()
        """Under 31 bits. It is kept with the ids."""

    def of(self, id: str) -> int:
        """Return the 32-bit hash of an id."""
        # The last byte tells ids apart that differ by NULs at their end.
        return int.from_bytes(id.encode() + b"\1", "little") % self.prime


def _random_prime() -> int:
    source = random.SystemRandom()
    while True:
        number = source.getrandbits(_PRIME_BITS) | 1 << (_PRIME_BITS - 1) | 1
        if pow(2, number - 1, number) == pow(3, number - 1, number) == 1:
            return number


class IdIndex:
    """A hash table in four flat arrays: the place of each record, by the hash of the record's id.

    Only the place is kept; the caller checks whether the record there really has the id. Every id is kept, 16 bytes
    each, or only the latest `size`: then an id is forgotten when `size` later ones have come, since its slot is
    taken and every chain ends where its numbers become too old.
    """

    def __init__(self, size: int, *, keeps_all: bool = False) -> None:
        """`size` is how many of the latest ids are known; `keeps_all` also keeps older ones, for `all_places`."""
        self._size = size
        self._keeps_all = keeps_all
        self._slots = _FIRST_SLOTS if keeps_all else size
        self.count = 0
        """How many ids were ever added."""
        self._fingerprint = Fingerprint()
        self._source: Callable[[], bytes] | None = None
        self._heads = array("I")
        """bucket → number of the latest id in it; numbers start at 1."""
        self._before = array("I")
        """slot → number of the id before it in the same bucket."""
        self._hashes = array("I")
        self._places = array("Q")

    def digest(self, id: str) -> int:
        """Return the 32-bit hash of an id in this table."""
        if self._source is not None:
            self._load()
        return self._fingerprint.of(id)

    def places(self, digest: int) -> Iterator[int]:
        """Yield where the known ids with this hash stand, the latest first."""
        return self._places_after(digest, self.count - self._size)

    def all_places(self, digest: int) -> Iterator[int]:
        """Yield the places of all kept ids with this hash, the latest first."""
        return self._places_after(digest, 0 if self._keeps_all else self.count - self._size)

    def _places_after(self, digest: int, oldest: int) -> Iterator[int]:
        if self._source is not None:
            self._load()
        number = self._heads[digest & _MASK] if self.count else 0
        while number and number > oldest:
            slot = number % self._slots
            if self._hashes[slot] == digest:
                yield self._places[slot]
            number = self._before[slot]

    def add(self, digest: int, place: int) -> None:
        """Note where the record stands whose id has this hash."""
        self._make_room(1)
        self.count += 1
        slot, bucket = self.count % self._slots, digest & _MASK
        self._before[slot] = self._heads[bucket]
        self._heads[bucket] = self.count
        self._hashes[slot] = digest
        self._places[slot] = place

    def add_new(self, digests: Sequence[int], places: Sequence[int], start: int) -> int:
        """Add ids from an index on, quicker than singly; return the index of the first known hash, or their number."""
        self._make_room(len(digests) - start)
        heads, before, hashes, kept, slots = self._heads, self._before, self._hashes, self._places, self._slots
        count = self.count
        for index in range(start, len(digests)):
            digest = digests[index]
            bucket = digest & _MASK
            first = number = heads[bucket]
            oldest = count - self._size
            while number > oldest and number:
                if hashes[number % slots] == digest:
                    self.count = count
                    return index
                number = before[number % slots]
            count += 1
            slot = count % slots
            before[slot], hashes[slot], kept[slot] = first, digest, places[index]
            heads[bucket] = count
        self.count = count
        return len(digests)

    def _make_room(self, number: int) -> None:
        if self._source is not None:
            self._load()
        if not self._heads:
            self._allocate()
        if self._keeps_all and self.count + number >= self._slots:
            # As long as there are fewer ids than slots, each has the slot of its number: longer arrays move none.
            more = max(self._slots, number + 1)
            self._slots += more
            for part in (self._before, self._hashes, self._places):
                part.frombytes(bytes(part.itemsize * more))

    def _allocate(self) -> None:
        self._heads = array("I", bytes(4 * (_MASK + 1)))
        self._before, self._hashes = (array("I", bytes(4 * self._slots)) for _ in range(2))
        self._places = array("Q", bytes(8 * self._slots))

    def dump_bytes(self, count: int) -> int:
        """Return the length of a dump of a table to which `count` ids, 1 or more, had been added."""
        return _PRIME_BYTES + 4 * (_MASK + 1) + 16 * self._dumped_slots(count)

    def _dumped_slots(self, count: int) -> int:
        return count + 1 if self._keeps_all else self._slots

    def dump(self) -> bytes:
        """Return everything, for `load_later` on a machine of the same kind; empty if there is nothing."""
        if self._source is not None:
            self._load()
        if not self.count:
            return b""
        prime = self._fingerprint.prime.to_bytes(_PRIME_BYTES, "little")
        slots = self._dumped_slots(self.count)
        parts = (part[:slots].tobytes() for part in (self._before, self._hashes, self._places))
        return b"".join((prime, self._heads.tobytes(), *parts))

    def load_later(self, count: int, source: Callable[[], bytes]) -> None:
        """Take over a dump of `count` ids. `source` gives the dump at the first use, and may raise then."""
        self.count = count
        self._source = source if count else None

    def _load(self) -> None:
        assert self._source is not None
        data = self._source()
        self._source = None
        self._fingerprint = Fingerprint(int.from_bytes(data[:_PRIME_BYTES], "little"))
        self._slots = self._dumped_slots(self.count)
        self._allocate()
        start = _PRIME_BYTES
        for part in (self._heads, self._before, self._hashes, self._places):
            end = start + len(part) * part.itemsize
            del part[:]
            part.frombytes(data[start:end])
            start = end
