"""Label spaces and the maps between them. Labels are data: no class of mien spells one."""

from __future__ import annotations

import colorsys
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from mien.errors import did_you_mean


@dataclass(frozen=True)
class Emotion:
    """One label: its name, an emoji, a color (#rrggbb) and other names it goes by."""

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


# name: emoji, color, aliases. Colors are told apart in a chart: warm for joy, red for anger, blue for sadness,
# violet for fear, green for disgust, teal for surprise, gray for neutral; at least 10 apart in CIELAB, and 14 within a
# space. Only synonyms, which no space holds together, look the same.
_CATALOGUE: dict[str, tuple[str, str, str]] = {
    "admiration": ("🤩", "#fead5e", "esteem"),
    "affection": ("🥰", "#ef7fa5", ""),
    "ambiguous": ("😯", "#7a86e0", ""),
    "amusement": ("😂", "#f0c847", "fun"),
    "anger": ("😠", "#d7433b", "angry mad rage"),
    "angry": ("😠", "#d7433b", "anger mad rage"),
    "annoyance": ("😒", "#e37d61", "annoyed"),
    "anticipation": ("👀", "#c6a326", ""),
    "approval": ("👍", "#a3b54d", ""),
    "astonishment": ("😮", "#45c4b0", "surprise surprised"),
    "aversion": ("🤮", "#4c873b", ""),
    "calm": ("😌", "#8eb5a8", ""),
    "caring": ("🤗", "#f19cbb", ""),
    "confidence": ("😎", "#af7f0c", ""),
    "confusion": ("😕", "#6cb6b1", "confused"),
    "contempt": ("😤", "#9c6b30", "contemptuous"),
    "curiosity": ("🤔", "#41adc2", "curious"),
    "desire": ("😍", "#e86d7c", ""),
    "disappointment": ("😞", "#7696d2", "disappointed"),
    "disapproval": ("👎", "#c7574a", ""),
    "disconnection": ("😶", "#b4a8b9", ""),
    "disgust": ("🤢", "#5c9a3d", "disgusted"),
    "disquietment": ("😟", "#807bbd", ""),
    "doubt/confusion": ("😕", "#6cb6b1", "doubt confusion"),
    "embarrassment": ("😳", "#b898ca", "embarrassed"),
    "engagement": ("🧐", "#4d9bd6", ""),
    "esteem": ("🙌", "#e69a3b", ""),
    "excitement": ("🎉", "#fd9d25", "excited"),
    "fatigue": ("😴", "#8295ac", ""),
    "fear": ("😨", "#7d5ba6", "fearful scared afraid"),
    "fearful": ("😨", "#7d5ba6", "fear scared afraid"),
    "fun": ("🥳", "#f9cd2f", "amusement"),
    "gratitude": ("🙏", "#dbab51", "grateful"),
    "grief": ("😭", "#425386", ""),
    "happiness": ("😄", "#f7b32b", "happy joy joyful"),
    "happy": ("😄", "#f7b32b", "happiness joy joyful"),
    "joy": ("😄", "#f7b32b", "happy happiness joyful"),
    "joyful": ("😁", "#f4cd69", "joy happy happiness"),
    "love": ("❤️", "#e75480", "loving"),
    "mad": ("😡", "#b3231c", "anger angry"),
    "mixed": ("🌗", "#8d7a66", ""),
    "negative": ("🙁", "#b8455f", ""),
    "nervousness": ("😰", "#a17fc5", "nervous"),
    "neutral": ("😐", "#9aa0a6", "normal none"),
    "optimism": ("🤞", "#cec14d", "optimistic"),
    "pain": ("😣", "#9e483d", ""),
    "peace": ("☮️", "#92c5a8", ""),
    "pleasure": ("😊", "#f9be57", ""),
    "positive": ("🙂", "#2f9e5a", ""),
    "pride": ("🏆", "#cf941e", "proud"),
    "rage": ("🤬", "#a0243b", "anger angry"),
    "realization": ("💡", "#86c3dc", ""),
    "relief": ("😅", "#c7b561", "relieved"),
    "remorse": ("😔", "#5b7197", ""),
    "sad": ("😢", "#3f72af", "sadness sorrow"),
    "sadness": ("😢", "#3f72af", "sad sorrow"),
    "scared": ("😱", "#6242a1", "fear fearful afraid"),
    "sensitivity": ("🥺", "#dda5c7", ""),
    "shock": ("🤯", "#117eaf", "surprise surprised"),
    "sorrow": ("🥀", "#5785b6", "sadness sad"),
    "suffering": ("😖", "#574c87", ""),
    "surprise": ("😲", "#2a9d8f", "surprised shock astonishment"),
    "surprised": ("😲", "#2a9d8f", "surprise shock astonishment"),
    "sympathy": ("🫂", "#ae8488", ""),
    "trust": ("🤝", "#6cc25f", ""),
    "yearning": ("💭", "#c68199", ""),
}

_ALIASES: dict[str, str] = {}
for _name, (_, _, _aliases) in _CATALOGUE.items():
    for _alias in _aliases.split():
        _ALIASES.setdefault(_alias, _name)


def emotion(name: str) -> Emotion:
    """The emotion of that name from the catalogue (by name, then alias), or a plain one for a name of your own."""
    key = _key(name)
    known = key if key in _CATALOGUE else _ALIASES.get(key)
    if known is None:
        return Emotion(name, color=_own_color(key))
    emoji, color, aliases = _CATALOGUE[known]
    return Emotion(name, emoji, color, tuple(aliases.split()))


def _own_color(key: str) -> str:
    """A color for a name that the catalogue lacks, always the same; gray for what is no name."""
    if not any(map(str.isalnum, key)):
        return Emotion("").color
    hue = zlib.crc32(key.encode("utf-8", "replace")) % 360 / 360
    return "#" + "".join(f"{round(part * 255):02x}" for part in colorsys.hls_to_rgb(hue, 0.58, 0.4))


def make_space(name: str, labels: Sequence[str], multilabel: bool = False) -> LabelSpace:
    """A label space of your own, or of a data set: known names keep their emoji, color and aliases.

    Raises:
        ValueError: no labels, unless several can hold at once; or one twice.
    """
    return LabelSpace(name, tuple(emotion(label) for label in labels), multilabel)


_GOEMOTIONS = (
    "admiration amusement anger annoyance approval caring confusion curiosity desire disappointment disapproval "
    "disgust embarrassment excitement fear gratitude grief joy love nervousness optimism pride realization relief "
    "remorse sadness surprise neutral"
)
_PLUTCHIK = "anger anticipation disgust fear joy sadness surprise trust neutral"
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
        make_space("plutchik9", _PLUTCHIK.split(), multilabel=True),
        make_space("goemotions28", _GOEMOTIONS.split(), multilabel=True),
        make_space("emotic26", _EMOTIC.split(), multilabel=True),
        make_space("sentiment", ["positive", "negative", "neutral", "mixed"]),
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
    ("plutchik9", "ekman7"): {label: (label,) for label in SPACES["ekman7"].names},
}


#: The label that holds where no other does.
REST = "neutral"

#: How reports group labels: as GoEmotions does (Demszky et al., ACL 2020). Surprise is "ambiguous", as it may be good
#: news or bad.
SENTIMENT_OF: dict[str, tuple[str, ...]] = {
    "positive": (
        "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love", "optimism",
        "pride", "relief",
    ),
    "negative": (
        "anger", "annoyance", "disappointment", "disapproval", "disgust", "embarrassment", "fear", "grief",
        "nervousness", "remorse", "sadness",
    ),
    "neutral": ("neutral",),
    "ambiguous": ("confusion", "curiosity", "realization", "surprise"),
}  # fmt: skip
_ALIKE = {  # as the maps to ekman7 have them, and what these leave out
    **_SAME, "contempt": "disgust", "calm": "neutral", "trust": "approval", "anticipation": "curiosity",
}  # fmt: skip


def _sentiment_of(name: str) -> str | None:
    key = _key(name)
    return next((coarse for coarse, finer in SENTIMENT_OF.items() if _ALIKE.get(key, key) in finer), None)


def sentiment_groups(space: LabelSpace) -> dict[str, list[str]]:
    """For each key of `SENTIMENT_OF`, the labels of a space that it gathers; empty where one of them has no place."""
    places = sentiment_places(space)
    if sum(map(len, places.values())) < len(space):
        return {}
    return {coarse: [space.names[place] for place in some] for coarse, some in places.items()}


def sentiment_places(space: LabelSpace) -> dict[str, list[int]]:
    """For each key of `SENTIMENT_OF`, the places of the labels of a space that it gathers; some may have none."""
    return {
        coarse: [place for place, name in enumerate(space.names) if _sentiment_of(name) == coarse]
        for coarse in SENTIMENT_OF
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
        near = did_you_mean(space, SPACES)
        raise KeyError(f"no label space {str(space)[:80]!r}; there are: {', '.join(SPACES)}{near}") from None


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
