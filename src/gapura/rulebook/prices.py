"""`[prices]` of a document: what the operator pays, where the vendors' lists say something else or nothing.

[[prices."glm/glm-5.3"]]
currency = "CNY"
from = 2026-12-01T00:00:00+08:00
input = 8
cached = 2
output = 28
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gapura.providers.prices import AMOUNTS, billionths
from gapura.rulebook.documents import BadDocument, below, nearest, no_twins, or_bad, table, term, when
from gapura.shapes import CURRENCY
from gapura.terms.price import Price, Rates


class Written(msgspec.Struct, frozen=True):
    """A price as it is written: amounts for a million tokens (of input, cached input, output, reasoning), a million
    characters, an image and a second; `above` so many tokens of input, `starts` (as `from`) an instant."""

    currency: Annotated[str, CURRENCY]
    starts: Any = None
    above: Annotated[int, Meta(ge=0)] = 0
    input: Any = None
    cached: Any = None
    output: Any = None
    reasoning: Any = None
    image: Any = None
    second: Any = None
    character: Any = None
    source: str = ""


def prices(raw: object, known: Sequence[str]) -> Iterator[Price]:
    """`known`: the providers that there are.  Raises BadDocument."""
    if not isinstance(raw, Mapping):
        raise BadDocument("prices", 'expected tables, as [prices."glm/glm-5.3"]')
    for name, said in raw.items():
        path = below("prices", name)
        provider, _, model = name.partition("/")
        if not provider or not model:
            raise BadDocument(path, f"{name!r} is not provider/model, as glm/glm-5.3")
        if provider not in known:
            raise BadDocument(path, f"there is no provider {provider!r}{nearest(provider, known)}")
        listed = list(enumerate(said)) if isinstance(said, list) else [(None, said)]
        rows = [_row(one, path if index is None else f"{path}[{index}]") for index, one in listed]
        yield from _dated(provider, model, rows, path)


Row = tuple[int, Written, Rates]


def _row(raw: object, path: str) -> Row:
    written = term(table(raw, path, Written), path, Written)
    amounts = {
        name: or_bad(billionths, getattr(written, name), below(path, name))
        for name in AMOUNTS
        if getattr(written, name) is not None
    }
    if not amounts:
        raise BadDocument(path, f"a price says at least one of {', '.join(AMOUNTS)}")
    starts = 0 if written.starts is None else when(written.starts, f"{path}.from")
    return starts, written, Rates(above=written.above, **amounts)


def _dated(provider: str, model: str, rows: Sequence[Row], path: str) -> Iterator[Price]:
    """One price a date; its tiers begin at 0."""
    for starts in sorted({starts for starts, _, _ in rows}):
        same = sorted([row for row in rows if row[0] == starts], key=lambda row: row[2].above)
        no_twins(
            [str(rate.above) for _, _, rate in same], path, "two prices from the same instant, for the same length"
        )
        if same[0][2].above:
            raise BadDocument(path, "what does a short request cost? one price has no `above`")
        if len({written.currency for _, written, _ in same}) > 1:
            raise BadDocument(f"{path}.currency", "prices from the same instant are in one currency")
        written = same[0][1]
        tiers = tuple(rate for _, _, rate in same)
        yield Price(
            provider=provider,
            model=model,
            currency=written.currency,
            tiers=tiers,
            starts=starts,
            source=written.source or "gapura.toml",
        )
