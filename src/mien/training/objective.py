"""What training minimizes: for each sample the negative log-likelihood of its labels, summed over labels, or the EMOTIC
paper's squares; and how far its ratings are missed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mien.labels import LabelSpace, get_space, groups
from mien.training.heads import Head
from mien.training.ratings import Ratings
from mien.training.settings import DistillSettings, TrainSettings

_TINY = 1e-6
_UNSEEN = 1e-4  # weight of a label that no sample of the batch carries


def soft_loss(logits: Tensor, shares: Tensor) -> Tensor:
    """Cross-entropy with shares of votes (batch, labels), shape (batch,); 0 where a row of them is zeros."""
    return -(shares * logits.log_softmax(1)).sum(1)


def known_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of labels that can hold together, 0, 1 or NaN (batch, labels), over those known."""
    known = ~targets.isnan()
    wanted = torch.where(known, targets, 0.0)
    return (functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * known).sum(1)


def weighted_squares(logits: Tensor, targets: Tensor) -> Tensor:
    """The loss on labels of the EMOTIC papers (Kosti et al. 2017 and 2020), shape (batch,).

    Squared distance of a linear output from 0 or 1, each label weighed by 1 / ln(1.2 + its share in the batch); as in
    the authors' code a label that no sample of the batch carries weighs next to nothing. The output is ½ + logit / 4,
    which is the tangent of the sigmoid at 0: so what is learned are logits all the same.
    """
    shares = targets.mean(0)
    weights = torch.where(shares > 0, 1 / torch.log(1.2 + shares), _UNSEEN)
    return (weights * (0.5 + logits / 4 - targets) ** 2).sum(1)


@dataclass(frozen=True)
class Source:
    """One data set as the objective sees it.

    Attributes:
        space: its labels.
        weight: of its loss.
        members: for each of its labels the places of the network's labels that it gathers; None where the labels
            are the network's own.
        own: whether the network's own labels learn from it; else its further heads and ratings do alone.
    """

    space: LabelSpace
    weight: float = 1.0
    members: tuple[tuple[int, ...], ...] | None = None
    own: bool = True


def source(space: LabelSpace, network: LabelSpace, weight: float = 1.0, own: bool = True) -> Source:
    """How a data set with labels in *space* teaches a network with labels in *network*; *own* is `Source.own`.

    Raises:
        ValueError: there is no map from the network's labels to these.
    """
    if space.names == network.names:
        return Source(space, weight)
    if not own:
        return Source(space, weight, own=False)
    return Source(space, weight, tuple(map(tuple, groups(network, space))))


class Objective:
    """Loss per sample for logits (batch, labels) of any of the *sources*.

    Args:
        space: the network's labels.
        sources: the data sets, the network's own first.
        shares: share of each label in the training data, float (labels,), for class weights.
        heads: further label spaces; the network's own labels come first in its output.
        ratings: what is rated besides; their outputs come last.
    """

    def __init__(
        self,
        space: LabelSpace,
        sources: list[Source],
        train: TrainSettings,
        distill: DistillSettings,
        shares: np.ndarray,
        heads: Sequence[Head] = (),
        ratings: Ratings | None = None,
    ) -> None:
        self.multilabel, self.sources = space.multilabel, sources
        self.ratings = ratings or Ratings()
        self.label_loss, self.rating_loss = train.label_loss, train.rating_loss
        self.rating_margin = train.rating_margin
        self.rating_weight = (train.rating_weight if len(space) else 1.0) if len(self.ratings) else 0.0
        self.rollup = source(get_space(train.rollup_space), space, train.rollup_weight) if train.rollup_space else None
        self.labels, self.heads, self.heads_weight = len(space), tuple(heads), train.also_weight
        self.smoothing, self.distill = train.label_smoothing, distill
        self.label_weights: Tensor | None = None
        if train.class_weights:
            weights = np.where(shares > 0, 1 / np.sqrt(np.maximum(shares, 1e-4)), 0)  # 0: never to be said
            self.label_weights = torch.tensor(weights / np.average(weights, weights=shares), dtype=torch.float32)

    def __call__(
        self,
        output: Tensor,
        targets: Tensor,
        place: int = 0,
        teacher: Tensor | None = None,
        also: Mapping[str, Tensor] | None = None,
        rated: Tensor | None = None,
    ) -> Tensor:
        """Loss of each sample, shape (batch,).

        Args:
            output: logits (batch, labels, then those of the heads, then the ratings).
            targets: int64 (batch,) or float32 (batch, labels of the source).
            place: which source the batch comes from.
            teacher: probabilities (batch, labels) to follow besides; perhaps with those of the heads behind them.
            also: further label space → what is told of its labels, see :func:`mien.training.heads.head_targets`.
            rated: what the ratings should be (batch, ratings), from -1 to 1; NaN where not known.
        """
        source, logits = self.sources[place], output[:, : self.labels]
        hard = self._hard(logits, targets, source)
        share = 0.0 if teacher is None else self.distill.weight
        if teacher is not None:
            hard = (1 - share) * hard + share * self._followed(logits, teacher[:, : self.labels], self.multilabel)
        if self.rollup and source.own and source.members is None:
            hard = hard + self.rollup.weight * self._gathered(logits, self._coarse(targets), self.rollup)
        further = None if teacher is None or teacher.shape[1] == self.labels else teacher
        if self.heads and (also or further is not None):
            said = also or {}
            losses = sum(self._of_head(head, output, said.get(head.name), further, share) for head in self.heads)
            hard = (1 - self.heads_weight) * hard + self.heads_weight * losses / len(self.heads)
        if rated is not None and self.rating_weight:
            missed = self._missed(output[:, output.shape[1] - len(self.ratings) :], rated)
            hard = (1 - self.rating_weight) * hard + self.rating_weight * missed
        return source.weight * hard

    def _missed(self, given: Tensor, rated: Tensor) -> Tensor:
        """How far the ratings are missed, in shares of their scales, summed over those that are known; (batch,)."""
        known = ~rated.isnan()
        by = torch.where(known, given - torch.where(known, rated, 0.0), 0.0).abs() / 2
        if self.rating_loss == "smooth":  # L1, but squares within the margin (Girshick 2015)
            losses = functional.smooth_l1_loss(by, torch.zeros_like(by), beta=self.rating_margin, reduction="none")
        else:
            losses = torch.where(by < self.rating_margin, 0.0, by**2) if self.rating_loss == "margin" else by**2
        return losses.sum(1)

    def _hard(self, logits: Tensor, targets: Tensor, source: Source) -> Tensor:
        if not source.own:
            return logits.sum(1) * 0
        return self._own(logits, targets) if source.members is None else self._gathered(logits, targets, source)

    def _of_head(
        self, head: Head, output: Tensor, wanted: Tensor | None, teacher: Tensor | None, share: float
    ) -> Tensor:
        """The loss of a further head, shape (batch,); nothing where nothing is told of its labels."""
        logits, several = output[:, head.columns], head.space.multilabel
        loss = logits.sum(1) * 0
        if wanted is not None:
            loss = known_loss(logits, wanted) if several else soft_loss(logits, wanted)
        if teacher is None:
            return loss
        return (1 - share) * loss + share * self._followed(logits, teacher[:, head.columns], several)

    def _own(self, logits: Tensor, targets: Tensor) -> Tensor:
        if not self.multilabel:
            weights = None if self.label_weights is None else self.label_weights.to(logits)
            return functional.cross_entropy(
                logits, targets, weight=weights, label_smoothing=self.smoothing, reduction="none"
            )
        if self.label_loss == "squares":
            return weighted_squares(logits, targets)
        if not self.labels:
            return logits.sum(1)  # zeros: there is nothing to tell
        wanted = targets * (1 - self.smoothing) + self.smoothing * targets.mean(1, keepdim=True)
        losses = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        if self.label_weights is not None:
            losses = losses * torch.where(targets > 0, self.label_weights.to(logits), 1.0)
        return losses.sum(1)

    def _coarse(self, targets: Tensor) -> Tensor:
        """Targets of the network's own labels in the coarser space, float32 (batch, its labels)."""
        if targets.ndim == 1:
            targets = functional.one_hot(targets, self.labels).float()
        members = self.rollup.members if self.rollup and self.rollup.members else ()
        return torch.stack([targets[:, list(places)].sum(1).clamp(max=1) for places in members], 1)

    def _gathered(self, logits: Tensor, targets: Tensor, source: Source) -> Tensor:
        """The loss in the source's coarser space, through the network's probabilities rolled up to it."""
        members = [list(places) for places in source.members or () if places]
        kept = [index for index, places in enumerate(source.members or ()) if places]
        if targets.ndim == 1:
            targets = functional.one_hot(targets, len(source.space)).to(logits)
        wanted = targets[:, kept] * (1 - self.smoothing)
        if self.multilabel:
            none = functional.logsigmoid(-logits)
            absent = torch.stack([none[:, places].sum(1) for places in members], 1)
        else:
            probabilities = logits.softmax(1)
            absent = (1 - torch.stack([probabilities[:, places].sum(1) for places in members], 1)).clamp(_TINY).log()
        present = (1 - absent.exp()).clamp(_TINY, 1).log()
        return -(wanted * present + (1 - wanted) * absent).sum(1)

    def _followed(self, logits: Tensor, teacher: Tensor, multilabel: bool) -> Tensor:
        if multilabel:
            return functional.binary_cross_entropy_with_logits(logits, teacher, reduction="none").sum(1)
        heat = self.distill.temperature
        softened = (teacher.clamp(_TINY).log() / heat).softmax(1)
        return heat**2 * functional.cross_entropy(logits / heat, softened, reduction="none")
