"""The predictor of faces, and what it shares with that of clips."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from mien.errors import InputError
from mien.media.images import read_picture
from mien.modalities.face.channels import warn_of_bgr
from mien.modalities.face.choice import FaceChoice, loose_face
from mien.modalities.face.detect import Face, FaceDetector
from mien.modalities.face.experts import Experts
from mien.modalities.face.landmarks import FaceLandmarker
from mien.modalities.face.occlusion import hide, spread
from mien.modalities.face.preprocess import FaceSettings, align, outline, prepare
from mien.modalities.face.quality import measure, measure_crop
from mien.modalities.face.reliability import Judge
from mien.modality import Item, Occlusion, Outputs, Predictor
from mien.model import NETWORK, Manifest
from mien.results import Corners, FaceAction, Quality, Result
from mien.runtime import in_chunks

_SOURCE = 48  # pixels a side of FER2013's pictures: crops of that size are cut as they should be


class FaceClassifier(Predictor):
    """A predictor whose network is given crops of single faces.

    Attributes:
        experts: the networks for groups of people and what picks among them; None for one network for all.
        mirror: whether each crop's probabilities are averaged with those of its mirror image; doubles the time.
        choice: which of the faces that are found are read.
        all_faces: whether faces count whose reliability is too low to be sure.
    """

    mirror = False
    all_faces = False
    choice = FaceChoice()

    def __init__(
        self, folder: Path, manifest: Manifest, files: Mapping[str, bytes], threads: int | None = None
    ) -> None:
        super().__init__(folder, manifest, files, threads)
        self.experts: Experts | None = None
        if manifest.experts:
            opened = {NETWORK: self._session}
            self.experts = Experts(files, manifest.experts, threads, manifest.widths, opened)
        self._judge = Judge(manifest)

    @cached_property
    def detector(self) -> FaceDetector:
        """What finds the faces; loaded when it is first needed. Set another to look more or less closely."""
        return FaceDetector(threads=self._threads)

    @cached_property
    def landmarker(self) -> FaceLandmarker:
        """What tells what faces do; loaded when it is first needed.

        Raises:
            ModelError: its networks are not installed.
        """
        return FaceLandmarker(self._threads)

    def counting_all(self, all_faces: bool = True) -> Self:
        """The same loaded model, for which unreliable faces count as others do, if asked for."""
        if not all_faces:
            return self
        twin = copy.copy(self)
        twin.all_faces = True
        return twin

    def counting_faces(
        self, min_face: float | None = None, max_faces: int | None = None, confidence: float | None = None
    ) -> Self:
        """The same loaded model, which reads only some of the faces that are found: see `FaceChoice`.

        Raises:
            InputError: an option is out of its range.
        """
        twin = copy.copy(self)
        twin.choice = self.choice.updated(min_face, max_faces, confidence)
        return twin

    def classify(self, crops: np.ndarray) -> np.ndarray:
        """What the network, or all experts and their router, give for prepared crops; see :meth:`select_experts`.

        Args:
            crops: uint8 (n, size, size, channels), as :func:`mien.modalities.face.preprocess.align` makes them.

        Returns:
            float32 (n, …).
        """
        if not self.mirror:
            return self._read(crops)
        both = self._read(np.concatenate([crops, crops[:, :, ::-1]]))  # in one go: threads share even a single face
        averaged: np.ndarray = np.mean(np.split(both, 2), axis=0)
        return averaged

    def select_experts(
        self, rows: np.ndarray, who: np.ndarray, times: np.ndarray | None = None, known: Sequence[str] | None = None
    ) -> np.ndarray:
        """Probabilities float (n, labels): those of the network, or of the expert for each person.

        Args:
            rows: as :meth:`classify` gives them.
            who: whose crop each is, (n,).
            times: when each was seen, in seconds.
            known: the group of each, where it needs no choosing; only a model with experts takes them.
        """
        if self.experts is not None:
            rows = self.experts.select(rows, who, known)
        return rows[:, self._columns]

    def judged(self, quality: Quality, row: np.ndarray) -> Quality:
        """The quality of a face with what the network gave for it, float (all columns,), taken into account."""
        return self._judge.judge(quality, row, self._own) if self.experts is None else quality

    def _read(self, crops: np.ndarray) -> np.ndarray:
        return self._session.run(crops) if self.experts is None else self.experts.read(crops)


class FacePredictor(FaceClassifier):
    """Reads emotion in the faces of photographs, or in pictures that are each one ready crop of a face.

    The items of a result are the faces, the largest first; a picture without a face gives a result without items. The
    faces of several pictures are classified in one batch.

    The options of :meth:`predict` and :meth:`predict_many`: ``min_face``, ``max_faces`` and ``confidence``, see
    `FaceChoice`; what the first two leave out is counted in the result's notes. Or ``crops=True``: each picture is a
    ready crop of one face; a large one that is cut loosely is cut again around its face, which :meth:`outputs` and
    evaluations do not do. ``all_faces=True``: faces count that
    could not be seen well, too, see ``Result.counts``. ``landmarks=True``: each prediction has an ``action`` besides,
    what the face does.
    """

    settings: FaceSettings

    def warm_up(
        self, crops: bool = False, min_face: float | None = None, max_faces: int | None = None,
        confidence: float | None = None, all_faces: bool = False, landmarks: bool = False,
    ) -> None:  # fmt: skip
        """Load the detector and what tells what faces do, before several threads want them.

        Raises:
            InputError: an option is out of its range, or chooses among the faces of ready crops.
        """
        if self.choice.updated(min_face, max_faces, confidence) and crops:
            raise InputError("min_face, max_faces and confidence are for photographs: a ready crop is one face")
        _ = self.detector  # which large crops need, too
        if landmarks:
            _ = self.landmarker

    def prepare(
        self, item: Any, crops: bool = False, min_face: float | None = None, max_faces: int | None = None,
        confidence: float | None = None, all_faces: bool = False, landmarks: bool = False,
    ) -> Item:  # fmt: skip
        """Find the faces in a picture and cut them out."""
        found = self._found(item, crops, landmarks, self.choice.updated(min_face, max_faces, confidence))
        return found._replace(all_faces=all_faces or self.all_faces)

    def _found(self, item: Any, crops: bool, landmarks: bool, choice: FaceChoice) -> Item:
        picture = read_picture(item, notes=(notes := list[str]()))
        if crops:
            made, face = self._prepare_crop(self.name_of(item), picture, notes)
            return made._replace(actions=self.landmarker.read(picture, [face])) if landmarks else made
        faces = (detector := choice.detector(self.detector)).find(picture)
        if isinstance(item, np.ndarray) and item.ndim == 3 and item.shape[2] > 1:
            warn_of_bgr(picture, faces if detector is self.detector else self.detector.find(picture), self.detector)
        faces, small, more = choice.split(faces)
        notes += choice.notes(small, more)
        crops_of_faces = [align(picture, face, self.settings) for face in faces]
        outlines = [outline(face, self.settings) for face in faces]
        boxes = [face.box for face in faces]
        qualities = [measure(picture, face, crop) for face, crop in zip(faces, crops_of_faces, strict=True)]
        actions = self.landmarker.read(picture, faces) if landmarks else ()
        return Item(
            self.name_of(item), crops_of_faces, boxes, notes, corners=outlines, qualities=qualities, actions=actions
        )

    def sure_of(self, samples: Sequence[np.ndarray], outputs: Outputs) -> np.ndarray:
        """The reliability of ready crops; see `Predictor.sure_of`."""
        if self.experts is not None or not (self._own and self.manifest.reliability.get("crop")):
            return outputs.sure  # nothing is measured that would not be used
        qualities = (self.judged(measure_crop(crop, crop), row) for crop, row in zip(samples, outputs.all, strict=True))
        return np.array([one.reliability for one in qualities], np.float32)

    def _prepare_crop(self, name: str, picture: np.ndarray, notes: list[str]) -> tuple[Item, Face]:
        """A ready crop as it is; or, where it is large and cut loosely, its face as it is cut out of photographs.

        Returns:
            The input, and the face; that of a crop as it is fills it.
        """
        height, width = picture.shape[:2]
        whole = (0.0, 0.0, float(width), float(height))
        corners: Corners = ((0.0, 0.0), (whole[2], 0.0), whole[2:], (0.0, whole[3]))
        large = min(height, width) > max(self.settings.source, _SOURCE)
        face = loose_face(picture, self.detector, self.settings) if large else None
        if face is not None:
            crop, corners = align(picture, face, self.settings), outline(face, self.settings)
            quality = measure(picture, face, crop)
        else:
            crop = prepare(picture, self.settings)
            quality = measure_crop(picture, crop)
        made = Item(name, [crop], [whole], notes, corners=[corners], qualities=[quality])
        return made, face or Face(whole, 1.0)

    def assemble(self, item: Item, outputs: Outputs) -> Result:
        """The result of a picture; each face with its quality, and where it was asked for what it does."""
        result = super().assemble(item, outputs)
        judged = map(self.judged, item.qualities, outputs.all)
        actions: Sequence[FaceAction | None] = item.actions or [None] * len(result.items)
        parts = zip(result.items, judged, actions, strict=True)
        faces = (replace(face, quality=quality, action=action) for face, quality, action in parts)
        return replace(result, items=tuple(faces), all_faces=item.all_faces)

    def occlude(self, item: Item, place: int) -> Occlusion:
        """A face with a gray patch over each of its regions."""

        def fields(shares: Sequence[float]) -> dict[str, Any]:
            return {"grid": tuple(map(tuple, spread(shares).tolist())), "corners": item.corners[place]}

        return Occlusion(hide(item.samples[place]), fields)

    def sample(self, item: Any) -> np.ndarray:
        """A ready crop as the network takes it, not cut again."""
        return prepare(read_picture(item), self.settings)

    def forward(self, samples: Sequence[np.ndarray], batch_size: int, groups: Sequence[str] | None = None) -> Outputs:
        """Probabilities of prepared crops, each of another person."""
        parts, given, done = [], [], 0
        for chunk in in_chunks(samples, batch_size):
            known = None if groups is None else groups[done : done + len(chunk)]
            given.append(self.classify(np.stack(chunk)))
            parts.append(self.select_experts(given[-1], np.arange(len(chunk)), known=known))
            done += len(chunk)
        return Outputs.of(np.concatenate(parts), all=np.concatenate(given))

    @property
    def gives_features(self) -> bool:
        """Whether it has :meth:`features`: of one network that tells them."""
        return self.experts is None and "features" in self._session.outputs
