"""Schemas of requests and answers: what is validated, and what the OpenAPI document says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mien.modality import Kind
from mien.model import CertaintyEntry
from mien.serve.problems import MEDIA_TYPE

#: What a text must have, by ECMA-262 with the flag u: white space, control and format characters are nothing to read,
#: nor are letters and accents that are blank.
VISIBLE = r"(?![\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u2800\u3164\uffa0])[\p{L}\p{M}\p{N}\p{P}\p{S}]"

TITLE = "mien"
ABOUT = """\
Reads emotion in texts, faces, clips and scenes. Inputs go in as JSON or as a form; results come out in their order,
each the same JSON that `mien predict --json` prints. Where no input can be read the answer is a problem (422);
where some can, the others carry an `error`. Live frames go over a WebSocket at `/v1/live`, which OpenAPI cannot
describe: see `docs/serving.md`.
"""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


# ----------------------------------------------------------------------------------------------------------- requests


class PredictBody(_Shape):
    """A request for predictions in JSON."""

    inputs: list[str] = Field(min_length=1)
    model: str | None = None
    labels: str | None = None
    explain: bool = False
    language: str | None = None
    all_faces: bool = False
    min_face: float | None = None
    max_faces: float | None = None
    confidence: float | None = None


_TEXT = {
    "type": "string", "pattern": VISIBLE, "maxLength": 100_000,
    "description": "with a letter, digit, emoji or other sign; of flags, skin tones or accents alone none is read",
}  # fmt: skip
_PACKED = {"type": "string", "contentEncoding": "base64", "description": "a file in base64, or a data URL"}
_FILE = {"type": "string", "format": "binary"}
_OF_FACES = {
    "min_face": {"type": "number", "minimum": 1, "description": "leave out faces with a shorter side in pixels below"},
    "max_faces": {"type": "integer", "minimum": 1, "description": "read so many faces of a picture, the largest"},
    "confidence": {
        "type": "number", "minimum": 0, "maximum": 1,
        "description": "from which score of the detector on a face counts; if not given 0.8, and 0.9 for small ones",
    },
}  # fmt: skip


def describe_body(
    kind: Kind, explained: bool, most: int, models: Sequence[str], spaces: Sequence[str], languages: Sequence[str],
    options: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """The ``requestBody`` of an operation that takes JSON and forms, which the framework cannot derive from types."""

    def body(name: str, item: dict[str, Any]) -> dict[str, Any]:
        properties = {
            name: {"type": "array", "minItems": 1, "maxItems": most, "items": item},
            "model": {"type": "string", "enum": list(models), "description": "the model that answers"},
            "labels": {"type": "string", "enum": list(spaces), "description": "the label space to answer in"},
        }
        if kind == "text":
            about = "what the texts are written in; any: read as they are; if not given, told by each text"
            known = {"enum": ["any", *languages]} if languages else {}
            properties["language"] = {"type": "string", **known, "description": about}
        if explained:
            about = "whether items say what brought the label about"
            properties["explain"] = {"type": "boolean", "default": False, "description": about}
        if "all_faces" in options:
            about = "whether faces count, too, that could not be seen well enough to be sure"
            properties["all_faces"] = {"type": "boolean", "default": False, "description": about}
        properties |= {name: about for name, about in _OF_FACES.items() if name in options}
        return {"type": "object", "required": [name], "additionalProperties": False, "properties": properties}

    example = ["i feel so loved today", "what a waste of money"] if kind == "text" else ["/9j/4AAQSkZJRg…"]
    content = {
        "application/json": {
            "schema": body("inputs", _TEXT if kind == "text" else _PACKED), "example": {"inputs": example},
        },
        "multipart/form-data": {"schema": body("inputs", _TEXT) if kind == "text" else body("file", _FILE)},
    }  # fmt: skip
    return {"requestBody": {"required": True, "content": content}}


# ------------------------------------------------------------------------------------------------------------ answers


class Word(_Shape):
    """A word of a text, or several that stand together."""

    text: str
    start: int = Field(description="its place in the text, in characters (code points)")
    end: int
    share: float = Field(description="by how much the label's probability falls without it", ge=-1, le=1)


class Explanation(_Shape):
    """What brought the label about: of a text `words`, of a face `grid` and `corners`."""

    label: str
    space: str = Field(description="the label space that it is of")
    score: float
    words: list[Word] = []
    grid: list[list[float]] = Field(default=[], description="shares of regions, rows from top to bottom")
    corners: list[list[float]] = Field(
        default=[], description="of the grid in the picture: x and y of top left, top right, bottom right, bottom left"
    )
    note: str = Field(default="", description="how it was bounded, where the text is long")


class Quality(_Shape):
    """How well a face could be seen, and how far its label can be trusted."""

    detector: float | None = Field(description="how sure it is that it is a face; null of a ready crop", ge=0, le=1)
    size: float = Field(description="the shorter side of the box, in pixels")
    sharpness: float = Field(description="share of fine detail", ge=0, le=1)
    yaw: float | None = Field(description="degrees that the head is turned by, to the picture's right")
    pitch: float | None = Field(description="degrees up")
    roll: float | None = Field(description="degrees that it leans by, clockwise")
    inside: float = Field(description="share of the box that lies in the picture", ge=0, le=1)
    human: float | None = Field(description="how probable it is that it is a human face", ge=0, le=1)
    mouth: float | None = Field(description="that the mouth is free", ge=0, le=1)
    eyes: float | None = Field(description="that the eyes are free", ge=0, le=1)
    reliability: float | None = Field(
        description="that the label is right; below the model's threshold it is unsure", ge=0, le=1
    )


class Prediction(_Shape):
    """What was read in one place: the text, one face, one person."""

    label: str | None = Field(description="the strongest label; null for a model that only rates")
    emoji: str
    score: float | None = Field(description="its probability", ge=0, le=1)
    labels: list[str] = Field(description="all labels that hold, strongest first")
    scores: dict[str, float] = Field(description="every label with its probability")
    box: list[float] | None = Field(
        description="left, top, right, bottom in pixels; null for a text and a whole scene", min_length=4, max_length=4
    )
    ratings: dict[str, float] = Field(default={}, description="of scenes: such as valence, in the model's own units")
    explanation: Explanation | None = Field(default=None, description="where it was asked for")
    quality: Quality | None = Field(default=None, description="of a face: how well it could be seen")
    unsure: bool = Field(default=False, description="whether the model is not sure of the label; see its card")
    label_set: list[str] = Field(default=[], description="labels that may be right, where the model says so")


class Result(BaseModel):
    """What was read in one input; of a clip there are clip, people, segments and timeline besides."""

    model_config = ConfigDict(extra="allow")
    input: str = Field(description="the text, or the name of the file")
    modality: str
    model: str
    label: str | None = Field(description="of the strongest prediction; null where there is none")
    emoji: str | None
    score: float | None
    items: list[Prediction] = Field(description="of a text one, of a picture one for each face, the largest first")
    error: str | None = Field(description="why there is none, where only this input was unusable")
    language: str | None = Field(
        default=None, description="of a text: by whose thresholds its labels hold, where the model has such by language"
    )
    unsure: bool = Field(default=False, description="whether the model is not sure of that label")
    all_faces: bool = Field(default=False, description="whether faces count, too, that could not be seen well enough")
    label_set: list[str] = Field(default=[], description="labels that may be right, where the model says so")


class Answer(_Shape):
    """Results in the order of the inputs."""

    model: str
    results: list[Result] = Field(min_length=1)


class InputProblem(_Shape):
    """What is wrong with one input."""

    where: str = Field(description="such as #/inputs/1 in JSON, file[0] in a form")
    detail: str


class Problem(_Shape):
    """Problem details by RFC 9457."""

    type: str
    title: str
    status: int
    detail: str = Field(description="one sentence that says what is wrong and where")
    errors: list[InputProblem] | None = None


class Label(_Shape):
    """One label."""

    name: str
    emoji: str
    color: str


class Rating(_Shape):
    """What a model rates beside labels, or alone."""

    name: str = Field(description="such as valence")
    low: float = Field(description="the lowest value of its scale")
    high: float


class ModelInfo(_Shape):
    """A model that is served."""

    name: str
    modality: str
    summary: str
    default: bool = Field(description="whether it answers where a request names no model")
    multilabel: bool
    labels: list[Label]
    ratings: list[Rating]
    spaces: list[str] = Field(description="label spaces that it can answer in, its own first")
    languages: list[str] = Field(description="of texts: the languages that it reads; any where there are none")
    megabytes: float
    metrics: dict[str, Any] = Field(description="figures by data set and split")


class ModelList(_Shape):
    """The models that are served."""

    models: list[ModelInfo]


class ModelCard(ModelInfo):
    """A model with its card."""

    card: str = Field(description="Markdown")
    label_spaces: dict[str, list[Label]] = Field(description="the labels of each space that it can answer in")
    multilabel_spaces: list[str] = Field(description="those of them in which several labels can hold at a time")
    thresholds: dict[str, dict[str, float]] = Field(description="of such spaces: from which score on each label holds")
    language_thresholds: dict[str, dict[str, dict[str, float]]] = Field(
        default={}, description="of such spaces: by language of the text, where they differ from these"
    )
    heads: list[str] = Field(description="spaces besides its own that the network itself answers in")
    certainty: dict[str, CertaintyEntry] = Field(description="of spaces: from which score on an answer is sure")


class Health(_Shape):
    """That it runs."""

    status: str


_PROBLEMS = {
    400: "The body is no JSON, or no form.",
    401: "No key, or a wrong one.",
    404: "No model for this is served.",
    405: "No such method here.",
    408: "The body did not arrive in time.",
    413: "The body, a picture or the number of inputs is too large.",
    415: "Neither JSON nor a form.",
    421: "The request is for another host.",
    422: "An input cannot be read, or a model or label space is unknown.",
    500: "mien failed.",
    503: "Too much to do; Retry-After says when to try again.",
}


def describe_problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an operation that are problems."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {status: {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: schema}} for status in statuses}


def complete(document: dict[str, Any], *, key: bool) -> dict[str, Any]:
    """The document that the framework made, with its own errors replaced by problems, and the key."""
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= {**problem.pop("$defs"), "Problem": problem}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    if key:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]
            if key and (path.startswith("/v1/") or path == "/metrics"):
                operation["security"] = [{"key": []}]
    return document
