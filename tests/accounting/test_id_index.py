"""The latest ids are known and no others, whatever shares a bucket, however they were added."""

from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from budgauge.accounting.id_index import IdIndex

BUCKETS = 1 << 17
DIGESTS = st.sampled_from([7, 8, 7 + BUCKETS, 8 + BUCKETS, 7 + 5 * BUCKETS])
"""Few hashes, of which some share a bucket."""


def known(ids: IdIndex, digest: int) -> list[int]:
    """Places of a hash, the latest first; a chain without an end is cut."""
    return list(islice(ids.places(digest), 100))


@given(st.lists(DIGESTS, max_size=30), st.integers(1, 5))
def test_so_many_of_the_latest_are_known(digests: list[int], size: int) -> None:
    ids, every = IdIndex(size), IdIndex(size, keeps_all=True)
    for place, digest in enumerate(digests):
        ids.add(digest, place)
        every.add(digest, place)
        latest = list(enumerate(digests[: place + 1]))[::-1]
        for one in set(digests):
            assert known(ids, one) == [at for at, other in latest[:size] if other == one]
            assert known(every, one) == known(ids, one)
            assert list(islice(every.all_places(one), 100)) == [at for at, other in latest if other == one]


@given(st.lists(DIGESTS, max_size=30), st.integers(1, 5), st.booleans())
def test_added_in_a_row_they_are_known_as_one_by_one(digests: list[int], size: int, keeps_all: bool) -> None:
    ids, kept = IdIndex(size, keeps_all=keeps_all), list[tuple[int, int]]()
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


@given(st.integers(0, 20_000), st.integers(0, 20_000), st.booleans())
def test_a_table_that_keeps_all_grows_and_is_loaded_again(before: int, after: int, in_a_row: bool) -> None:
    ids = IdIndex(10, keeps_all=True)
    add_many(ids, range(before), in_a_row)
    again = IdIndex(10, keeps_all=True)
    data = ids.dump()
    assert not before or len(data) == again.dump_bytes(before)
    again.load_later(before, lambda: data)
    add_many(again, range(before, before + after), in_a_row)
    for number in (0, 1, before - 1, before, before + after - 1):
        if 0 <= number < before + after:
            assert list(again.all_places(digest_of(number))) == [number]
    assert again.count == before + after


def digest_of(number: int) -> int:
    """A hash that no other number has; several share a bucket."""
    return number * 7919 % BUCKETS + BUCKETS * (number % 3)


def add_many(ids: IdIndex, numbers: range, in_a_row: bool) -> None:
    if in_a_row:
        assert ids.add_new([digest_of(number) for number in numbers], list(numbers), 0) == len(numbers)
    else:
        for number in numbers:
            ids.add(digest_of(number), number)
