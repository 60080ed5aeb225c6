"""Inputs of many requests in one batch: order, turns, bounds, and who pays for what goes wrong."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mien.modality import Predictor
from mien.results import Result
from mien.serve.batching import Batcher, Busy, TooMuch, units


def predictor(name: str) -> Predictor:
    """What the batcher asks of one."""
    manifest = SimpleNamespace(modality="text")
    failed = lambda item, error: Result(item, "text", name, error=error)  # noqa: E731
    return cast(Predictor, SimpleNamespace(name=name, manifest=manifest, result=failed))


MODEL, TWIN = predictor("model"), predictor("twin")


class Worker:
    """Computes ``x`` to a result of that name by the model of that name, and keeps the batches it was given."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches: list[list[Any]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.seconds = seconds

    def __call__(self, predictor: Predictor, inputs: Sequence[Any]) -> list[Result]:
        self.batches.append(list(inputs))
        self.gate.wait(10)
        time.sleep(self.seconds)
        if "poison" in inputs:
            raise RuntimeError("broken")
        return [Result(str(item), "text", predictor.name) for item in inputs]


def run(worker: Worker, play: Callable[[Batcher], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        defaults: dict[str, Any] = {"batch": 4, "window": 0.0, "queue": 100}
        async with Batcher(worker, **{**defaults, **settings}) as batcher:
            await asyncio.wait_for(play(batcher), 20)

    asyncio.run(main())


def names(results: list[Result]) -> list[str]:
    return [result.input for result in results]


def test_requests_share_a_batch_and_get_their_own_results() -> None:
    worker = Worker()

    async def play(batcher: Batcher) -> None:
        found = await asyncio.gather(*(batcher.predict(MODEL, [f"{n}a", f"{n}b"]) for n in range(4)))
        assert [names(results) for results in found] == [[f"{n}a", f"{n}b"] for n in range(4)]

    run(worker, play, batch=8, window=0.05)
    assert worker.batches == [["0a", "0b", "1a", "1b", "2a", "2b", "3a", "3b"]]


def test_the_window_is_counted_from_the_first_input_and_a_full_batch_does_not_wait() -> None:
    worker = Worker()

    async def play(batcher: Batcher) -> None:
        start = time.perf_counter()
        await batcher.predict(MODEL, ["a", "b", "c", "d"])
        assert time.perf_counter() - start < 1
        first = asyncio.create_task(batcher.predict(MODEL, ["e"]))
        await asyncio.sleep(0.1)
        await asyncio.gather(first, batcher.predict(MODEL, ["f"]))

    run(worker, play, window=2.0)
    assert worker.batches == [["a", "b", "c", "d"], ["e", "f"]]


def test_a_large_request_does_not_keep_small_ones_waiting() -> None:
    worker = Worker()
    ready: list[str] = []

    async def play(batcher: Batcher) -> None:
        async def ask(name: str, inputs: list[str]) -> None:
            assert names(await batcher.predict(MODEL, inputs)) == inputs
            ready.append(name)

        await asyncio.gather(ask("large", [f"l{n}" for n in range(20)]), ask("small", ["s"]))

    run(worker, play)
    assert ready == ["small", "large"]
    assert worker.batches[1][0] == "s"
    assert sum(map(len, worker.batches)) == 21


def test_results_stay_in_order_with_several_workers() -> None:
    async def play(batcher: Batcher) -> None:
        inputs = [str(n) for n in range(60)]
        assert names(await batcher.predict(MODEL, inputs)) == inputs

    for worker in (Worker(), Worker(0.01)):
        run(worker, play, workers=3)


def test_a_batch_may_hold_inputs_for_models_that_answer_in_other_labels() -> None:
    worker = Worker()

    async def play(batcher: Batcher) -> None:
        one, other = await asyncio.gather(batcher.predict(MODEL, ["a"]), batcher.predict(TWIN, ["b"]))
        assert (one[0].model, other[0].model) == ("model", "twin")

    run(worker, play, window=0.05)


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    worker = Worker()
    worker.gate.clear()

    async def play(batcher: Batcher) -> None:
        running = asyncio.create_task(batcher.predict(MODEL, ["a"]))
        await asyncio.sleep(0.1)  # in the worker: no longer in the queue
        waiting = asyncio.create_task(batcher.predict(MODEL, ["b"] * 8))
        await asyncio.sleep(0)
        assert batcher.waiting == 8
        with pytest.raises(Busy) as refused:
            await batcher.predict(MODEL, ["c"] * 3)
        assert refused.value.seconds >= 1
        with pytest.raises(TooMuch, match=r"^the inputs count as \d+; \d+ are taken in one request$"):
            await batcher.predict(MODEL, ["d"] * 11)
        worker.gate.set()
        assert len(await running) == 1
        assert len(await waiting) == 8
        assert batcher.waiting == 0
        assert len(await batcher.predict(MODEL, ["e"] * 10)) == 10

    run(worker, play, queue=10)


def test_what_nobody_waits_for_is_not_computed() -> None:
    worker = Worker()
    worker.gate.clear()

    async def play(batcher: Batcher) -> None:
        running = asyncio.create_task(batcher.predict(MODEL, ["a"]))
        await asyncio.sleep(0.1)
        gone = asyncio.create_task(batcher.predict(MODEL, ["gone"] * 50))
        stays = asyncio.create_task(batcher.predict(MODEL, ["stays"]))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.wait([gone])
        assert batcher.waiting == 1
        worker.gate.set()
        assert names(await stays) == ["stays"]
        await running

    run(worker, play)
    assert worker.batches == [["a"], ["stays"]]


def test_an_input_that_breaks_the_model_takes_no_others_with_it() -> None:
    worker = Worker()

    async def play(batcher: Batcher) -> None:
        found = await asyncio.gather(
            batcher.predict(MODEL, ["a"]), batcher.predict(MODEL, ["b", "poison", "c"]), batcher.predict(MODEL, ["d"])
        )
        assert [names(results) for results in found] == [["a"], ["b", "poison", "c"], ["d"]]
        errors = [result.error for results in found for result in results]
        assert errors.count(None) == 4
        assert errors[2] == "mien failed on this input (RuntimeError); its log says where"
        assert batcher.alive
        assert names(await batcher.predict(MODEL, ["e"])) == ["e"]

    run(worker, play, batch=8, window=0.05)


def test_a_batch_that_fails_as_a_whole_fails_its_requests_and_no_later_ones() -> None:
    """A fault of mien's own: without an answer its clients would wait for ever."""
    worker = Worker()
    broken = cast(Predictor, SimpleNamespace(name="broken", manifest=MODEL.manifest))  # cannot even say what failed

    async def play(batcher: Batcher) -> None:
        failed = await asyncio.gather(*(batcher.predict(broken, ["poison"]) for _ in range(2)), return_exceptions=True)
        assert [type(error) for error in failed] == [AttributeError, AttributeError]
        assert batcher.alive
        assert names(await batcher.predict(MODEL, ["e"])) == ["e"]

    run(worker, play, batch=8, window=0.05)


def test_closing_lets_the_batch_at_hand_finish() -> None:
    worker = Worker(0.2)

    async def play(batcher: Batcher) -> None:
        task = asyncio.create_task(batcher.predict(MODEL, ["a"]))
        await asyncio.sleep(0.05)
        task.cancel()

    start = time.perf_counter()
    run(worker, play)
    assert time.perf_counter() - start >= 0.2


def test_a_batch_that_does_not_end_is_seen_and_does_not_keep_the_batcher_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.serve.batching._CLOSING", 0.1)
    worker = Worker()
    worker.gate.clear()

    async def play(batcher: Batcher) -> None:
        assert batcher.busy == 0
        task = asyncio.create_task(batcher.predict(MODEL, ["a"]))
        await asyncio.sleep(0.1)
        assert 0.05 < batcher.busy < 5
        task.cancel()
        await asyncio.wait([task])
        assert batcher.busy  # the thread is at work, whoever waits

    start = time.perf_counter()
    run(worker, play)
    assert time.perf_counter() - start < 5
    worker.gate.set()


def test_long_texts_count_for_more() -> None:
    assert [units(length) for length in (1, 255, 256, 2560)] == [1, 1, 2, 11]
    worker = Worker()

    async def play(batcher: Batcher) -> None:
        await batcher.predict(MODEL, ["a" * 600, "b" * 600, "c"], [units(600), units(600), units(1)])

    run(worker, play)
    assert [[item[0] for item in batch] for batch in worker.batches] == [["a"], ["b", "c"]]
