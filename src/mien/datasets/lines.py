"""Lines of text files, packed or not: their encoding, and how much of a file may be in memory at a time.

A file is UTF-8, or UTF-16 or UTF-32 by its byte order mark or its zero bytes, unless `encoding` names another; latin-1
is taken for cp1252, which has letters where latin-1 has control characters, as browsers do. One that turns out not to
be UTF-8 is read as cp1252 (Western Windows), and a warning says so, where nothing speaks against it: all
before is ASCII, all bytes are defined in cp1252, and they make up words as Western languages have them. Everything else
is refused: no byte is ever replaced, and no file is read in two encodings.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import itertools
import logging
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from mien.errors import DataError, quoted
from mien.inputs import table_suffix, zipped

ROW_LIMIT = 4 * 2**20  # bytes of a row: a longer one is no text, but a file of another kind
CHUNK_LIMIT = 8 * 2**20  # bytes of the rows that are handed on together
DEPTH_LIMIT = 100  # of lists within lists
_EXPANSION, _ALLOWANCE = 250, 2**28  # honest text packs to a tenth or so
_BLOCK = 2**16
_CELL = 64  # bytes that Python spends on a cell, about
_HINT = "name its encoding (encoding=cp1251, or --encoding cp1251 for predict) or save it as UTF-8"
#: Letters that Western text in cp1252 does not have inside a word, but Polish, Macintosh and DOS files read as it do.
_FOREIGN = re.compile(rb"[a-z](?:[\x8a\x8c\x8e\xc0-\xd6\xd8-\xde]|[\xa5\xb3\xb9](?=[a-z]))")
_RUN = re.compile(rb"[\xa1-\xff]{4,}")  # of different letters: Cyrillic, Greek, Chinese, …
_C1 = re.compile(rb"[\x80-\x9f]")
_PRINTED = bytes({9, 10, 13, *range(32, 256)})
_NOT_TEXT = ("idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "utf-7")


def allowed_size(path: Path) -> int:
    """Bytes that a packed file may unpack to."""
    return _ALLOWANCE + _EXPANSION * path.stat().st_size


@contextmanager
def _open_zip(path: Path) -> Iterator[Any]:
    """The only file in a zip, or the only table among others."""
    with zipfile.ZipFile(path) as archive:
        names = zipped(archive)
        tables = [name for name in names if table_suffix(Path(name))]
        chosen = tables if tables else names
        if len(chosen) != 1:
            held = f"holds {len(chosen):,} files ({shown(chosen)})" if chosen else "holds no file"
            raise DataError(f"{path} {held}; a zip with one is read: unpack it, and name one")
        with open_member(archive, chosen[0], path) as file:
            yield file


def open_member(archive: zipfile.ZipFile, name: str, path: Path) -> IO[bytes]:
    """A file in a zip; it gives no more bytes than the list of files states.

    Raises:
        DataError: it is packed by what unpacks a block to any size at once.
    """
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{path}/{name} is packed in a way that is not read: pack it anew, as zip usually does")
    return archive.open(name)


PACKED: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".xz": lzma.open,
    ".bz2": bz2.open,
    ".zip": _open_zip,
}


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """The file as it is after unpacking.

    Raises:
        DataError: no such file, a folder, no permission, or a packed file that is damaged.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; a file is needed")
    if not path.exists():
        raise DataError(f"there is no file {path}")
    try:
        packed = PACKED.get(path.suffix.lower())
        opened: Any = packed(path) if packed else path.open("rb")
        with opened as file:
            yield file
    except DataError:
        raise
    except (RuntimeError, NotImplementedError) as error:
        if path.suffix.lower() != ".zip":
            raise
        raise DataError(f"{path} cannot be unpacked: {' '.join(str(error).split())[:200]}") from error
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} is damaged or cut off: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or ' '.join(str(error).split())}") from error


def blocks(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """What :func:`open_binary` opened, a block at a time.

    Raises:
        DataError: a packed file unpacks to far more than texts do.
    """
    limit = allowed_size(path) if path.suffix.lower() in PACKED else None
    size = 0
    for block in gathered(stream_blocks(file)):
        size += len(block)
        if limit is not None and size > limit:
            raise DataError(f"{path} unpacks to more than {limit:,} bytes, which no text does; unpack it yourself")
        yield block


def stream_blocks(file: BinaryIO) -> Iterator[bytes]:
    """What a stream has, as it comes."""
    while block := cast(io.BufferedReader, file).read1(_BLOCK):
        yield block


def gathered(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same in blocks of some size: a packed file may give a byte at a time, and a long line one from each."""
    found = bytearray()
    for part in parts:
        if not found and len(part) >= _BLOCK // 2:
            yield part
            continue
        found += part
        if len(found) >= _BLOCK:
            yield bytes(found)
            found.clear()
    if found:
        yield bytes(found)


def check_encoding(encoding: str | None) -> str | None:
    """The encoding to read with where that one is named.

    Raises:
        DataError: there is no such encoding of texts.
    """
    try:
        known: Any = codecs.lookup(encoding or "utf-8")
        if not known._is_text_encoding or known.name in _NOT_TEXT:
            raise LookupError
        return "cp1252" if known.name == "iso8859-1" else encoding
    except (LookupError, ValueError):
        raise DataError(f"there is no encoding {str(encoding)[:40]!r}; such as utf-8, cp1252, utf-16") from None


def decoded_lines(parts: Iterable[bytes], name: str, encoding: str | None = None) -> Iterator[str]:
    """The lines of a file of text with their ends; a byte order mark is left off.

    Args:
        parts: the bytes, in pieces of any length.
        name: of the file, for messages.
        encoding: where it is known; None to find it out as this module says.

    Raises:
        DataError: bytes that are no text of the encoding, or a line of more than `ROW_LIMIT` bytes.
    """
    parts = iter(parts)
    first = next(parts, b"")
    named, encoding = encoding, check_encoding(encoding) or _wide(first)
    parts = itertools.chain([first], parts)
    if named and named != encoding:
        parts = _note_letters(parts, name)
    if encoding:
        parts = _recoded(
            parts, name, encoding, _HINT if named else "it begins as that, and is damaged or cut off there"
        )
        first = next(parts, b"")
        parts = itertools.chain([first], parts)
    body = first.rstrip(b"\r\n")
    end = b"\r" if b"\r" in body and b"\n" not in body else b"\n"  # of old Macintosh files, and of Excel's for them
    beyond_ascii = western = False
    for number, raw in enumerate(_split(parts, end), 1):
        if len(raw) > ROW_LIMIT:
            raise DataError(f"{name}:{number} is longer than {ROW_LIMIT:,} bytes, the most that a row may have")
        line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
        beyond_ascii = beyond_ascii or len(line) < len(raw)  # a mark of UTF-8
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            at = f"{name}:{number} has bytes that are not UTF-8 (0x{line[error.start]:02x} as byte {error.start + 1})"
            if beyond_ascii:
                raise DataError(f"{at}, though the text before is: the file is damaged, or {_HINT}") from None
            if not western and error.reason == "unexpected end of data" and error.end == len(line):
                raise DataError(f"{at}: the file is cut off there, or {_HINT}") from None
            if (read := _western(line)) is None:
                raise DataError(f"{at} nor Western text of Windows: {_HINT}") from None
            if not western:
                note_once("%s is not UTF-8: read as cp1252 (encoding= overrides)", name)
            text, western = read, True
        else:
            if not text.isascii():
                if western:
                    raise DataError(f"{name}:{number} is UTF-8, though lines before are not: save all of it as UTF-8")
                beyond_ascii = True
        yield text.removesuffix("\r") + "\n" if end == b"\r" and text.endswith("\r") else text


def decoded_text(parts: Iterable[bytes], name: str, encoding: str | None = None) -> Iterator[str]:
    """The text of a file, in pieces: as `decoded_lines`, but UTF-8, UTF-16 or UTF-32 where no encoding is named."""
    parts = iter(parts)
    first = next(parts, b"")
    known = check_encoding(encoding) or _wide(first) or "utf-8"
    start = True
    for piece in _recoded(itertools.chain([first], parts), name, known, _HINT):
        text = piece.decode("utf-8")
        yield text.removeprefix("\ufeff") if start else text
        start = False


def weight(cells: Iterable[Any]) -> int:
    """About how many bytes a row takes in memory.

    Raises:
        DataError: lists lie in lists more than `DEPTH_LIMIT` deep.
    """
    total, level = 0, list(cells)
    for _ in range(DEPTH_LIMIT):
        total += _CELL * len(level) + sum(len(value) for value in level if isinstance(value, str | bytes))
        level = [part for value in level if isinstance(value, list | tuple | dict) for part in _parts(value)]
        if not level:
            return total
    raise DataError(f"is nested more than {DEPTH_LIMIT} deep")


def spans(sizes: Iterable[int], most: int) -> Iterator[tuple[int, int]]:
    """Cut rows of these sizes into pieces of up to *most* rows and `CHUNK_LIMIT` bytes: first row, and that behind."""
    start = stop = total = 0
    for stop, size in enumerate(sizes):
        if stop > start and (stop - start == most or total + size > CHUNK_LIMIT):
            yield start, stop
            start, total = stop, 0
        total += size
    if total:
        yield start, stop + 1


def shown(names: Sequence[Any], most: int = 8) -> str:
    """Some names for a message, which is never longer than 200 characters for them."""
    cut = [name if len(name) <= 40 else name[:39] + "…" for name in map(str, names[:most])]
    while len(cut) > 1 and sum(map(len, cut)) + 2 * len(cut) > 180:
        cut.pop()
    more = len(names) - len(cut)
    return ", ".join(cut) + (f" and {more:,} more" if more else "")


def _parts(value: Any) -> Iterable[Any]:
    return itertools.chain(value, value.values()) if isinstance(value, dict) else value


def _split(parts: Iterable[bytes], end: bytes) -> Iterator[bytes]:
    """Lines with their ends. Of one that is too long, what is there until that shows."""
    rest = b""
    for part in parts:
        *lines, rest = (rest + part).split(end)
        for line in lines:
            yield line + end
        if len(rest) > ROW_LIMIT:
            break
    if rest:
        yield rest


def _wide(first: bytes) -> str | None:
    """UTF-32 or UTF-16 by its mark, or by the control bytes that two or three of four bytes of it are."""
    if first.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    low, *middle, high = (_control_share(first[place:1000:4]) for place in range(4))
    if high == middle[1] == 1 and low < 1 / 2:
        return "utf-32-le"
    if low == middle[0] == 1 and high < 1 / 2:
        return "utf-32-be"
    even, odd = (len(first[place:1000:2].translate(None, _PRINTED)) for place in (0, 1))
    if max(even, odd) < 2 or max(even, odd) * 4 < len(first[:1000]) or min(even, odd) * 4 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _control_share(part: bytes) -> float:
    return len(part.translate(None, _PRINTED)) / max(1, len(part))


@lru_cache(1000)
def note_once(line: str, name: str) -> None:
    """Log what a file is read as, once a file."""
    logging.getLogger("mien").warning(line, quoted(name))


def _note_letters(parts: Iterable[bytes], name: str) -> Iterator[bytes]:
    """Note it where cp1252 has a letter or a sign and latin-1 a control character."""
    for part in parts:
        if _C1.search(part):
            note_once("note: %s: latin-1 is read as cp1252, as browsers do", name)
        yield part


def _recoded(parts: Iterable[bytes], name: str, encoding: str, advice: str) -> Iterator[bytes]:
    """The same text in UTF-8; *advice* is for one that holds other bytes."""
    decoder, number = codecs.getincrementaldecoder(encoding)("strict"), 1
    for part in itertools.chain(parts, [b""]):
        try:
            text = decoder.decode(part, final=not part).encode("utf-8")
        except UnicodeError as error:
            number += part[: getattr(error, "start", 0)].count(b"\n")
            raise DataError(f"{name}:{number} has bytes that are not {encoding}: {advice}") from None
        number += text.count(b"\n")
        if text:
            yield text


def _western(line: bytes) -> str | None:
    """The line as cp1252, None where it is not that."""
    if _FOREIGN.search(line) or any(len(set(run)) > 2 for run in _RUN.findall(line)):
        return None
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        return None
