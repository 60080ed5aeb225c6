"""Work in several threads: in order, only a little ahead, and stopped with whoever wanted it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import ModelError
from mien.runtime import parallel_map, readers, usable_threads


@settings(deadline=None)
@given(st.lists(st.integers(), max_size=40), st.integers(1, 6))
def test_results_come_in_the_order_of_the_items(items: list[int], threads: int) -> None:
    assert list(parallel_map(lambda item: item * 2, items, threads)) == [item * 2 for item in items]


def test_so_many_are_computed_at_once() -> None:
    meeting = threading.Barrier(3)  # nobody passes until three are there
    assert list(parallel_map(lambda item: (meeting.wait(30), item)[1], range(6), 3)) == list(range(6))


@pytest.mark.parametrize("threads", [1, 3])
def test_items_are_taken_only_a_little_ahead(threads: int) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = parallel_map(str, endless(), threads)
    for wanted in range(1, 20):
        assert next(results) == str(wanted)
        assert taken <= wanted + threads
    results.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPool")]


def test_a_failure_comes_after_what_was_done_before_it() -> None:
    results = parallel_map(lambda item: 1 // item, [1, 1, 0, 1], 2)
    assert [next(results), next(results)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_the_number_of_threads_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_THREADS", "7")
    assert (usable_threads(), readers(), readers(2)) == (7, 4, 2)
    monkeypatch.setenv("MIEN_THREADS", "0")
    with pytest.raises(ModelError, match="MIEN_THREADS"):
        usable_threads()
