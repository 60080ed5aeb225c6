"""Label spaces and the maps between them. Labels are data: no class of mien spells one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property


@dataclass(frozen=True)
class Emotion:
    """One label: its name, an emoji, a colour (#rrggbb) and other names it goes by."""

    name: str
    emoji: str = "🏷️"
    color: str = "#8a8f98"
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelSpace:
    """An ordered set of labels.

    Attributes:
        name: such as "ekman7".
        labels: the emotions in the order of a model's outputs. Where several can hold at once there may be none: such
            a space is for what only has ratings, such as valence and arousal.
        multilabel: whether several labels can hold at once.
    """

    name: str
    labels: tuple[Emotion, ...]
    multilabel: bool = False
    _lookup: dict[str, int] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        if not self.labels and not self.multilabel:
            raise ValueError(f"label space {self.name} has no labels")
        for index, emotion in enumerate(self.labels):  # names first: an alias never hides a name
            if self._lookup.setdefault(_key(emotion.name), index) != index:
                raise ValueError(f"label space {self.name} has {emotion.name!r} twice")
        for index, emotion in enumerate(self.labels):
            for alias in emotion.aliases:
                self._lookup.setdefault(_key(alias), index)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The label names, in order."""
        return tuple(emotion.name for emotion in self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Emotion]:
        return iter(self.labels)

    def __contains__(self, label: object) -> bool:
        return isinstance(label, str) and _key(label) in self._lookup

    def index(self, label: str) -> int:
        """Place of a label, found by name or alias, whatever its case.

        Raises:
            KeyError: the space has no such label; the message names those it has.
        """
        try:
            return self._lookup[_key(label)]
        except KeyError:
            raise KeyError(f"label {label!r} is not in {self.name}: {', '.join(self.names)}") from None

    def __getitem__(self, label: str) -> Emotion:
        return self.labels[self.index(label)]

    def as_multilabel(self, multilabel: bool) -> LabelSpace:
        """The same labels, several at a time or one at a time."""
        return self if multilabel == self.multilabel else replace(self, multilabel=multilabel)


def _key(label: str) -> str:
    return label.strip().casefold().replace("_", " ").replace("-", " ")


# name: emoji, colour, aliases. Colours are told apart in a chart: warm for joy, red for anger, blue for sadness,
# violet for fear, green for disgust, teal for surprise, grey for neutral.
_CATALOGUE: dict[str, tuple[str, str, str]] = {
    "admiration": ("🤩", "#f2a541", "esteem"),
    "affection": ("🥰", "#ef7fa5", ""),
    "amusement": ("😂", "#f6c244", "fun"),
    "anger": ("😠", "#d7433b", "angry mad rage"),
    "angry": ("😠", "#d7433b", "anger mad rage"),
    "annoyance": ("😒", "#e07a5f", "annoyed"),
    "anticipation": ("🤞", "#c9a227", ""),
    "approval": ("👍", "#a3b54d", ""),
    "aversion": ("🤮", "#4f8a3c", ""),
    "calm": ("😌", "#8fb8a8", ""),
    "caring": ("🤗", "#f19cbb", ""),
    "confidence": ("😎", "#b8860b", ""),
    "confusion": ("😕", "#6fb7b0", "confused"),
    "contempt": ("😤", "#9c6b30", "contemptuous"),
    "curiosity": ("🤔", "#4fb0c6", "curious"),
    "desire": ("😍", "#e8657f", ""),
    "disappointment": ("😞", "#6d8fc9", "disappointed"),
    "disapproval": ("👎", "#c4584a", ""),
    "disconnection": ("😶", "#a0a0b0", ""),
    "disgust": ("🤢", "#5c9a3d", "disgusted"),
    "disquietment": ("😟", "#8d7bbd", ""),
    "doubt/confusion": ("😕", "#6fb7b0", "doubt confusion"),
    "embarrassment": ("😳", "#b08fc7", "embarrassed"),
    "engagement": ("🧐", "#4d9bd6", ""),
    "esteem": ("🙌", "#f2a541", ""),
    "excitement": ("🤗", "#ff9f1c", "excited"),
    "fatigue": ("😴", "#8d99ae", ""),
    "fear": ("😨", "#7d5ba6", "fearful scared afraid"),
    "fearful": ("😨", "#7d5ba6", "fear scared afraid"),
    "gratitude": ("🙏", "#e9b44c", "grateful"),
    "grief": ("😭", "#34558b", ""),
    "happiness": ("😄", "#f7b32b", "happy joy joyful"),
    "happy": ("😄", "#f7b32b", "happiness joy joyful"),
    "joy": ("😄", "#f7b32b", "happy happiness joyful"),
    "love": ("❤️", "#e75480", "loving"),
    "nervousness": ("😰", "#9a7fc0", "nervous"),
    "neutral": ("😐", "#9aa0a6", "normal none"),
    "optimism": ("🤞", "#dcc34a", "optimistic"),
    "pain": ("😣", "#a44a3f", ""),
    "peace": ("☮️", "#8fc1a9", ""),
    "pleasure": ("😊", "#f4b942", ""),
    "pride": ("😌", "#d99a2b", "proud"),
    "realization": ("💡", "#7cc0d8", ""),
    "relief": ("😅", "#c8b560", "relieved"),
    "remorse": ("😔", "#51709f", ""),
    "sad": ("😢", "#3f72af", "sadness sorrow"),
    "sadness": ("😢", "#3f72af", "sad sorrow"),
    "sensitivity": ("🥺", "#d8a1c4", ""),
    "suffering": ("😖", "#5b4b8a", ""),
    "surprise": ("😲", "#2a9d8f", "surprised shock astonishment"),
    "surprised": ("😲", "#2a9d8f", "surprise shock astonishment"),
    "sympathy": ("🫂", "#b5838d", ""),
    "yearning": ("💭", "#c08497", ""),
}

_ALIASES: dict[str, str] = {a: name for name, (_, _, aliases) in _CATALOGUE.items() for a in aliases.split()}


def emotion(name: str) -> Emotion:
    """The emotion of that name from the catalogue (by name, then alias), or a plain one for a name of your own."""
    key = _key(name)
    known = key if key in _CATALOGUE else _ALIASES.get(key)
    if known is None:
        return Emotion(name)
    emoji, color, aliases = _CATALOGUE[known]
    return Emotion(name, emoji, color, tuple(aliases.split()))


def make_space(name: str, labels: Sequence[str], multilabel: bool = False) -> LabelSpace:
    """A label space of your own, or of a data set: known names keep their emoji, colour and aliases.

    Raises:
        ValueError: no labels, unless several can hold at once; or one twice.
    """
    return LabelSpace(name, tuple(emotion(label) for label in labels), multilabel)


_GOEMOTIONS = (
    "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval "
    "disgust embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief "
    "remorse sadness surprise neutral"
)
_EMOTIC = (
    "affection anger annoyance anticipation aversion confidence disapproval disconnection disquietment doubt/confusion "
    "embarrassment engagement esteem excitement fatigue fear happiness pain peace pleasure sadness sensitivity "
    "suffering surprise sympathy yearning"
)

#: The spaces that data sets and models share, in the label order their authors published.
SPACES: dict[str, LabelSpace] = {
    space.name: space
    for space in (
        make_space("carer6", ["sadness", "joy", "love", "anger", "fear", "surprise"]),
        make_space("ekman7", ["anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral"]),
        make_space("fer7", ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]),
        make_space("ferplus8", ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"]),
        make_space("ravdess8", ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"]),
        make_space("goemotions28", _GOEMOTIONS.split(), multilabel=True),
        make_space("emotic26", _EMOTIC.split(), multilabel=True),
        make_space("affect", [], multilabel=True),  # ratings alone
    )
}

_SAME = {
    "angry": "anger",
    "happy": "joy",
    "happiness": "joy",
    "sad": "sadness",
    "fearful": "fear",
    "surprised": "surprise",
}


def _to_ekman(space: str, **others: str) -> dict[str, tuple[str, ...]]:
    groups: dict[str, list[str]] = {label: [] for label in SPACES["ekman7"].names}
    for name in SPACES[space].names:
        groups[others.get(name) or _SAME.get(name, name)].append(name)
    return {label: tuple(members) for label, members in groups.items()}


#: (from, to) → coarser label → the finer labels it gathers. The GoEmotions → Ekman table is the data set's own.
MAPS: dict[tuple[str, str], dict[str, tuple[str, ...]]] = {
    ("goemotions28", "ekman7"): {
        "anger": ("anger", "annoyance", "disapproval"),
        "disgust": ("disgust",),
        "fear": ("fear", "nervousness"),
        "joy": (
            "joy",
            "amusement",
            "approval",
            "excitement",
            "gratitude",
            "love",
            "optimism",
            "relief",
            "pride",
            "admiration",
            "desire",
            "caring",
        ),
        "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
        "surprise": ("surprise", "realization", "confusion", "curiosity"),
        "neutral": ("neutral",),
    },
    ("goemotions28", "carer6"): {
        "sadness": ("sadness", "disappointment", "embarrassment", "grief", "remorse"),
        "joy": ("joy", "amusement", "approval", "excitement", "gratitude", "optimism", "relief", "pride", "admiration"),
        "love": ("love", "caring", "desire"),
        "anger": ("anger", "annoyance", "disapproval"),
        "fear": ("fear", "nervousness"),
        "surprise": ("surprise", "realization", "confusion", "curiosity"),
    },
    ("carer6", "ekman7"): _to_ekman("carer6", love="joy"),
    ("fer7", "ekman7"): _to_ekman("fer7"),
    ("ferplus8", "ekman7"): _to_ekman("ferplus8", contempt="disgust"),
    ("ravdess8", "ekman7"): _to_ekman("ravdess8", calm="neutral"),
}


def get_space(space: str | LabelSpace) -> LabelSpace:
    """A space by name, or the space itself.

    Raises:
        KeyError: there is no such space; the message names those there are.
    """
    if isinstance(space, LabelSpace):
        return space
    try:
        return SPACES[space]
    except KeyError:
        raise KeyError(f"no label space {str(space)[:80]!r}; there are: {', '.join(SPACES)}") from None


def groups(source: str | LabelSpace, target: str | LabelSpace) -> list[list[int]]:
    """For each label of *target*, the places of the labels of *source* that it gathers (perhaps none).

    By the table in ``MAPS``; labels of one's own, such as those of a CSV file, also by name or alias where *target*
    has them all.

    Raises:
        ValueError: there is no map between the two.
    """
    source, target = get_space(source), get_space(target)
    if source.names == target.names:
        return [[index] for index in range(len(source))]
    table = MAPS.get((source.name, target.name))
    if table is None and source.name not in SPACES and all(name in target for name in source.names):
        places = [target.index(name) for name in source.names]
        return [[i for i, place in enumerate(places) if place == index] for index in range(len(target))]
    if table is None:
        raise ValueError(f"there is no map from {source.name} to {target.name}")
    return [[source.index(member) for member in table[label]] for label in target.names]


def rollup_scores(scores: Mapping[str, float], source: LabelSpace, target: LabelSpace) -> dict[str, float]:
    """Probabilities in a coarser space.

    Labels that exclude each other add up. Labels that can hold together give the probability that at
    least one does, were they independent: 1 - Π(1 - p).

    Args:
        scores: label of *source* → probability in 0..1.

    Raises:
        ValueError: there is no map between the two.
    """
    values = list(scores.values())
    parts = ([values[i] for i in members] for members in groups(source, target))
    if source.multilabel:
        return {label: 1 - math.prod(1 - p for p in part) for label, part in zip(target.names, parts, strict=True)}
    sums = {label: sum(part) for label, part in zip(target.names, parts, strict=True)}
    total = sum(sums.values()) or 1.0  # a label that the coarser space leaves out takes its share with it
    return {label: value / total for label, value in sums.items()}
