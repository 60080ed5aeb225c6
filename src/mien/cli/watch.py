"""The verb ``watch``: a camera, a stream, a clip or a folder of frames, while it goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mien.cli.usage import AllFaces, Labels, console, log, target
from mien.errors import InputError, MienError, quoted
from mien.inputs import exists

if TYPE_CHECKING:
    from mien.modalities.watch import Watching


def watch(
    source: Annotated[
        str,
        typer.Argument(
            help="A camera's number (0 is the first), the address of a stream (rtsp://, rtmp://, http://, udp://), "
            "a clip, or a folder of numbered pictures."
        ),
    ],
    model: Annotated[str, typer.Option(help="A shipped model that reads clips, or a model folder.")] = "video",
    labels: Labels = None,
    fps: Annotated[
        float | None,
        typer.Option(
            help="Pictures a second to look at; of a folder how many of its pictures are a second. "
            "[default: the model's; of a folder 25]"
        ),
    ] = None,
    smooth: Annotated[float, typer.Option(min=0, max=10, help="Seconds over which scores are averaged.")] = 0.4,
    give_up: Annotated[
        float | None, typer.Option(min=0, help="Of streams: end after so many seconds without a picture.")
    ] = None,
    all_faces: AllFaces = False,
    real_time: Annotated[bool, typer.Option("--real-time", help="Look at a clip in its own time.")] = False,
    out: Annotated[Path | None, target("Write a line for each second into FILE.{jsonl,csv}.")] = None,
    scores: Annotated[bool, typer.Option(help="With --out FILE.csv: a column for each label's probability.")] = False,
) -> None:
    """Follow the people before a camera, in a stream or a clip, until it ends or Ctrl-C."""
    from mien.output.seconds import ENDINGS

    if fps is not None and not 0 < fps <= 1000:
        raise typer.BadParameter(f"--fps must be above 0 and at most 1000, not {fps:g}")
    if out is not None and out.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"--out ends in {' or '.join(ENDINGS)}, not {quoted(out.name)}")
    if out is not None and exists(source) and out.exists() and out.samefile(source):
        raise InputError(f"{out} is the input, which would be lost: name another file")
    if out is not None and not exists(source) and out.exists() and out.stat().st_size:
        raise InputError(f"{out} holds what was watched before, and nobody can watch that again: name another file")
    from mien.modalities.watch import Watching
    from mien.modality import get_modality
    from mien.output.live import LiveScreen
    from mien.output.rows import uncounted_line
    from mien.output.seconds import Gap, SecondsWriter, by_second
    from mien.output.terminal import clock

    try:
        watching = Watching(
            source, model, fps=fps, labels=labels, smooth=smooth, give_up=give_up, real_time=real_time,
            all_faces=all_faces,
        )  # fmt: skip
    except KeyboardInterrupt:
        log("stopped before there was a picture")
        return
    manifest = watching.predictor.manifest
    space, rated = watching.predictor.space, [entry.name for entry in manifest.ratings]
    certain = (labels or space.name) in manifest.certainty_of(space)
    faces = "all_faces" in get_modality(manifest.modality).options
    writer = None if out is None else SecondsWriter(out, space.names, rated, scores, certain, faces)
    end, gaps, missing, left, seen = 0.0, 0, 0.0, 0, 0
    with ExitStack() as stack:
        stack.enter_context(watching)
        stack.enter_context(_stops(watching))
        screen = stack.enter_context(LiveScreen(console(), watching.name, manifest.scales))
        if writer:
            stack.callback(writer.close)
        for part in by_second(screen.noticed(watching), all_faces):
            if writer:
                writer.write(part)
            screen.show(part)
            if isinstance(part, Gap):
                gaps, missing = gaps + 1, missing + (part.end or part.start) - part.start
            else:
                end = part.time + 1
                left, seen = left + part.uncounted[0], seen + part.uncounted[1]
    unsure = uncounted_line(left, seen, "moments") if left else ""
    log(", ".join(filter(None, (_summary(watching, clock(end), gaps, missing), unsure))))
    if writer:
        log(f"wrote {writer.written:,} lines to {out}" if writer.written else f"nothing was written to {out}")
    if watching.problem:
        raise MienError(f"{watching.name}: {watching.problem}")


@contextmanager
def _stops(watching: Watching) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the watching and nothing else; a second one does what it always does."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)
        watching.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _summary(watching: Watching, length: str, gaps: int, missing: float) -> str:
    """What was seen, and what was not, in one line."""
    people = f"{watching.people:,} {'person' if watching.people == 1 else 'people'}"
    parts = [f"watched {length}", people, f"{watching.looks:,} pictures looked at"]
    if watching.dropped:
        parts.append(f"{watching.dropped:,} dropped for newer ones")
    if watching.skipped:
        parts.append(f"{watching.skipped:,} damaged or missing")
    if gaps:
        parts.append(f"{gaps:,} gap{'s' * (gaps > 1)} of {missing:.1f} s")
    return ", ".join(parts)
