"""Model cards in a terminal of any width."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markdown import Markdown, MarkdownElement, TableElement
from rich.padding import Padding
from rich.text import Text

from mien.errors import printable

_WIDE = 1000  # as wide as any table is


class _FittingTable(TableElement):
    """A table, or where it is too wide an entry for each row: no figure is cut off."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for table in super().__rich_console__(console, options):
            if console.measure(table, options=options.update(max_width=_WIDE)).maximum <= options.max_width:  # type: ignore[arg-type]
                yield table  # type: ignore[misc]
                return
        heads = [cell.content.plain for cell in self.header.row.cells] if self.header and self.header.row else []
        for row in self.body.rows if self.body else ():
            first, *cells = [cell.content for cell in row.cells]
            yield Text(first.plain, style="bold")
            facts = [f"{head} {cell.plain}" for head, cell in zip(heads[1:], cells, strict=False) if cell.plain]
            yield Padding(Text(" · ".join(facts)), (0, 0, 0, 2))


class Card(Markdown):
    """A model card, as a terminal shows it."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "table_open": _FittingTable}

    def __init__(self, text: str, **options: Any) -> None:
        super().__init__(printable(text, layout=True), hyperlinks=False, **options)
