"""What a person wrote in a mail: HTML as text, without the mail that is answered, without signatures."""

from __future__ import annotations

import re

from mien.datasets.chats.spoken import unescape

_BLOCKS = {
    "p",
    "br",
    "div",
    "tr",
    "li",
    "ul",
    "ol",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "pre",
    "section",
}
_HIDDEN = {"script", "style", "head", "title", "template"}
_VOID = {"br", "hr", "img", "meta", "link", "input", "col", "area", "base", "wbr", "source", "embed", "param", "track"}
_QUOTE_CLASSES = re.compile(r"\b(?:gmail_quote|yahoo_quoted|protonmail_quote|moz-cite-prefix|zmail_extra)\b")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
#: A tag or a declaration. None holds "<", so that a page of nothing else is read in time linear in its length.
_TAG = re.compile(
    r"""<(?P<end>/?)(?P<name>[a-zA-Z][^\s/<>]*+)(?P<attributes>(?:[^<>"']|"[^"<]*"|'[^'<]*')*+)>|<[a-zA-Z/!?][^<>]*>"""
)
_CLASS = re.compile(r"""\bclass\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_ORIGINAL = re.compile(
    r"^(?:>\s*)*(?:-{2,}\s*(?:Original|Forwarded|Ursprüngliche|Weitergeleitete|Mensaje|Message|Messaggio|Mensagem|"
    r"Oorspronkelijk|Wiadomość|Исходное)\b.{0,40}?-{2,}|_{20,}|Begin forwarded message:|"
    r"Anfang der weitergeleiteten Nachricht:)\s*$",
    re.IGNORECASE,
)
_WROTE = re.compile(
    r"^(?:On|Am|Le|El|Il|Op|Em|Den|W dniu|Dnia|On the|\d{1,4}[./-]).{4,300}"
    r"(?:wrote|schrieb[^:]{0,120}|a écrit|escribió|ha scritto|schreef[^:]{0,120}|escreveu|skrev[^:]{0,120}|"
    r"napisał(?:\(a\)|a)?|"
    r"пишет|написал(?:\(а\)|а)?)\s?:\s*$",
    re.IGNORECASE | re.DOTALL,
)
_FROM = re.compile(r"^\*?(?:From|Von|De|Da|Van|Od|От)\s?:\*?\s+\S", re.IGNORECASE)
_FIELD = re.compile(
    r"^\*?(?:Sent|Date|To|Subject|Cc|Gesendet|Datum|An|Betreff|Envoyé|À|Objet|Enviado(?: el)?|Para|Asunto|Inviato|A|"
    r"Oggetto|Verzonden|Aan|Onderwerp|Wysłano|Do|Temat|Отправлено|Кому|Тема)\s?:\*?\s",
    re.IGNORECASE,
)
_DEVICE = re.compile(
    r"^(?:Sent from (?:my|Outlook|Yahoo|Mail for|the)|Get Outlook for|Von meinem|Gesendet (?:von|mit)|"
    r"Envoyé (?:de|depuis)|Enviado (?:desde|do|de)|Inviato da|Verstuurd vanaf|Verzonden vanaf|Wysłane z|Отправлено с|"
    r"Skickat från|Sendt fra)\b.{0,80}$",
    re.IGNORECASE,
)
_LONG = 1_000  # characters of a line that no program writes above a mail that is answered
_ATTRIBUTION = 4  # lines over which "On …, … wrote:" may go


def own_words(text: str) -> tuple[str, list[str]]:
    """The text of a mail that its sender wrote, and what was left out: "quoted mail", "signature"."""
    lines, left_out = text.replace("\r\n", "\n").split("\n"), list[str]()
    lines, quoted = _without_quotes(lines)
    if quoted:
        left_out.append("quoted mail")
    lines, signed = _without_signature(lines)
    if signed:
        left_out.append("signature")
    kept = re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in lines)).strip()
    return kept, left_out


def _without_quotes(lines: list[str]) -> tuple[list[str], bool]:
    kept, place, quoted = list[str](), 0, False
    while place < len(lines):
        line = lines[place]
        if line.startswith(">"):
            quoted, place = True, place + 1
            continue
        if (len(line) <= _LONG and _ORIGINAL.match(line.strip())) or _is_head(lines, place):
            return kept, True
        if length := _attribution(lines, place):
            quoted, place = True, place + length
            while place < len(lines) and not lines[place].strip():
                place += 1
            if place == len(lines) or not lines[place].startswith(">"):  # quoted without signs: all below is
                return kept, True
            continue
        kept.append(line)
        place += 1
    return kept, quoted


def _is_head(lines: list[str], place: int) -> bool:
    """Whether the mail that is answered begins, as Outlook has it: From, Sent, To, Subject."""
    if not _FROM.match(lines[place]):
        return False
    return sum(bool(_FIELD.match(line)) for line in lines[place + 1 : place + 6]) >= 2


def _attribution(lines: list[str], place: int) -> int:
    """How many lines "On …, … wrote:" takes here; 0 where it does not stand here."""
    for length in range(1, _ATTRIBUTION):
        some = lines[place : place + length]
        if len(some) < length or not some[-1].strip() or len(some[-1]) > _LONG:
            return 0
        if _WROTE.match(" ".join(map(str.strip, some))):
            return length
    return 0


def _without_signature(lines: list[str]) -> tuple[list[str], bool]:
    for place, line in enumerate(lines):
        if line in ("-- ", "--") or line.rstrip() == "--":
            return lines[:place], True
    last = max((place for place, line in enumerate(lines) if line.strip()), default=-1)
    if last >= 0 and _DEVICE.match(lines[last].strip()):
        return lines[:last], True
    return lines, False


def text_of_html(page: str) -> str:
    """The text of a page as it is read, without what is quoted."""
    found, quoted, skipped, depth, at = list[str](), False, "", 0, 0
    page = _COMMENT.sub("", page)
    for tag in _TAG.finditer(page):
        if not skipped:
            found.append(_words(page[at : tag.start()]))
        at = tag.end()
        end, name, attributes = tag["end"], (tag["name"] or "").lower(), tag["attributes"] or ""
        if skipped:  # until it ends; *depth*: of elements of its name
            depth += (name == skipped) * (-1 if end else 1)
            if not depth:
                skipped = ""
                found.append("\n")
        else:
            if name in _BLOCKS:
                found.append("\n")
            classes = "" if end else " ".join(map(str, _CLASS.findall(attributes)))
            quote = not end and (name == "blockquote" or bool(_QUOTE_CLASSES.search(classes)))
            if not end and (quote or name in _HIDDEN) and name not in _VOID and not attributes.endswith("/"):
                skipped, depth, quoted = name, 1, quoted or quote
    if not skipped:
        found.append(_words(page[at:]))
    lines = (" ".join(line.split()) for line in "".join(found).split("\n"))
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
    return text + "\n> …" if quoted else text  # so that it is counted


def _words(text: str) -> str:
    """Text of a page, in which line ends are blanks."""
    return unescape(" ".join(text.split("\n")))
