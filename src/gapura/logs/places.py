"""Distinct addresses → places, once each, a slice at a time."""

from collections.abc import Sequence
from typing import Any, Protocol

from gapura.logs.engine import Engine
from gapura.terms.place import Located, Origin

SLICE = 500_000
"""Addresses in memory at once, at some 100 bytes each."""

ASSERTED = "territory:"
"""Before a territory that stands in the place of an address."""


class Locator(Protocol):
    """As `gapura.atlas.batch.Batch`: numbers are indices into `places`, blocks are those of its `block`."""

    places: list[Located]

    def texts(self, written: Sequence[str]) -> tuple[Any, Any]: ...


class Origins:
    """Numbered, as rows name them.  Private and malformed addresses are at the site, where one is set."""

    def __init__(self, site_territory: str) -> None:
        self.known: list[Origin] = []
        self._numbers: dict[Origin, int] = {}
        self._site = site_territory

    def number(self, origin: Origin) -> int:
        number = self._numbers.setdefault(origin, len(self.known))
        if number == len(self.known):
            self.known.append(origin)
        return number

    def located(self, place: Located) -> int:
        if place.certainty != "absent":
            return self.number(
                Origin(
                    place.territory, place.certainty, "peer", answers=place.answers, subdivision=place.subdivision,
                    network=place.network, confidence=place.confidence,
                )
            )  # fmt: skip
        if self._site:
            return self.number(Origin(self._site, "certain", "site", network="private"))
        return self.number(Origin("", "absent", "none"))

    def asserted(self, territory: str) -> int:
        code = territory.strip().upper()
        known = len(code) == 2 and code.isalpha()  # noqa: PLR2004 - ISO 3166-1
        return self.number(Origin(code if known else "", "certain" if known else "uncertain", "asserted-territory"))


def locate(engine: Engine, origins: Origins, locator: Locator, older: Locator | None) -> None:
    """Makes `addresses`: id, address, place, older, block.  Without older data, `older` is `place`."""
    engine.run(
        "CREATE TABLE texts AS SELECT (row_number() OVER () - 1)::INTEGER AS id, address"
        " FROM (SELECT DISTINCT address FROM seen)"
    )
    engine.run("CREATE TABLE located (id INTEGER, place INTEGER, older INTEGER, block UBIGINT)")
    count = engine.row("SELECT count(*) FROM texts")[0]
    for start in range(0, count, SLICE):
        part = engine.columns(f"SELECT id, address FROM texts WHERE id >= {start} AND id < {start + SLICE}")
        written = part["address"].tolist()
        numbers, blocks = locator.texts(written)
        arrays = {"id": part["id"], "place": _translated(numbers, locator, origins), "block": blocks}
        arrays["older"] = _translated(older.texts(written)[0], older, origins) if older else arrays["place"]
        engine.put("part", "INSERT INTO located SELECT id, place, older, block FROM part", arrays)
    for number, address in engine.rows(f"SELECT id, address FROM texts WHERE starts_with(address, '{ASSERTED}')"):
        place = origins.asserted(address.removeprefix(ASSERTED))
        engine.run("UPDATE located SET place = ?, older = ? WHERE id = ?", place, place, number)
    engine.run("CREATE TABLE addresses AS SELECT * FROM texts JOIN located USING (id)")
    engine.run("DROP TABLE texts")
    engine.run("DROP TABLE located")


def _translated(numbers: Any, locator: Locator, origins: Origins) -> Any:
    """A locator's numbers → ours."""
    import numpy as np  # noqa: PLC0415 - of the extra, see `engine`

    return np.array([origins.located(place) for place in locator.places], np.int32)[numbers]
