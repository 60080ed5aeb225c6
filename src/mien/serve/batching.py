"""Batches of the inputs of many requests: one queue and its worker threads for each model."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

from mien.modality import Predictor
from mien.results import Result
from mien.serve.logs import describe_error, log

Compute = Callable[[Predictor, Sequence[Any]], list[Result]]
Observe = Callable[[int, float], None]  # inputs and seconds of a batch

_UNIT = 256  # characters that cost about as much as one more short text
_CLOSING = 5.0  # seconds that a batch has to finish when nobody waits for it any more


class Busy(Exception):
    """The queue is full; there will probably be room after some seconds."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many inputs wait; try again in {seconds} s")
        self.seconds = seconds


class TooMuch(Exception):
    """One request has more work than would ever be taken."""


def units(length: int) -> int:
    """What a text of so many characters costs: 1, and 1 more for each 256 of them. Anything else costs 1."""
    return 1 + length // _UNIT


class _Job:
    """The inputs of one request, which may be spread over several batches."""

    def __init__(self, predictor: Predictor, inputs: Sequence[Any], costs: Sequence[int], arrived: float) -> None:
        self.predictor, self.inputs, self.costs, self.arrived = predictor, inputs, costs, arrived
        self.waiting = sum(costs)  # units that are in no batch yet
        self.taken = 0  # inputs that are in a batch, or were
        self.results: dict[int, Result] = {}
        self.done: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()

    def take(self, room: int) -> _Part:
        """The next inputs of up to so many units, at least one."""
        start, cost = self.taken, 0
        while self.taken < len(self.inputs) and (not cost or cost + self.costs[self.taken] <= room):
            cost += self.costs[self.taken]
            self.taken += 1
        self.waiting -= cost
        return _Part(self, range(start, self.taken), self.inputs[start : self.taken], cost)

    def fail(self, error: Exception) -> None:
        """Answer with an error; whoever waits then gives up what is left."""
        if not self.done.done():
            self.done.set_exception(error)


class _Part(NamedTuple):
    """Some inputs of a job, in one batch."""

    job: _Job
    places: range
    inputs: Sequence[Any]
    units: int


class Batcher:
    """Gathers inputs of many requests for one model and computes them in threads of its own.

    Requests take turns: one with more inputs than a batch holds goes back to the end of the queue. What nobody waits
    for any more is not computed.

    Args:
        compute: results of the inputs, in their order; runs in the worker threads.
        batch: units in a batch.
        window: seconds for which the first input of a batch waits for others.
        queue: units that may wait.
        workers: batches computed at the same time.
        observe: is told of every batch.
    """

    def __init__(
        self,
        compute: Compute,
        batch: int,
        window: float,
        queue: int,
        workers: int = 1,
        observe: Observe = lambda *_: None,
    ) -> None:
        self._compute, self._batch, self._window, self._queue, self._observe = compute, batch, window, queue, observe
        self._jobs: deque[_Job] = deque()
        self._arrival = asyncio.Event()
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="mien")
        self._workers, self._runners = workers, list[asyncio.Task[None]]()
        self._pace = 0.0  # seconds for a unit, lately
        self._begun: dict[asyncio.Future[list[Result]], float] = {}  # batches that are being computed
        self.waiting = 0  # units

    async def __aenter__(self) -> Batcher:
        self._runners = [asyncio.create_task(self._run()) for _ in range(self._workers)]
        return self

    async def __aexit__(self, *error: object) -> None:
        for runner in self._runners:
            runner.cancel()
        await asyncio.wait(self._runners)
        self._threads.shutdown(wait=False)
        if self._begun:
            await asyncio.wait(self._begun, timeout=_CLOSING)

    @property
    def alive(self) -> bool:
        """Whether it computes what comes."""
        return bool(self._runners) and not any(runner.done() for runner in self._runners)

    @property
    def busy(self) -> float:
        """Seconds for which the batch that was begun first has been computed; 0 where there is none."""
        return time.monotonic() - min(self._begun.values()) if self._begun else 0.0

    async def predict(
        self, predictor: Predictor, inputs: Sequence[Any], costs: Sequence[int] | None = None
    ) -> list[Result]:
        """Results of the inputs, in their order. Cancel it, and what was not computed yet will not be.

        Raises:
            Busy: they do not fit into the queue now.
            TooMuch: they never would.
        """
        job = _Job(predictor, inputs, costs or [1] * len(inputs), asyncio.get_running_loop().time())
        if job.waiting > self._queue:
            more = f" (each {_UNIT} characters of a text count as one more)" if job.waiting > len(inputs) else ""
            raise TooMuch(f"the inputs count as {job.waiting:,}{more}; {self._queue:,} are taken in one request")
        if self.waiting + job.waiting > self._queue:
            raise Busy(max(1, min(60, math.ceil(self.waiting * self._pace))))
        self._jobs.append(job)
        self.waiting += job.waiting
        self._arrival.set()
        try:
            return await job.done
        finally:  # given up, where any are left
            self.waiting -= job.waiting
            job.waiting = 0

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while self._jobs and not self._jobs[0].waiting:
                self._jobs.popleft()
            if not self._jobs:
                self._arrival.clear()
                await self._arrival.wait()
                continue
            wait = self._jobs[0].arrived + self._window - loop.time()
            if wait > 0 and self.waiting < self._batch:
                await asyncio.sleep(wait)
            if not (parts := self._cut()):
                continue
            start = time.monotonic()
            batch = loop.run_in_executor(self._threads, self._work, parts)
            self._begun[batch] = start
            batch.add_done_callback(self._begun.pop)
            try:
                results = iter(await asyncio.shield(batch))
            except Exception as error:
                for part in parts:
                    part.job.fail(error)
                continue
            seconds = time.monotonic() - start
            self._pace = 0.8 * self._pace + 0.2 * seconds / sum(part.units for part in parts) / self._workers
            self._observe(sum(len(part.inputs) for part in parts), seconds)
            for job, places, *_ in parts:
                job.results |= zip(places, islice(results, len(places)), strict=True)
                if len(job.results) == len(job.inputs) and not job.done.done():
                    job.done.set_result([job.results[place] for place in range(len(job.inputs))])

    def _cut(self) -> list[_Part]:
        """The next batch: of each job in turn what there is room for."""
        room, parts, again = self._batch, list[_Part](), list[_Job]()
        while self._jobs and room > 0:
            job = self._jobs.popleft()
            if job.waiting:
                parts.append(part := job.take(room))
                room -= part.units
                self.waiting -= part.units
                again += [job] if job.waiting else []
        self._jobs.extend(again)
        return parts

    def _work(self, parts: list[_Part]) -> list[Result]:
        """In a worker thread: the results of all inputs, in their order."""
        groups: dict[int, list[_Part]] = {}
        for part in parts:
            groups.setdefault(id(part.job.predictor), []).append(part)
        results = {
            key: iter(self._results(group[0].job.predictor, [item for part in group for item in part.inputs]))
            for key, group in groups.items()
        }
        return [next(results[id(part.job.predictor)]) for part in parts for _ in part.inputs]

    def _results(self, predictor: Predictor, inputs: Sequence[Any]) -> list[Result]:
        """Results of the inputs; one that breaks the model has an error, and takes those of others not with it."""
        try:
            results = self._compute(predictor, inputs)
            if len(results) != len(inputs):
                raise ValueError(f"{len(results)} results of {len(inputs)} inputs")
            return results
        except Exception as error:
            if len(inputs) > 1:
                return [result for item in inputs for result in self._results(predictor, [item])]
            log.error("failed", extra={"fields": {"model": predictor.name, **describe_error(error)}})
            text = f"mien failed on this input ({type(error).__name__}); its log says where"
            name = inputs[0] if isinstance(inputs[0], str) else "input"
            return [predictor.result(name, error=text)]
