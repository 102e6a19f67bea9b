"""A letter as text: complete by itself, for readers, screen readers and archives that show nothing else."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from gapura.letters.page import Page, Row, Section

WIDTH = 72

# East Asian text breaks between any two signs, but not before closing punctuation, nor behind an opening one.
_CLOSING, _OPENING = "、。，．：；！？）」』】》〉…", "（「『【《〈"
_PIECES = re.compile(r"\s+|[⺀-鿿豈-﫿＀-￯　-〿]|[^\s⺀-鿿豈-﫿＀-￯　-〿]+")


def render(pages: Sequence[Page]) -> str:
    """All languages of the letter, one after another; lines end with a line feed."""
    return f"\n{'_' * WIDTH}\n\n".join("\n".join(_page(page)) + "\n" for page in pages)


def _page(page: Page) -> Iterator[str]:
    yield from wrap(page.greeting)
    yield ""
    for paragraph in page.summary:
        yield from wrap(paragraph)
    for section in page.sections:
        yield from _section(section, page.colon)
    yield ""
    yield "-" * WIDTH
    for paragraph in page.closing:
        yield from wrap(paragraph)


def _section(section: Section, colon: str) -> Iterator[str]:
    yield ""
    yield ""
    yield from wrap(section.heading)
    yield "=" * min(width(section.heading), WIDTH)
    for paragraph in section.paragraphs:
        yield ""
        yield from wrap(paragraph)
    if section.rows:
        yield ""
        for row in section.rows:
            yield from _row(row, colon)
    for step in section.steps:
        yield ""
        yield from wrap(step.text)
        if step.link:
            yield f"  {step.link.url}"


def _row(row: Row, colon: str) -> Iterator[str]:
    """On one line where it fits; what is to be copied is never broken within."""
    line = f"  {row.label}{colon}{row.value}"
    if width(line) <= WIDTH:
        yield line
        return
    yield from wrap(f"{row.label}{colon}", "  ")
    yield from wrap(row.value, "    ")


def wrap(text: str, indent: str = "") -> list[str]:
    """Lines of at most `WIDTH` columns; a word that is longer than a line stands on one of its own.

    >>> wrap("自 2024年7月9日 起，" * 6)[0]
    '自 2024年7月9日 起，自 2024年7月9日 起，自 2024年7月9日 起，自 2024年7月'
    """
    lines, line, used = [], indent, len(indent)
    for piece in _together(_PIECES.findall(text)):
        size = width(piece)
        if used + size > WIDTH and line.strip():
            lines.append(line.rstrip())
            line, used = indent, len(indent)
        if piece.isspace() and not line.strip():
            continue
        line, used = line + piece, used + size
    return [*lines, line.rstrip()] if line.strip() else lines


def _together(pieces: Iterable[str]) -> Iterator[str]:
    """Pieces that a line may not be broken between, as one."""
    held = ""
    for piece in pieces:
        if held and (piece[0] in _CLOSING or held[-1] in _OPENING):
            held += piece
            continue
        if held:
            yield held
        held = piece
    if held:
        yield held


def width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text
    )
