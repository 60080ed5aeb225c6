"""Settings of a recipe: what a training run can be told, each with its default and its bounds. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from mien.errors import ModelError
from mien.modalities.text.tokenizer import TokenizerSettings
from mien.modality import get_modality


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class DistillSettings(_Strict):
    """Learning from the probabilities of a teacher besides the labels (Hinton et al. 2015).

    Attributes:
        teacher: a model or run folder; several, separated by commas, are averaged. "" for none.
        about: which data sets it is asked about: the "first", or "all". In the further label spaces
            it is followed too, where all teachers answer in all of them.
        weight: share of the loss that follows the teacher.
        temperature: how much the teacher's probabilities are softened (one label at a time).
    """

    teacher: str = ""
    about: Literal["first", "all"] = "first"
    weight: float = Field(0.5, ge=0, le=1)
    temperature: float = Field(1.0, gt=0)


class TrainSettings(_Strict):
    """The loop.

    Attributes:
        epochs: passes over the training data, at most; 0 for what ``head_start`` makes, with no learning after it.
        batch_size: samples a step, over all devices together.
        learning_rate: its peak; ``head_rate`` times as much for the head.
        block_rate: each block of the network below the top one learns at so many times the rate of the one above it
            (Howard & Ruder 2018); for networks that tell their blocks.
        head_epochs: epochs at first in which the head alone learns and the blocks stay as they are, so that a new
            head does not spoil what pretrained weights know. The schedule is gone through once for these and once
            for the others.
        top_blocks: how many blocks, counted from the top, learn after that; the others stay as they are. None: all.
        keep_norms: whether the means and spreads of batch norms stay those of the pretrained weights: they are better
            than what batches of a few hundred samples tell.
        schedule: by the step "onecycle" (up, then down by a cosine; Smith 2018), "linear" (up, then straight down) or
            "constant"; by the epoch "cosine" (down to nothing), "exponential" (times ``decay`` after each), "step"
            (times ``decay`` after every ``decay_epochs``) or "plateau" (times ``decay`` after ``decay_epochs`` without
            a better ``monitor`` figure).
        warmup: share of the steps that lead up to the peak; of "onecycle" and "linear".
        decay: what the rate is multiplied by, see ``schedule``.
        decay_epochs: after how many epochs; for "plateau" less than ``patience``.
        weight_decay: AdamW's (Loshchilov & Hutter 2019); none on biases and norms.
        label_smoothing: share of a label's certainty spread over the others (Szegedy et al. 2016).
        class_weights: weigh labels by 1 / sqrt(their share), so that rare ones count more.
        start: a run or model folder with ``weights.safetensors`` to go on from; "" for the network's own start.
        also: further label spaces; the network gets a head for each, which learns from every data set that is labeled
            in its space (such as fer2013 in "ferplus8", ten people's votes: from their shares), or whose labels a map
            leads there. With such heads, data sets in other labels than the first teach these alone.
        also_multilabel: those of them in which several labels can hold at once.
        also_weight: share of the loss on those heads together.
        ratings: what the network rates besides, such as valence: learned from every data set that has it. Without any
            named, all that the first data set has.
        label_loss: of several labels at a time: "likelihood", or "squares", the EMOTIC papers' weighted squares.
        rating_loss: of ratings such as valence, in shares of their scale: "squares"; "margin", squares but nothing
            within ``rating_margin``; or "smooth", the distance itself but squares within the margin.
        rating_weight: share of the loss that goes by the ratings, where there are labels too.
        head_start: whether the head begins as the ridge regression of the ratings on the features that the network
            has from its pretrained weights (Hoerl & Kennard 1970), instead of from nothing.
        mixup: a batch is mixed with itself shuffled, by a share from Beta(mixup, mixup) (Zhang et al. 2018); 0: never.
        ema: what is validated and kept is the running mean of the weights, with this decay a step (less
            in the first steps); 0 for the weights themselves.
        rollup_space, rollup_weight: a coarser space in which samples with the network's own labels count too, through
            the rolled-up probabilities, and with what weight; "" for none.
        clip: largest norm of the gradient.
        mix_weight: weight of the loss on the data sets after the first, one number for all or one for each.
        mix_space: the space in which data sets with other labels than the first are learned from: the network's
            probabilities are rolled up to it. "" for each set's own space.
        monitor: what early stopping and the kept checkpoint go by, on validation data.
        patience: epochs without a better figure before it stops; those of ``head_epochs`` do not count.
        precision: Lightning's: "32-true", "bf16-mixed", "16-mixed" (GPU).
        accelerator, devices: Lightning's: "auto", "cpu", "gpu"; more than one device trains with DDP.
    """

    epochs: int = Field(10, ge=0)
    batch_size: int = Field(64, ge=1)
    learning_rate: float = Field(3e-3, gt=0)
    head_rate: float = Field(1.0, gt=0)
    block_rate: float = Field(1.0, gt=0, le=1)
    head_epochs: int = Field(0, ge=0)
    top_blocks: int | None = Field(None, ge=0)
    keep_norms: bool = False
    schedule: Literal["onecycle", "linear", "constant", "cosine", "exponential", "step", "plateau"] = "onecycle"
    warmup: float = Field(0.2, ge=0, lt=1)
    decay: float = Field(0.5, gt=0, lt=1)
    decay_epochs: int = Field(2, ge=1)
    weight_decay: float = Field(0.01, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: bool = False
    start: str = ""
    also: list[str] = []
    also_multilabel: list[str] = []
    also_weight: float = Field(0.5, ge=0, lt=1)
    ratings: list[str] = []
    label_loss: Literal["likelihood", "squares"] = "likelihood"
    rating_loss: Literal["squares", "margin", "smooth"] = "squares"
    rating_margin: float = Field(0.1, gt=0, lt=1)
    rating_weight: float = Field(0.5, ge=0, le=1)
    head_start: bool = False
    mixup: float = Field(0.0, ge=0)
    ema: float = Field(0.0, ge=0, lt=1)
    rollup_space: str = ""
    rollup_weight: float = Field(0.5, ge=0)
    clip: float = Field(1.0, gt=0)
    mix_weight: Annotated[float, Field(ge=0)] | list[Annotated[float, Field(ge=0)]] = 0.5
    mix_space: str = ""
    monitor: Literal["val_loss", "val_accuracy", "val_macro_f1", "val_map", "val_pearson"] = "val_accuracy"
    patience: int = Field(3, ge=1)
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = Field(1, ge=1)
    seed: int = Field(0, ge=0)


class SearchSettings(_Strict):
    """How networks that learn all at once choose among settings that are given as lists.

    Attributes:
        folds: parts that the training data is cut into, each held out once; stratified by label, and where the data set
            has a group (``Dataset.group``) with whole groups in each. 0: they are chosen on the validation data.
        repeats: how often that is done, each time with other parts; the figures are averaged.
        by: the figure that is made large; "likelihood" is the mean logarithm of the probability of what is true.
        hold_out: whether a data set without splits gives up a tenth for validation and a tenth for tests; else all of
            it is learned from, and the figures are those of the folds.
        jobs: how many fits run at once, each on one thread; never more than there are cores to use.
    """

    folds: int = Field(5, ge=0)
    repeats: int = Field(1, ge=1)
    by: Literal["accuracy", "macro_f1", "likelihood"] = "accuracy"
    hold_out: bool = True
    jobs: int = Field(1, ge=1)

    @field_validator("folds")
    @classmethod
    def _is_no_single_fold(cls, value: int) -> int:
        if value == 1:
            raise ValueError("one fold leaves nothing to learn from; 0 chooses on the validation data")
        return value


class ExportSettings(_Strict):
    """The model folder.

    Attributes:
        quantize: "int8" keeps the large weights in 8 bits, "none" keeps them as trained.
        tolerance: largest difference allowed between a probability of the network and of ``model.onnx``.
        quantize_tolerance: largest loss of the monitored figure on validation data that int8 may cost.
        calibrate: divide the logits by the temperature that makes the validation probabilities most likely
            (Guo et al. 2017).
        weights: whether ``weights.safetensors`` goes into the folder; "half": with large weights in 16-bit floats.
        sure_rate: share of its sure answers that shall be right, from which validation data give the threshold below
            which an answer is "unsure"; 0: the model states none.
        coverage: share of the samples whose set of labels shall hold a right one.
        hashed_ngrams: into how many buckets the runs of tokens are hashed from which a linear model learns besides, for
            the further label spaces in which several can hold (text); 0 for no such model.
    """

    quantize: Literal["none", "int8"] = "none"
    tolerance: float = Field(1e-4, gt=0)
    quantize_tolerance: float = Field(0.01, ge=0)
    calibrate: bool = True
    weights: bool | Literal["half"] = True
    sure_rate: float = Field(0.0, ge=0, lt=1)
    coverage: float = Field(0.9, gt=0, lt=1)
    hashed_ngrams: int = Field(0, ge=0, le=1 << 22)


class ExpertsSettings(_Strict):
    """One network for each group of people, and what picks among them (faces and clips).

    Attributes:
        by: a column of the data set; each of its values in the training split gets an expert, trained on its samples
            alone. "" for one network for all.
        chooser: what picks the expert of a face, or of a person in a clip: "learned", a small network trained on the
            same crops; "deepface", that package, which is imported to predict; or "known", for whoever knows the group
            when asking: without being told, the experts' probabilities are averaged.
        chooser_epochs: epochs of training the learned chooser.
    """

    by: str = ""
    chooser: Literal["known", "learned", "deepface"] = "learned"
    chooser_epochs: int = Field(8, ge=1)


class NetworkSettings(BaseModel):
    """Which network; its further keys are checked by the network's own ``Settings``."""

    model_config = ConfigDict(extra="allow")
    kind: str

    @property
    def options(self) -> dict[str, Any]:
        """The keys besides ``kind``."""
        return dict(self.model_extra or {})


class Recipe(_Strict):
    """All that a training run takes besides the data. ``preprocess`` and ``augment`` are those of the modality.

    Attributes:
        internal: whether it is a step of making what ships, which ``mien train list`` shows with ``--all`` alone.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")  # as in a manifest
    modality: str = "text"
    summary: str = ""
    internal: bool = False
    preprocess: dict[str, Any] = {}
    augment: dict[str, Any] = {}
    tokenizer: TokenizerSettings = TokenizerSettings()
    network: NetworkSettings
    distill: DistillSettings = DistillSettings()
    train: TrainSettings = TrainSettings()
    experts: ExpertsSettings = ExpertsSettings()
    search: SearchSettings = SearchSettings()
    export: ExportSettings = ExportSettings()

    @field_validator("modality")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            return get_modality(value).name
        except ModelError as error:
            raise ValueError(str(error)) from None
