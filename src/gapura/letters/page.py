"""A letter in one language, before it has a form: what the text and the HTML show, in that order."""

from typing import NamedTuple


class Row(NamedTuple):
    """A line of a table.  `exact`: to be copied as it stands, as an address or a key."""

    label: str
    value: str
    exact: bool = False


class Link(NamedTuple):
    label: str
    url: str


class Step(NamedTuple):
    """A sentence, and where to go with it."""

    text: str
    link: Link | None = None


class Section(NamedTuple):
    """`paragraphs`, then `rows`, then `steps`."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()
    steps: tuple[Step, ...] = ()


class Page(NamedTuple):
    """`colon` stands between the label of a row and its value; `summary` is what the letter says in one or two
    sentences, `closing` what stands small at its end."""

    language: str
    direction: str
    colon: str
    subject: str
    greeting: str
    summary: tuple[str, ...]
    sections: tuple[Section, ...]
    closing: tuple[str, ...]
