"""Face crops of clips, cut once and kept on disk, from where training reads them a batch at a time.

::

    ~/.cache/mien/frames-<settings>/
      settings.json   what the crops were cut with
      crops.bin       uint8, crop after crop
      index.jsonl     a line for each clip, in the order of crops.bin
      features-*.bin  what a network makes of each crop, for those that are trained on that

A clip is written before its line is: whatever stops the cutting, what the index tells of is whole, and the next run
goes on from there. No file is ever in memory as a whole.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import DataError, InputError, MienError, ModelError
from mien.media.clips import ClipReader
from mien.modalities.clip import Faces, numbered
from mien.modalities.face.detect import FaceDetector
from mien.modalities.video.preprocess import VideoSettings, cut_face
from mien.runtime import Session

_VERSION = 1  # of how crops are cut; another one begins another folder
_BATCH, _FEATURES = 64, "features"
SETTINGS, CROPS, INDEX, LOCK = "settings.json", "crops.bin", "index.jsonl", "lock"


def cache_folder() -> Path:
    """Where crops are kept: ``MIEN_CACHE``, else ``mien`` in the user's folder for caches."""
    if given := os.environ.get("MIEN_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mien"


@dataclass(frozen=True)
class ClipFrames:
    """The faces of one clip in the store.

    Attributes:
        clip: its whole path, its size in bytes and the time of its last change in nanoseconds.
        start: place of its first crop.
        times: seconds at which each crop was seen.
        people: whose face each is; numbers from 1.
        problem: why there is none, or fewer than there should be; "" for nothing.
    """

    clip: tuple[str, int, int]
    start: int
    times: list[float]
    people: list[int]
    problem: str = ""

    @property
    def end(self) -> int:
        """The place after its last crop."""
        return self.start + len(self.times)


class Rows:
    """A file of rows of equal shape, read where they are asked for.

    Args:
        path: of the file.
        shape, dtype: of one row.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str) -> None:
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        self.bytes = int(np.prod(shape)) * self.dtype.itemsize
        self._file: int | None = None

    def read(self, place: int, count: int = 1) -> np.ndarray:
        """The rows from *place* on, (count, *shape).

        Raises:
            DataError: the file is gone, cut off or cannot be read.
        """
        try:
            if self._file is None:
                self._file = os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            content = _read_at(self._file, place * self.bytes, count * self.bytes)
        except OSError as error:
            raise DataError(f"{self.path} cannot be read: {error.strerror or error}") from error
        if len(content) != count * self.bytes:
            raise DataError(f"{self.path} is cut off; start again, and what is missing is made anew")
        return np.frombuffer(content, self.dtype).reshape(count, *self.shape)

    def __len__(self) -> int:
        """How many whole rows there are."""
        return self.path.stat().st_size // self.bytes if self.path.exists() else 0

    def __getstate__(self) -> dict[str, Any]:  # another process opens the file for itself
        return self.__dict__ | {"_file": None}

    def __del__(self) -> None:
        if self.__dict__.get("_file") is not None:
            os.close(self._file)  # type: ignore[arg-type]


class Crops(Sequence[np.ndarray]):
    """Rows of a store as a sequence of single crops, none of which is in memory.

    Args:
        rows: the store's.
        places: of each crop in them, int64 (n,).
    """

    def __init__(self, rows: Rows, places: np.ndarray) -> None:
        self.rows, self.places = rows, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: Any) -> Any:
        """uint8 (size, size, 3) or (size, size); of a slice, another such sequence."""
        if isinstance(place, slice):
            return Crops(self.rows, self.places[place])
        crop = self.rows.read(int(self.places[place]))[0]
        return crop[:, :, 0] if crop.shape[2] == 1 else crop


class Sequences(Sequence[np.ndarray]):
    """Rows of features as sequences, none of which is in memory.

    Args:
        rows: of features.
        places: of those of each sequence in them.
    """

    def __init__(self, rows: Rows, places: Sequence[np.ndarray]) -> None:
        self.rows, self.places = rows, places

    @property
    def lengths(self) -> np.ndarray:
        """Of each sequence, int64 (n,)."""
        return np.array([len(places) for places in self.places], np.int64)

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: Any) -> Any:
        """float32 (length, width); of a slice, another such sequence."""
        if isinstance(place, slice):
            return Sequences(self.rows, self.places[place])
        places = self.places[place]
        first, last = int(places[0]), int(places[-1])
        return self.rows.read(first, last - first + 1)[places - first]


class FrameStore:
    """The crops of clips cut with the same settings.

    Args:
        settings: of the clips: which frames, and how a face is cut.
        detector: what finds the faces.
        folder: where stores are kept; :func:`cache_folder` if not given.

    Attributes:
        folder: of this store.
        rows: its crops.
        clips: what it holds of each clip.
        end: how many crops there are.
        dropped: clips whose crops were not whole when the store was opened; they are cut again.

    Raises:
        MienError: the folder cannot be written.
    """

    def __init__(self, settings: VideoSettings, detector: FaceDetector, folder: Path | None = None) -> None:
        self._settings, self._detector = settings, detector
        cut = {
            "version": _VERSION,
            "face": settings.face.model_dump(mode="json"),
            "fps": None if settings.frames else settings.fps,
            "frames": settings.frames,
            "detector": [detector.kind, detector.size, detector.closer, detector.confidence],
        }
        self.fingerprint = hashlib.sha256(json.dumps(cut, sort_keys=True).encode()).hexdigest()[:16]
        self.folder = (folder or cache_folder()) / f"frames-{self.fingerprint}"
        side = settings.face.size
        self.rows = Rows(self.folder / CROPS, (side, side, settings.face.channels), "uint8")
        self.clips: dict[tuple[str, int, int], ClipFrames] = {}
        self.end = self.dropped = 0
        with self._writing("nothing is lost"):
            self.folder.mkdir(parents=True, exist_ok=True)
            (self.folder / SETTINGS).write_text(json.dumps(cut, indent=1) + "\n", "utf-8")

    def add(self, paths: Iterable[str], step: Callable[[int], None] = lambda _: None) -> list[ClipFrames]:
        """What the store holds of each clip, in their order; those that it lacks are cut first.

        Args:
            paths: of clips.
            step: called with the number of clips done since the last call.

        Raises:
            MienError: the disk is full or the folder cannot be written, or another run is cutting into it. What was
                cut by then is kept.
        """
        paths = list(paths)
        keys = [_key(path) for path in paths]
        with self._alone():
            self._open()
            for done, (path, key) in enumerate(zip(paths, keys, strict=True)):
                if key not in self.clips:
                    with self._writing(f"{done} of {len(paths)} clips are cut and kept"):
                        self._write(path, key)
                step(1)
        return [self.clips[key] for key in keys]

    def features(self, network: Path, step: Callable[[int], None] = lambda _: None) -> Rows:
        """What a network of faces makes of all crops, read once and kept beside them: rows of float32 (width,).

        Args:
            network: an ONNX file with an output "features".
            step: called with the number of crops done since the last call.

        Raises:
            ModelError: it cannot be run, or gives no features.
            MienError: the disk is full or the folder cannot be written. What was read by then is kept.
        """
        session = Session(network)
        if _FEATURES not in session.outputs:
            raise ModelError(f"{network} gives no features")
        width = session.run(np.zeros((1, *self.rows.shape), np.uint8), _FEATURES).shape[1]
        name = f"{_FEATURES}-{hashlib.sha256(network.read_bytes()).hexdigest()[:16]}.bin"
        rows = Rows(self.folder / name, (width,), "float32")
        with self._alone(), self._writing("what was read is kept"):
            done = len(rows)
            step(done)
            with rows.path.open("ab") as file:
                file.truncate(done * rows.bytes)
                for start in range(done, self.end, _BATCH):
                    crops = self.rows.read(start, min(_BATCH, self.end - start))
                    file.write(session.run(crops, _FEATURES).astype(np.float32).tobytes())
                    step(len(crops))
        return rows

    def _open(self) -> None:
        """Read the index, and cut off what is not whole: a clip without a line, a line without its clip."""
        self.clips.clear()
        index, whole = self.folder / INDEX, len(self.rows)
        lines, end = [], 0
        content = index.read_text("utf-8").splitlines() if index.exists() else []
        told = len(content)
        for line in content:
            try:
                entry = ClipFrames(**json.loads(line))
            except (ValueError, TypeError):
                break
            if entry.start != end or entry.end > whole:
                break
            key: Any = tuple(entry.clip)
            self.clips[key], end = entry, entry.end
            lines.append(line + "\n")
        with self._writing("nothing is lost"):
            if not index.exists() or index.read_text("utf-8") != "".join(lines):
                scratch = index.with_suffix(".new")
                scratch.write_text("".join(lines), "utf-8")
                scratch.replace(index)
            if self.rows.path.exists() and self.rows.path.stat().st_size != end * self.rows.bytes:
                os.truncate(self.rows.path, end * self.rows.bytes)
                for features in self.folder.glob(f"{_FEATURES}-*.bin"):  # of crops that may be others soon
                    features.unlink()
            self.rows.path.touch()
        self.end, self.dropped = end, told - len(lines)

    def _write(self, path: str, key: tuple[str, int, int]) -> None:
        """Cut a clip, and only then tell of it in the index. One that cannot be read is tried again the next time."""
        times: list[float] = []
        people: list[int] = []
        fps, frames = self._settings.sampling
        try:
            with self.rows.path.open("r+b") as file, ClipReader(path, fps=fps, frames=frames) as clip:
                file.seek(self.end * self.rows.bytes)
                faces = Faces(clip, self._detector, cut_face(self._settings.face))
                for time, found in faces:
                    for sighting in found:
                        assert sighting.sample is not None
                        file.write(sighting.sample.tobytes())
                        times.append(round(time, 6))
                        people.append(sighting.person)
                file.flush()
                os.fsync(file.fileno())
        except InputError as error:
            self.clips[key] = ClipFrames(key, self.end, [], [], str(error))
            return
        who = numbered(people, faces.known_as).tolist()
        entry = ClipFrames(key, self.end, times, who, "" if times else f"{path}: no face was found")
        with (self.folder / INDEX).open("a", encoding="utf-8") as index:
            index.write(json.dumps(asdict(entry)) + "\n")
        self.clips[key], self.end = entry, entry.end

    @contextmanager
    def _writing(self, kept: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise MienError(
                f"cannot write {self.folder}: {error.strerror or error}; {kept} (MIEN_CACHE names another folder)"
            ) from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one run at a time write; the lock of one that was killed is gone with it."""
        try:
            import fcntl
        except ImportError:  # not on Windows
            yield
            return
        with self._writing("nothing is lost"):
            lock = (self.folder / LOCK).open("w")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise MienError(f"another run is cutting faces into {self.folder}; wait for it") from None
            yield


def _key(path: str) -> tuple[str, int, int]:
    """A clip as the store knows it: another file of the same name is another clip."""
    whole = os.path.realpath(path)
    try:
        stat = os.stat(whole)
    except OSError:
        return whole, -1, -1
    return whole, stat.st_size, stat.st_mtime_ns


def _read_at(file: int, offset: int, count: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, count, offset)
    os.lseek(file, offset, os.SEEK_SET)  # Windows
    return os.read(file, count)
