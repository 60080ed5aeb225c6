"""The validation data of all data sets together, each counting alike: what further heads are calibrated and tuned on.

The shares of labels on one data set, such as how often a comment is neutral, are those of where it was collected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.datasets import Dataset
from mien.evaluation.evaluate import rollup_probabilities
from mien.labels import MAPS, LabelSpace, get_space
from mien.modality import Sampler
from mien.training.certainty import choose_certainty
from mien.training.heads import head_targets
from mien.training.thresholds import named_thresholds

if TYPE_CHECKING:
    from mien.model import CertaintyEntry, Manifest
    from mien.training.export import HeadScale
    from mien.training.ngrams import NGrams
    from mien.training.package import Fitted
    from mien.training.settings import ExportSettings

EACH = 1000  # samples of each data set
FEWEST = 5  # samples of a language with a label by which its threshold there is chosen


def mixture(parts: Sequence[Dataset], space: LabelSpace, same: bool = False) -> tuple[list[np.ndarray], np.ndarray]:
    """Which samples tell something in a label space: all of a single data set, up to `EACH` of each of several.

    Args:
        same: only data sets that are labeled in that very space.

    Returns:
        The rows of each part, int64, and what they tell one after the other, float32 (n, labels); see
        :func:`mien.training.heads.head_targets`.
    """
    rows, found = [], [np.zeros((0, len(space)), np.float32)]
    for part in parts:
        said = None if same and part.space.names != space.names else head_targets(part, space)
        known = np.zeros(0, np.int64) if said is None else np.flatnonzero(_known(said, space))
        if len(parts) > 1:
            known = np.sort(np.random.default_rng(0).permutation(known)[:EACH])
        rows.append(known)
        if said is not None:
            found.append(said[known])
    return rows, np.concatenate(found)


def _known(said: np.ndarray, space: LabelSpace) -> np.ndarray:
    return np.asarray(~np.isnan(said).all(1) if space.multilabel else said.any(1))


def scale_head(
    logits: np.ndarray, said: np.ndarray, multilabel: bool, ngrams: NGrams | None = None, more: np.ndarray | None = None
) -> HeadScale:
    """How the logits of a head become probabilities that hold.

    Of one label at a time by a temperature (Guo et al. 2017), of several by a scale and a bias for each (Platt 1999).

    Args:
        logits: float (n, labels).
        said: see :func:`mien.training.heads.head_targets`.
        ngrams, more: a model that is added where several labels can hold, and its logits of the same samples.
    """
    from mien.training.calibrate import fit_platts, fit_temperature
    from mien.training.export import HeadScale

    labels = logits.shape[1]
    scale, bias, runs = (np.full(labels, value, np.float32) for value in (1, 0, 0))
    if not multilabel:
        scale /= np.float32(fit_temperature(logits, said.argmax(1)))
        return HeadScale(multilabel, scale, bias)
    models = [logits] if more is None else [logits, more]
    for place in range(labels):
        known = ~np.isnan(said[:, place])
        found = np.stack([one[known, place] for one in models], 1)
        (scale[place], *others), bias[place] = fit_platts(found, said[known, place] > 0)
        runs[place] = sum(others)
    return HeadScale(multilabel, scale, bias, runs, ngrams) if ngrams else HeadScale(multilabel, scale, bias)


@dataclass(frozen=True)
class MixtureAnswers:
    """What the exported network says of the validation samples of each data set.

    Attributes:
        answers: of each part, float32 (n, columns of the output "probabilities").
    """

    manifest: Manifest
    parts: Sequence[Dataset]
    answers: Sequence[np.ndarray]

    def of(self, space: LabelSpace) -> tuple[np.ndarray, np.ndarray, list[int]]:
        """Of the samples that tell something in a space: the answers in it, what is told, and how many of each part."""
        own = space.name == self.manifest.labels.space  # which no coarser label tells
        rows, said = mixture(self.parts, space, own)
        taken = [self._in(space, part[some]) for part, some in zip(self.answers, rows, strict=True)]
        return np.concatenate(taken), said, [len(some) for some in rows]

    def take(self, rows: Sequence[np.ndarray]) -> MixtureAnswers:
        """The same of some samples of each part."""
        parts = [part.take(some) for part, some in zip(self.parts, rows, strict=True)]
        answers = [part[some] for part, some in zip(self.answers, rows, strict=True)]
        return MixtureAnswers(self.manifest, parts, answers)

    def _in(self, space: LabelSpace, answers: np.ndarray) -> np.ndarray:
        """The columns of the space, or the model's own labels rolled up to it."""
        columns, own = self.manifest.columns(space.name), self.manifest.space
        return rollup_probabilities(answers[:, : len(own)], own, space) if columns is None else answers[:, columns]


def mixture_answers(fitted: Fitted, manifest: Manifest, network: Path) -> MixtureAnswers:
    """Ask the exported network about the validation samples of all data sets."""
    from mien.training.proof import run_network

    parts = fitted.mixture
    return MixtureAnswers(manifest, parts, [run_network(network, fitted.sampler, part.inputs) for part in parts])


def head_thresholds(mixed: MixtureAnswers) -> dict[str, dict[str, float]]:
    """For each head in which several labels can hold, the thresholds of highest expected F1 on the mixture."""
    found = {}
    for entry in mixed.manifest.heads:
        if entry.multilabel:
            answers, said, _ = mixed.of(entry.as_space())
            found[entry.space] = named_thresholds(entry.names, said, answers)
    return found


def language_thresholds(mixed: MixtureAnswers, sampler: Sampler) -> dict[str, dict[str, dict[str, float]]]:
    """The same for each language that the sampler finds: how often a label holds differs, and how well it is told.

    Returns:
        Head → language → label → threshold, of labels that `FEWEST` validation samples of that language have, and some
        have not.
    """
    found: dict[str, dict[str, dict[str, float]]] = {}
    heads = [entry for entry in mixed.manifest.heads if entry.multilabel]
    spoken = [np.array([language or "" for language in sampler.languages(part.inputs)]) for part in mixed.parts]
    languages = sorted({language for of in spoken for language in of} - {""})
    for language in languages if len(languages) > 1 else ():
        some = mixed.take([np.flatnonzero(of == language) for of in spoken])
        for entry in heads:
            answers, said, _ = some.of(entry.as_space())
            chosen = named_thresholds(entry.names, said, answers)
            enough = ((said > 0).sum(0) >= FEWEST) & (said == 0).any(0)
            kept = {name: chosen[name] for name, is_told in zip(entry.names, enough, strict=True) if is_told}
            if kept:
                found.setdefault(entry.space, {})[language] = kept
    return found


def certainties(mixed: MixtureAnswers, settings: ExportSettings) -> dict[str, CertaintyEntry]:
    """When answers are sure: in the model's own labels, in those of its heads, and in the coarser ones they lead to."""
    own = mixed.manifest.space
    coarser = [get_space(target).as_multilabel(own.multilabel) for source, target in MAPS if source == own.name]
    spaces = [*([own] if len(own) else []), *coarser]
    heads = [entry.as_space() for entry in mixed.manifest.heads]
    found = {}
    for name, space in {space.name: space for space in (*spaces, *heads)}.items():
        scores, said, sizes = mixed.of(space)
        if not space.multilabel:  # of shares of votes, the largest is right
            said = np.asarray((said == said.max(1, keepdims=True)) & (said > 0), np.float32)
        weights = np.concatenate([np.full(size, 1 / max(size, 1)) for size in sizes])
        names = [part.name for part, size in zip(mixed.parts, sizes, strict=True) if size]
        entry = choose_certainty(scores, said, weights, settings.sure_rate, settings.coverage, names)
        if entry is not None:
            found[name] = entry
    return found
