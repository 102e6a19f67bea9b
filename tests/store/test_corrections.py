import pytest

from gapura.clock import SECOND, instant
from gapura.errors import BadRequest, NotFound
from gapura.store import corrections
from gapura.store.base import Connection
from gapura.store.corrections import Correction, Wanted
from gapura.store.sqlite import Store

NOW = instant("2026-11-22T12:00:00+00:00")
LATER = NOW + 86_400 * SECOND


def wanted(prefix: str = "203.0.113.0/24", territory: str = "SG", ends: int = LATER, subdivision: str = "") -> Wanted:
    return Wanted(
        prefix=prefix, territory=territory, reason="we own it", owner="ops", ends=ends, subdivision=subdivision
    )


def test_one_for_the_same_prefix_takes_the_place_of_the_former(store: Store) -> None:
    def work(db: Connection) -> list[Correction]:
        corrections.correct(db, wanted("2001:db8:0::/48", "CN"), NOW)
        corrections.correct(db, wanted("192.0.2.7"), NOW)
        corrections.correct(db, wanted("2001:db8::/48", "UA", subdivision="UA-43"), NOW + 1)
        return corrections.every(db)

    found = store.write(work).result()
    assert [(one.prefix, one.territory, one.subdivision) for one in found] == [
        ("192.0.2.7/32", "SG", ""),
        ("2001:db8::/48", "UA", "UA-43"),
    ]


def test_what_is_over_is_there_and_not_in_force(store: Store) -> None:
    store.write(lambda db: corrections.correct(db, wanted(), NOW)).result()
    assert len(store.read(lambda db: corrections.in_force(db, LATER - 1))) == 1
    assert store.read(lambda db: corrections.in_force(db, LATER)) == []
    assert len(store.read(corrections.every)) == 1


def test_removing_needs_one_that_is_there(store: Store) -> None:
    store.write(lambda db: corrections.correct(db, wanted(), NOW)).result()
    assert store.write(lambda db: corrections.remove(db, "203.0.113.0/24")).result().territory == "SG"
    with pytest.raises(NotFound, match=r"203\.0\.113\.0/24"):
        store.write(lambda db: corrections.remove(db, "203.0.113.0/24")).result()


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        (wanted("203.0.113.1/24"), "prefix", "host bits"),
        (wanted("0.0.0.0/0"), "prefix", "wider than /8"),
        (wanted("2000::/3"), "prefix", "wider than /16"),
        (wanted("somewhere"), "prefix", "write e.g."),
        (wanted(ends=NOW), "ends", "over already"),
        (wanted(subdivision="UA-43"), "subdivision", "no part of SG"),
    ],
)
def test_what_cannot_be_meant_names_its_field(asked: Wanted, field: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        corrections.correction(asked, NOW)
    assert refused.value.param == field
