"""The latest ids are known and no others, whatever shares a bucket, however they were added."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.id_index import EveryId, KnownIds

BUCKETS = 1 << 17
DIGESTS = st.sampled_from([7, 8, 7 + BUCKETS, 8 + BUCKETS, 7 + 5 * BUCKETS])
"""Few hashes, of which some share a bucket."""


def known(ids: KnownIds | EveryId, digest: int) -> list[int]:
    """Places of a hash, the latest first; a chain without an end is cut."""
    return list(islice(ids.places(digest), 100))


@given(st.lists(DIGESTS, max_size=30), st.integers(1, 5))
def test_so_many_of_the_latest_are_known(digests: list[int], size: int) -> None:
    ids, every = KnownIds(size), EveryId()
    for place, digest in enumerate(digests):
        ids.add(digest, place)
        every.add(digest, place)
        latest = list(enumerate(digests[: place + 1]))[::-1]
        for one in set(digests):
            assert known(ids, one) == [at for at, other in latest[:size] if other == one]
            assert known(every, one) == [at for at, other in latest if other == one]


@given(st.lists(DIGESTS, max_size=30), st.integers(1, 5))
def test_added_in_a_row_they_are_known_as_one_by_one(digests: list[int], size: int) -> None:
    ids, kept = KnownIds(size), list[tuple[int, int]]()
    places, index = list(range(len(digests))), 0
    while index < len(digests):
        stop = ids.add_new(digests, places, index)
        for place in range(index, stop):
            assert digests[place] not in {digest for digest, _ in kept[-size:]}
            kept.append((digests[place], place))
        if stop < len(digests):
            assert digests[stop] in {digest for digest, _ in kept[-size:]}
            ids.add(digests[stop], stop)
            kept.append((digests[stop], stop))
        index = stop + 1
    for one in set(digests):
        assert known(ids, one) == [place for digest, place in kept[::-1][:size] if digest == one]
