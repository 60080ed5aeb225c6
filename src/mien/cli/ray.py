"""The verb ``predict`` with ``--engine ray``: large tables and folders in several processes or machines, by Ray Data.

Needs the extra "scale". One task reads the inputs and cuts them into parts, an actor pool makes the results
of each part (:mod:`mien.distributed`). Parts stream from one to the other, so memory does not grow with their number.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from mien.cli.counts import say_left_out
from mien.cli.inputs import Source, left_out_of, stopped
from mien.distributed import Job, Worker, batches, layout
from mien.errors import MienError, require
from mien.modality import Predictor, get_modality
from mien.output.rows import RowFormat
from mien.output.shards import Shards, open_shards, opened
from mien.output.writer import FORMATS
from mien.results import Result
from mien.runtime import usable_threads

_AHEAD = 256 * 2**20  # bytes of parts that wait for a worker
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray reports its use to its makers where not told otherwise
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # those that matter come back to us
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def predict_on_ray(
    model: Predictor, roll: Callable[[Result], Result], sources: Sequence[Source], out: Path, workers: int | None,
    options: dict[str, Any], settings: Mapping[str, Any],
) -> None:  # fmt: skip
    """Read all inputs into a folder of Parquet parts; goes on with a folder that a stopped run left.

    Args:
        workers: processes; by default one for each core.
        options: of reading; see :class:`Job`.
        settings: "labels", "scores", of clips "timeline"; "asked", what the results depend on.

    Raises:
        MissingExtra: the packages of the extra "scale" are not installed.
        MienError: it was stopped, or the folder is not fit; the parts that are done are kept.
    """
    from mien.cli.usage import log
    from mien.output.terminal import progress

    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    ray = require("ray", "scale")
    require("ray.data", "scale")
    require("pyarrow", "scale")
    _check_folder(out)
    kind = "clip" if "timeline" in settings else get_modality(model.manifest.modality).kind
    taken = tuple(name for source in sources for name in source.columns)
    rows = RowFormat(kind, settings["scores"], settings.get("timeline", False), taken)
    job = Job(model.folder.resolve(), rows, settings["labels"], options, 1, Path.cwd())
    plan_parts = partial(layout, job, model, roll, sources, workers or usable_threads())
    with opened(out.absolute()):
        with progress("looking through the inputs", None):
            parts = open_shards(out.absolute(), settings["asked"], plan_parts, log)
        _fill(ray, parts, job, sources, workers, out)
    say_left_out(left_out_of(sources))
    _tell(parts, job, model.manifest.modality, out)


def _fill(ray: Any, parts: Shards, job: Job, sources: Sequence[Source], workers: int | None, out: Path) -> None:
    """Make the parts that are missing."""
    from mien.cli.usage import log
    from mien.output.terminal import progress

    missing, plan = parts.missing(), parts.plan
    if already := parts.tally().inputs:
        log(f"going on after the {already:,} inputs whose results are in {out}")
    try:
        if missing:
            run = _run(ray, job, parts, missing, sources, workers)
            with progress(f"reading into {out}", plan.inputs, already) as step, closing(run):
                for count in run:
                    step(count)
    except KeyboardInterrupt:
        parts.clean()
        done = plan.shards - len(parts.missing())
        kept = f"{done:,} of {plan.shards:,} parts are done and kept in {out}"
        raise stopped(kept) from None


def _run(
    ray: Any, job: Job, parts: Shards, missing: Sequence[int], sources: Sequence[Source], wanted: int | None
) -> Generator[int, None, None]:
    """Have the parts made; gives the number of inputs of each that is done."""
    with _started(ray, wanted) as (workers, threads):
        from ray import data

        context = data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False
        context.target_max_block_size = 1  # each part is handed on as soon as it is read
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        pool = data.ActorPoolStrategy(size=min(workers, len(missing)))
        stream = (
            data.from_items([0])
            .map_batches(partial(batches, sources, parts), batch_size=None, num_cpus=0)
            .map_batches(
                Worker, fn_constructor_args=(replace(job, threads=threads), parts), batch_size=1, compute=pool,
                num_cpus=threads,
            )
        )  # fmt: skip
        try:
            for row in stream.iter_rows():
                yield int(row["inputs"])
        except ray.exceptions.RayError as error:
            raise _foreseen(error, parts) from error


@contextmanager
def _unheard() -> Iterator[None]:
    """Nothing reaches standard error: Ray's core, which is not Python, says there that it will say little."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextmanager
def _started(ray: Any, workers: int | None) -> Iterator[tuple[int, int]]:
    """Ray on this machine, or the cluster of RAY_ADDRESS; gives the number of workers, and the threads of each."""
    cores, cluster = usable_threads(), os.environ.get("RAY_ADDRESS")
    threads = 1 if cluster else max(1, cores // (workers or cores))
    own: dict[str, Any] = {"address": "local", "num_cpus": threads * (workers or cores), "include_dashboard": False,
                           "object_store_memory": _AHEAD}  # fmt: skip
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):  # where Ray tells of workers that it ended
        try:
            with _unheard():
                ray.init(log_to_driver=False, logging_level="CRITICAL", **({} if cluster else own))
        except (OSError, RuntimeError, ValueError) as error:
            raise MienError(f"Ray does not start: {' '.join(str(error).split())}") from error
        try:
            yield workers or int(ray.cluster_resources().get("CPU", 1)), threads
        finally:
            ray.shutdown()  # ends the workers: nothing is being written any more


def _foreseen(error: BaseException, parts: Shards) -> MienError:
    """What a worker raised on purpose, or else the first line of what went wrong in it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MienError):
            return MienError(str(getattr(cause, "cause", cause)))
        cause = cause.__cause__
    last = str(error).strip().splitlines()[-1]
    return MienError(f"a worker failed: {last}; the parts that are done are kept in {parts.folder}")


def _tell(parts: Shards, job: Job, modality: str, out: Path) -> None:
    """What came out, as all shards have noted it."""
    from mien.cli.usage import console, log
    from mien.output.terminal import show_counts

    tally, kind = parts.tally(), job.rows.kind
    show_counts(console(stderr=True), tally.labels, "clips" if kind == "clip" else f"{get_modality(modality).unit}s")
    for problem in tally.problems if kind != "text" else ():
        log(f"mien: {problem}")
    if tally.unread:
        log(f"{tally.unread:,} of {tally.inputs:,} inputs could not be read: their rows have no label and say why")
    log(f"wrote {tally.rows:,} rows in {parts.plan.shards:,} parts into {out}")


def _check_folder(folder: Path) -> None:
    """Refuse a folder of results that cannot be made, before anything is computed.

    Raises:
        MienError: the name is that of a file, or what it should lie in is missing.
    """
    if folder.suffix in FORMATS:
        raise MienError(f"{folder}: results go into a folder here, as Parquet parts; name it without {folder.suffix}")
    if folder.exists() and not folder.is_dir():
        raise MienError(f"{folder} is a file; results go into a folder here")
    if not folder.parent.is_dir():
        raise MienError(f"{folder}: the folder {folder.parent} does not exist")
