"""The kind of an input: a text, or what is taken for a file, a folder or an address and is never rated as a text.

The rule, for the command line and for :func:`mien.predict` alike. A string is taken for a path or an address where each
of its words (mostly there is one) begins with a scheme or "www.", has a slash or backslash, or ends like a file. Spaces
and other words beside it make a text of it, as do the signs of writing: "10/10", "and/or", ":/", "good/bad!", "he/she".
What exists under the name is never a text.
"""

from __future__ import annotations

import io
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from mien.errors import InputError, MienError, quoted

if TYPE_CHECKING:
    import zipfile

Kind = Literal["text", "picture", "clip", "row"]  # what an input is

#: A longer text, as it is or with its emoji spelled out, is refused; settable per `TextPreprocessor`.
MAX_CHARACTERS = 100_000
#: Files of tables end in one of these, perhaps with one of `PACKED` behind.
TABLES = (
    ".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".txt", ".xlsx", ".xlsm", ".parquet", ".pq", ".arrow", ".pkl",
    ".pickle",
)  # fmt: skip
PACKED = (".gz", ".xz", ".bz2", ".zip")
#: Endings of files of messages: subtitles and mail.
MESSAGES = (".srt", ".vtt", ".eml", ".mbox")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:/(?=[^/\W]|/)|data:[a-z]+/|www\.", re.IGNORECASE)
_ABSOLUTE = re.compile(r"[a-z]:[\\/]|\\\\|/|~[\\/]|\.{1,2}[\\/]", re.IGNORECASE)
_NUMBERS = re.compile(r"\d{1,3}([.,]\d+)?(/\d{1,4}([.,]\d+)?){1,2}[%.,;:)]*")  # 10/10, 24/7, 4.5/5, 12/24/2024
_FACE = re.compile(r"(?<![^\W\d_])[:;=]['-]?[\\/]$|(?<=..)[:;=]['-]?[\\/]$")  # :/ and ugh:/, but not C:/
_MARKUP = re.compile(r"[<>]|\[/")  # <br/>, [/b]
_PARENTS = re.compile(r"(~|\.{1,2})?([\\/]+(\.{1,2})?)+")  # /, ./, ../..
_ENDING = re.compile(
    r"""\.(
    jpe?g|jpe|jfif|png|gif|bmp|dib|webp|tiff?|p[bgpn]m|hei[cf]|avif|jp2|j2k|jxl|mpo|svg|ico|psd|cr[23]|nef|arw|dng|orf|
    raf|tga|exr|mp4|m4v|mov|qt|3gp|3g2|avi|divx|mkv|webm|wmv|asf|f[l4]v|ogv|mpe?g|m2v|vob|m?ts|m2ts|mxf|rm|rmvb|m3u8|mpd|
    mp3|wav|flac|og[ga]|opus|m4a|aac|wma|aiff?|amr|caf|midi?|
    [ct]sv|jsonl?|ndjson|txt|parquet|pq|pkl|pickle|xls[xm]?|ods|feather|arrow|orc|h5|hdf5|sav|dta|rds|rdata|mat|np[yz]|
    sqlite3?|db|arff|xml|ya?ml|toml|log|srt|vtt|eml|mbox|pdf|docx?|odt|rtf|pptx?|md|rst|html?|tex|epub|
    zip|gz|xz|bz2|zst|tar|tgz|7z|rar|onnx|pth?|safetensors|joblib|ckpt|tflite|py|ipynb|exe|dll
    )$""",
    re.IGNORECASE | re.VERBOSE,
)
_FUNCTION_WORD = (
    "(and|or|but|s?he|him|hers?|his|they|them|theirs?|its?|s|i|we|us|me|my|you|your|yes|no|maybe|none|both|either|"
    "neither|good|bad|love|hate|like|dislike|pros|cons|positive|negative|true|false|right|wrong)"
)
_SHORT_FORM = re.compile(
    rf"{_FUNCTION_WORD}(/{_FUNCTION_WORD})+|n/a|w/[oe]?|b/[cw]|[csio]/o|a/c|ac/dc|k?m/[hs]|"
    r"\\?o/|\\o|/o\\|/(s|j|hj|jk|lh|srs|gen|pos|neg)"
)


class Message(str):
    """A text that somebody wrote or said, as a chat, a transcript or a mail has it.

    Attributes:
        speaker: who; None where that is not known.
        time: when: a date in ISO 8601, or seconds from the start of a recording; None where that is not known.
        columns: both of these, and what else its form has: "end" in seconds, "subject", "channel".
        where: the file and the line, or message, that it was read from.
    """

    speaker: str | None
    time: str | float | None
    columns: dict[str, Any]
    where: str
    KEYS = ("speaker", "time", "end", "subject", "channel", "chat")  # that columns can have

    def __new__(
        cls, text: str, speaker: str | None = None, time: str | float | None = None, where: str = "", **more: Any
    ) -> Message:
        self = super().__new__(cls, text)
        self.speaker, self.time, self.where = speaker, time, where
        self.columns = {"speaker": speaker, "time": time, **more}
        return self

    @property
    def row(self) -> dict[str, Any]:
        """Its columns and its text, as a table has them."""
        return {**self.columns, "text": str(self)}


def taken_for_path(text: str) -> str | None:
    """Why a string is taken for a path or an address and not for a text; None where it is a text."""
    words = text.split()
    if len(words) > 1 and _ABSOLUTE.match(words[0]) and (_ENDING.search(words[-1]) or words[-1].endswith(("/", "\\"))):
        return "it begins and ends like a path"
    reason = None
    for word in words:
        if (found := _reason(word.strip("'\"“”‘’"))) is None:
            return None
        reason = reason or found
    return reason


def is_address(text: str) -> bool:
    """Whether a string begins with a scheme, as ``https://…`` and ``rtsp://…`` do."""
    return len(text.split()) == 1 and _SCHEME.match(text.strip("'\"“”‘’ ")) is not None


def _reason(word: str) -> str | None:
    if _SCHEME.match(word):
        return "it is an address"
    if (ending := _ENDING.search(word)) and not word.endswith(("!", "?")):
        return f"it ends in {ending[0]}"
    if _PARENTS.fullmatch(word) or (("/" in word or "\\" in word) and not _is_written(word)):
        return "it has a slash" if "/" in word else "it has a backslash"
    return None


def _is_written(word: str) -> bool:
    """Whether people write the word so, slash and all, and no path is meant: 10/10, and/or, :/, great/bad!"""
    if _NUMBERS.fullmatch(word) or _SHORT_FORM.fullmatch(word.casefold().rstrip(".,;:…)")) or _FACE.search(word):
        return True
    if word.endswith(("!", "?")) or not any(map(str.isalnum, word)) or _MARKUP.search(word):
        return True
    return any(not c.isascii() and unicodedata.category(c)[0] == "S" for c in word)  # ¯\_(ツ)_/¯ and 10/10❤️


def refuse_path(text: str, advice: str) -> None:
    """Refuse a string that is taken for a path or an address; *advice* says how to have it read as a text.

    Raises:
        InputError: it is; the line says for what it was taken, and why.
    """
    if (reason := taken_for_path(text)) is None:
        return
    if is_address(text):
        raise InputError(f"{quoted(text)} is taken for an address, and mien opens only files on this machine; {advice}")
    if len(text) > 255:
        hint = "if it is a picture in base64, decode it and give the bytes"
        raise InputError(f"{quoted(text)} is neither a text nor a file that is there; {hint}; {advice}")
    raise InputError(f"{quoted(text)}: no such file or folder; taken for one because {reason}; {advice}")


def local(path: str | Path) -> Path:
    """A path on this machine.

    Raises:
        InputError: it is an address, whose slashes a path would lose, or longer than a path can be.
    """
    if isinstance(path, str) and is_address(path):
        refuse_path(path, "save it to a file first")
    path = Path(path)
    if max(map(len, path.parts), default=0) > 255 or len(str(path)) > 4096:
        raise InputError(f"{quoted(path)} cannot be read: the name is too long for a file")
    return path


def to_write(path: str | Path) -> Path:
    """A path to write on this machine.

    Raises:
        MienError: it is an address, of which a path would make folders here.
    """
    if is_address(str(path)):
        raise MienError(f"{quoted(path)} is an address, and mien writes only files on this machine")
    return Path(path)


def exists(path: str | Path) -> bool:
    """Whether there is such a file or folder; a long text, or one with a NUL, is none."""
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def is_file_name(item: Any) -> TypeGuard[str | os.PathLike[str]]:
    """Whether it names what exists: a path, or a string that does."""
    if isinstance(item, Message) or not isinstance(item, str | os.PathLike):
        return False
    return bool(os.fsdecode(item).strip()) and exists(os.fsdecode(item))


def is_lines(item: Any) -> bool:
    """Whether it is a file opened as text."""
    return isinstance(item, io.TextIOBase)


# -------------------------------------------------------------------------------------------------- from Python

AS_TEXT = 'for a text: mien.load("text").predict(…)'
_ONE, _SEVERAL = "mien.predict reads one input", "several inputs are needed, and this is"


def kind_of(item: Any) -> Kind:
    """What one input of :func:`mien.predict` is.

    Raises:
        InputError: it is several inputs, none that mien reads, or a string that is taken for a path; one line.
    """
    if isinstance(item, str):
        return "text" if isinstance(item, Message) else _kind_of_string(item)
    if isinstance(item, os.PathLike):
        return _kind_of_path(os.fsdecode(item))
    if hasattr(item, "read"):
        if file_kind(name := name_of(item)) == "clip":
            raise InputError(f"a clip is read from its path: give {quoted(name)!r}, not a file object")
        return "text" if isinstance(item, io.TextIOBase) else "picture"
    if isinstance(item, bytes | bytearray | memoryview) or is_pillow(item) or hasattr(item, "box"):
        return "picture"
    array = hasattr(item, "__array__") or hasattr(item, "__array_interface__")
    if array and not hasattr(item, "to_numpy"):
        return _kind_of_array(item)
    if array or isinstance(item, Iterable):
        raise InputError(f"{_ONE}, and this is a {type(item).__name__}: use mien.predict_many")
    raise InputError(f"a text, a picture or a clip is needed, not {type(item).__name__}")


def plain(item: Any) -> Any:
    """An input as Python's own str or bytes where NumPy or Arrow wraps such a one; any other as it is."""
    if isinstance(item, str):
        return item if isinstance(item, Message) else str(item)
    if hasattr(item, "as_py"):
        return item.as_py()
    wrapped = item.item() if hasattr(item, "__array__") and getattr(item, "shape", None) == () else None
    return wrapped if isinstance(wrapped, str | bytes) else item


def file_kind(name: str | Path) -> Kind | None:
    """Whether a file is a picture or a clip by the end of its name; None for neither. It is not opened."""
    from mien.media.names import is_clip, is_picture

    return "clip" if is_clip(name) else "picture" if is_picture(name) else None


def named_kind(item: str) -> Kind | None:
    """What file a string means, and is no text: its end says so, and it exists or has no space in it."""
    if "\0" in item or "\n" in item or not (kind := file_kind(item)):
        return None
    return kind if not any(map(str.isspace, item)) or exists(item) else None


def table_suffix(path: Path) -> str | None:
    """The suffix that says the format of a table (".csv" for a.csv.gz), or None where it is none.

    Of a zip it is that of the first table in it, where its own name does not say.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in PACKED else ""
    if suffixes and suffixes[-1] in TABLES:
        return suffixes[-1]
    if packed != ".zip" or not path.is_file():
        return None
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            found = [Path(name).suffix.lower() for name in zipped(archive)]
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile):
        return None
    return next((suffix for suffix in found if suffix in TABLES), None)


def zipped(archive: zipfile.ZipFile) -> list[str]:
    """The files in a zip, but for hidden ones and what computers leave behind."""
    names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    return [name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))]


def _kind_of_string(item: str) -> Kind:
    if not is_address(item):
        if kind := named_kind(item):
            return kind
        if item.strip() and exists(item):
            raise InputError(_unreadable(item))
    refuse_path(item, AS_TEXT)
    return "text"


def _kind_of_array(item: Any) -> Kind:
    import numpy as np

    array = np.asarray(item)
    if array.dtype.kind in "OUST" or array.ndim > 3:
        raise InputError(f"{_ONE}, and this is an array of shape {array.shape}: use mien.predict_many")
    return "picture"


def _kind_of_path(name: str) -> Kind:
    path = local(name)
    kind = file_kind(path)
    if kind is None and (path.is_dir() or table_suffix(path) or path.suffix.lower() in MESSAGES):
        raise InputError(_unreadable(name) if exists(path) else f"there is no file {quoted(path)}")
    return kind or "picture"


def _unreadable(name: str) -> str:
    """What a file or folder is that :func:`mien.predict` does not read, and what to do."""
    shown = quoted(name)
    advice = f"give its {{}} to mien.predict_many, or: mien predict {shown}"
    if Path(name).is_dir():
        return f"{shown} is a folder, and {_ONE}: {advice.format('files')}"
    if Path(name).suffix.lower() in MESSAGES:
        return f"{shown} is a file of messages, and {_ONE}: mien.predict_many({shown!r}) reads each of them"
    if table_suffix(Path(name)):
        return f"{shown} is a file of texts, and {_ONE}: {advice.format('texts')}"
    return f"{shown} is a file, and by its name no picture or clip; for a picture: pathlib.Path(…); {AS_TEXT}"


def is_pillow(item: Any) -> bool:
    """Whether it is a Pillow image; Pillow is not loaded to find out."""
    return hasattr(item, "getexif") and hasattr(item, "tobytes")


def opened(item: Any, most: int = MAX_CHARACTERS) -> Any:
    """What a model reads of a file object: a text, or a picture's bytes, at most so many; else the item.

    Raises:
        InputError: it cannot be read, or is too large.
    """
    if isinstance(item, bytearray | memoryview):
        return bytes(item)
    if not hasattr(item, "read") or isinstance(item, str | bytes | os.PathLike) or is_pillow(item):
        return item
    try:
        content = item.read(most + 1)
    except (OSError, ValueError) as error:  # closed, or not text
        raise InputError(f"{name_of(item)} cannot be read: {error}") from error
    if not isinstance(content, str | bytes | bytearray):
        raise InputError(f"{name_of(item)} gives {type(content).__name__}; a text or bytes are needed")
    if len(content) > most:
        raise InputError(f"{name_of(item)} is too large: more than {most:,} characters or bytes")
    return content if isinstance(content, str) else bytes(content)


def name_of(item: Any) -> str:
    """What an input is called in its result."""
    if isinstance(item, str):
        return item if isinstance(item, Message) else str(item)  # not NumPy's own kind
    if is_pillow(item):
        return str(getattr(item, "filename", "") or "<image>")
    if hasattr(item, "read") and not isinstance(item, os.PathLike):
        name = getattr(item, "name", None)
        return name if isinstance(name, str) and name else "<file>"
    if isinstance(item, bytes | bytearray | memoryview):
        return "<bytes>"
    if hasattr(item, "__array__") and not hasattr(item, "to_numpy"):
        return "<array>"
    return str(item) if isinstance(item, os.PathLike) or hasattr(item, "box") else f"<{type(item).__name__}>"


def refuse_single(inputs: Any) -> None:
    """Refuse one input where several are needed: a text would be taken for its characters.

    Raises:
        InputError: it is one.
    """
    if isinstance(inputs, str | bytes | bytearray | memoryview | os.PathLike) or is_pillow(inputs):
        raise InputError(f"{_SEVERAL} a single {type(inputs).__name__}: use predict, or put it into a list")


def listed(inputs: Any) -> Iterator[Any]:
    """The inputs of :func:`mien.predict_many`, one after the other, see :func:`plain`.

    Raises:
        InputError: it is a single input, or a table.
    """
    kind, needed = type(inputs).__name__, _SEVERAL
    if isinstance(inputs, io.TextIOBase):
        return (line.rstrip("\r\n") for line in inputs)
    refuse_single(inputs)
    if hasattr(inputs, "read"):
        raise InputError("a file of texts has to be opened as text, not in binary mode")
    if isinstance(inputs, Mapping) or hasattr(inputs, "columns"):
        raise InputError(f"{needed} a {kind}: give one column, such as table['text']")
    shape, code = getattr(inputs, "shape", None), getattr(getattr(inputs, "dtype", None), "kind", "")
    if code == "S":
        raise InputError(f"{needed} an array of bytes: decode it, as numpy.char.decode(…, 'utf-8') does")
    if shape is not None and code in ("U", "T") and len(shape) != 1:
        raise InputError(f"{needed} an array of texts of shape {tuple(shape)}: one dimension is needed")
    if shape is not None and (len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))):
        raise InputError(f"{needed} one picture of shape {tuple(shape)}: put it into a list")
    try:
        return map(plain, inputs)
    except TypeError:
        raise InputError(f"several inputs are needed, such as a list, not {kind}") from None
