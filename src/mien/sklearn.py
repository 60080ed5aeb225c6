"""mien as scikit-learn knows it: texts or pictures to features, and a classifier that trains by a recipe.

Both are cloned, searched over, put into pipelines and dumped with joblib as any estimator is. A joblib file is a
pickle, and loading a pickle runs what stands in it: load only files that you, or people you trust, have written.
Without scikit-learn the names are there, and say which extra to install when they are used.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import numpy as np

from mien import model as folders
from mien.compat.names import OldClassifier
from mien.datasets import Dataset
from mien.datasets.arrays import as_list, targets_of
from mien.datasets.splits import split_rows
from mien.errors import DataError, InputError, MienError, MissingExtra, ModelError, print_line, quoted, require
from mien.files import translate_os_errors
from mien.inputs import Kind, taken_for_path
from mien.modality import Predictor, get_modality, load, thresholds_of

_NAME = "memory"  # what data handed over in memory is called in a run folder and a manifest


def _missing(cls: type, *_: Any, **__: Any) -> Any:
    require("sklearn", "train")


_base: Any
try:
    _base = require("sklearn.base", "train")
except MissingExtra:
    _mixins = ("ClassNamePrefixFeaturesOutMixin", "TransformerMixin", "ClassifierMixin")
    _base = SimpleNamespace(
        **{name: type(name, (), {}) for name in _mixins}, BaseEstimator=type("_", (), {"__new__": _missing})
    )


class Embedder(_base.ClassNamePrefixFeaturesOutMixin, _base.TransformerMixin, _base.BaseEstimator):
    """Texts, or pictures of faces, to the features that a model's network makes of them, to learn other labels from.

    Nothing is learned in ``fit``. The settings are pickled, not the model: where it is unpickled, the same model must
    be there, as what was learned from one's features means nothing with another's.

    Args:
        model: name of a shipped model of faces or texts, or a model or run folder.
        batch_size: samples computed at once.
        threads: threads to compute with; by default as many as the process may use.

    Attributes:
        network_: sha256 of the network that was there in ``fit``.
    """

    def __init__(self, model: str | os.PathLike[str] = "face", *, batch_size: int = 64, threads: int | None = None):
        self.model = model
        self.batch_size = batch_size
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Load the model and look at the samples' number; learns nothing.

        Raises:
            InputError: no list of texts or pictures.
            ModelError: no such model, or it gives no features.
        """
        model = self._loaded()
        as_list(X, get_modality(model.manifest.modality).kind)
        self.network_ = _network(model)
        return self

    def transform(self, X: Any) -> np.ndarray:  # noqa: N803
        """Features of texts, or of ready crops, each of one face; none is looked for.

        Args:
            X: a list or one-dimensional array of texts; or of pictures: paths, files' bytes or uint8 arrays
                (height, width[, 3]), gray or RGB; or one uint8 array of pictures (n, height, width[, 3]).

        Returns:
            float32 (n, features), rows in the order of the samples.

        Raises:
            InputError: no list of texts or pictures, or one cannot be read; the message says which.
            ModelError: no such model, it gives no features, or it is another than in ``fit``.
        """
        model = self._loaded()
        samples = as_list(X, get_modality(model.manifest.modality).kind)
        if getattr(self, "network_", None) not in (None, _network(model)):
            raise ModelError(f"the model {str(self.model)!r} is another than it was in fit: fit again")
        return model.features(samples, self.batch_size)

    def _loaded(self) -> Predictor:
        folder = folders.find_model(self.model).resolve()
        stat = (folder / folders.MANIFEST).stat()
        model = _shared(folder, self.threads, (stat.st_mtime_ns, stat.st_size))
        if not model.gives_features:
            raise ModelError(f"the model {model.name} reads {model.manifest.modality} and gives no features")
        return model

    @property
    def _n_features_out(self) -> int:  # by which scikit-learn names the columns
        model = self._loaded()
        blank = "blank" if get_modality(model.manifest.modality).kind == "text" else np.zeros((48, 48), np.uint8)
        return int(model.features([blank]).shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = _tags(super().__sklearn_tags__())
        tags.requires_fit = False
        tags.transformer_tags.preserves_dtype = []
        return tags


class EmotionClassifier(OldClassifier, _base.ClassifierMixin, _base.BaseEstimator):
    """A classifier of texts or of ready crops of faces, trained by a recipe: the run that ``mien train`` makes.

    After ``fit`` it holds the files of the model folder themselves, so that pickled it can be moved to another
    machine. It predicts without torch.

    Args:
        recipe: name of a shipped recipe, or a YAML file. It says whether texts or pictures are read.
        settings: of the recipe, ``{"train.epochs": 3}`` or ``["train.epochs=3"]``.
        validation_fraction: share of the samples, stratified, that training does not learn from but stops and
            calibrates by.
        random_state: seed of that share and of the training; None for the recipe's seed.
        folder: where to keep the run folders, one for each ``fit``; None to keep none.
        batch_size: samples computed at once in prediction.
        threads: threads to predict with; by default as many as the process may use.
        verbose: whether training tells on standard error how it goes.

    Attributes:
        classes_: the labels in sorted order; with several labels at a time their names, in the order of y's columns.
        metrics_: figures on the validation share.
        model_files_: name → bytes of the model folder's files.
    """

    _predictor: Predictor | None = None  # loaded when it is first needed; never pickled

    def __init__(
        self,
        recipe: str | os.PathLike[str] = "text-linear",
        *,
        settings: Mapping[str, Any] | Sequence[str] = (),
        validation_fraction: float = 0.1,
        random_state: Any = None,
        folder: str | os.PathLike[str] | None = None,
        batch_size: int = 64,
        threads: int | None = None,
        verbose: bool = False,
    ):
        self.recipe = recipe
        self.settings = settings
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.folder = folder
        self.batch_size = batch_size
        self.threads = threads
        self.verbose = verbose

    @classmethod
    def from_model(cls, model: str | os.PathLike[str], *, name: str | None = None) -> Self:
        """A fitted classifier around a trained model, whose labels are its classes.

        Args:
            model: name of a shipped model, or a model or run folder. The weights for further training are left out.
            name: the model's name, if it is to have another.

        Raises:
            ModelError: no such model, or its folder is damaged.
        """
        files = _files(model, name)
        manifest = folders.Manifest.model_validate_json(files[folders.MANIFEST])
        _kind(manifest.modality)
        made = cls(manifest.training.get("recipe", manifest.modality))
        names = manifest.space.names if manifest.space.multilabel else sorted(manifest.space.names)
        made.classes_ = np.array(names, dtype=object)
        made.metrics_ = next(iter(manifest.metrics.values()), {})
        made.model_files_ = files
        return made

    def dump(self, path: str | os.PathLike[str]) -> None:
        """Write it into one file, as ``joblib.dump`` does; an earlier file is replaced once the new one is whole.

        Raises:
            MienError: the file cannot be written.
        """
        path = Path(path)
        with translate_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as scratch:
                require("joblib", "train").dump(self, Path(scratch) / path.name)  # which compresses by the name
                (Path(scratch) / path.name).replace(path)

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train.

        Args:
            X: n texts, or n pictures as :meth:`Embedder.transform` takes them.
            y: n labels, strings or whole numbers; or 0 and 1 of shape (n, labels) for several at a time.

        Raises:
            InputError: no list of texts or pictures, or one is unusable; the message says which.
            DataError: too few samples or labels to learn from, or the training cannot learn from them.
            RecipeError: the recipe or a setting is wrong.
            ValueError: X and y differ in length, or y holds no labels.
        """
        from mien.training.log import log_to
        from mien.training.recipe import load_recipe
        from mien.training.run import train

        settings = self._settings()
        recipe = load_recipe(_name(self.recipe), settings)
        kind = _kind(recipe.modality)
        inputs = as_list(X, kind)
        if (
            len(inputs) > 1
            and all(isinstance(item, str) and taken_for_path(item) for item in inputs)
            and kind == "text"
        ):
            raise InputError(f"the texts are names of files, such as {quoted(inputs[0])}: give what is in them")
        classes, space, targets = targets_of(y, inputs)
        inputs = [_usable(item, kind, place) for place, item in enumerate(inputs, 1)]
        if not 0 < self.validation_fraction < 1:
            raise DataError(f"validation_fraction must lie between 0 and 1, not {self.validation_fraction}")
        share = float(self.validation_fraction)
        split = split_rows(targets, (1 - share, share, 0), recipe.train.seed)
        if not (split == "val").any():
            raise DataError(f"{len(inputs)} samples leave none to validate on: give more, or raise validation_fraction")
        data = Dataset(_NAME, recipe.modality, space, inputs, targets, split)
        with self._run_folder(recipe.name) as folder:
            with log_to(_tell) if self.verbose else contextlib.nullcontext():
                run = train(_name(self.recipe), data, folder, settings=settings, report=self.folder is not None)
            self.model_files_ = _files(run.folder)
        self.classes_, self.metrics_ = classes, run.metrics
        self._predictor = self._opened()
        return self

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The strongest label of each sample, shape (n,); with several at a time 0 or 1, shape (n, labels).

        Raises:
            NotFittedError: before ``fit``.
            InputError: no list of texts or pictures, or one is unusable; the message says which.
        """
        manifest = self.predictor.manifest
        inputs = as_list(X, _kind(manifest.modality)) if manifest.language_thresholds else X  # read twice then
        probabilities, space = self.predict_proba(inputs), manifest.space
        if space.multilabel:
            names = [space[name].name for name in map(str, self.classes_)]  # found by alias too
            limits = thresholds_of(self.predictor, inputs, space.name, names, manifest.thresholds)
            return (probabilities >= limits.astype(np.float32)).astype(np.int64)
        return np.asarray(self.classes_[probabilities.argmax(1)])

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """Probabilities, float32 (n, labels), columns in the order of ``classes_``.

        With one label at a time a row adds up to 1.

        Raises:
            NotFittedError: before ``fit``.
            InputError: no list of texts or pictures, or one is unusable; the message says which.
        """
        model = self.predictor
        inputs = as_list(X, _kind(model.manifest.modality))
        columns = [model.space.index(name) for name in map(str, self.classes_)]
        return model.predict_proba(inputs, self.batch_size)[:, columns]

    @property
    def predictor(self) -> Predictor:
        """The trained model, as :func:`mien.load` gives it.

        Raises:
            NotFittedError: before ``fit``.
        """
        require("sklearn.utils.validation", "train").check_is_fitted(self)
        if self._predictor is None:
            self._predictor = self._opened()
        return self._predictor

    def _opened(self) -> Predictor:
        with tempfile.TemporaryDirectory() as scratch:  # loaded for good: nothing is read from it later
            for name, content in self.model_files_.items():
                (Path(scratch) / name).write_bytes(content)
            return load(scratch, threads=self.threads)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key != "_predictor"}

    def __sklearn_tags__(self) -> Any:
        tags = _tags(super().__sklearn_tags__())
        tags.classifier_tags.multi_label = True
        return tags

    def _settings(self) -> list[str]:
        if isinstance(given := self.settings, str):
            raise DataError(f"settings is a list or a mapping, such as [{given!r}]")
        lines = [f"{key}={json.dumps(value)}" for key, value in given.items()] if isinstance(given, Mapping) else given
        from mien.training.recipe import for_one_set

        return [*lines, *for_one_set(_name(self.recipe)), *self._seed()]

    def _seed(self) -> list[str]:
        if self.random_state is None:
            return []
        if isinstance(self.random_state, int | np.integer):
            return [f"train.seed={int(self.random_state)}"]
        state = require("sklearn.utils", "train").check_random_state(self.random_state)
        return [f"train.seed={state.randint(2**31)}"]

    @contextlib.contextmanager
    def _run_folder(self, name: str) -> Iterator[Path]:
        if self.folder is None:
            with tempfile.TemporaryDirectory() as scratch:
                yield Path(scratch) / "run"
            return
        for number in count(1):  # searches fit several at once: who makes the folder has it
            folder = Path(self.folder) / f"{name}-{number}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                continue
            except OSError as error:
                raise MienError(f"cannot write the run folder {folder}: {error.strerror or error}") from error
            yield folder
            return


def _tags(tags: Any) -> Any:
    """What inputs are: lists, or stacks of pictures."""
    tags.input_tags.two_d_array = False
    tags.input_tags.one_d_array = tags.input_tags.three_d_array = tags.input_tags.string = True
    return tags


def _name(recipe: str | os.PathLike[str]) -> str | Path:
    return recipe if isinstance(recipe, str) else Path(recipe)


def _kind(modality: str) -> Kind:
    """Of the inputs of a modality: texts, or pictures that are one sample each."""
    found = get_modality(modality)
    if found.kind not in ("text", "picture") or not found.default:
        raise ModelError(f"EmotionClassifier reads texts and faces, not {modality}")
    return found.kind


def _tell(line: str) -> None:
    import sys

    print_line(line, sys.stderr)


@lru_cache(maxsize=4)
def _shared(folder: Path, threads: int | None, stamp: tuple[int, int]) -> Predictor:
    """A loaded model, one for all clones of an estimator; *stamp* tells whether the folder was written anew."""
    return load(folder, threads=threads)


def _network(model: Predictor) -> str:
    return model.manifest.files[folders.NETWORK].sha256


def _files(model: str | os.PathLike[str], name: str | None = None) -> dict[str, bytes]:
    """The files of a checked model folder without its weights, by name."""
    from mien.training.publish import publish

    with tempfile.TemporaryDirectory() as scratch:
        folder = publish(Path(model), Path(scratch) / "model", name=name, weights=False)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _usable(item: Any, kind: Kind, place: int) -> Any:
    """A text, or a path or pixels, that training can read; raises InputError: it cannot, with its place."""
    from mien.media.images import picture_size, read_picture
    from mien.modalities.text import EMPTY
    from mien.modalities.text.preprocess import clean

    try:
        if kind == "text":
            if not isinstance(item, str):
                raise InputError(f"text expected, got {type(item).__name__}")
            if not clean(item):
                raise InputError(EMPTY)
            return item
        if isinstance(item, str | os.PathLike):
            picture_size(Path(item))
            return str(item)
        picture = read_picture(item)
        return item if isinstance(item, np.ndarray) and item.ndim == 2 else picture
    except InputError as error:
        raise InputError(f"input {place}: {error}") from None
