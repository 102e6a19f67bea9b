"""Policy versions: kept as written, and never changed."""

import apsw
import pytest

from gapura.errors import NotFound
from gapura.store import rulebooks
from gapura.store.base import Conflict, Connection, Work
from gapura.store.rulebooks import By, Damaged, Version
from gapura.store.sqlite import Store

FIRST, SECOND = "# ours\npolicies = []\n", '[[policies]]\npack = "openai/api"\n'


@pytest.fixture
def by(store: Store) -> By:
    return By("local:0", "because", store.clock())


def write(store: Store, work: Work[Version | None]) -> Version:
    found = store.write(work).result()
    assert found is not None
    return found


def propose(store: Store, text: str, by: By) -> str:
    return write(store, lambda db: rulebooks.propose(db, text, "toml", by)).id


def states(store: Store, version: str) -> list[str]:
    return [step.state for step in store.read(lambda db: rulebooks.history(db, version))]


def test_the_same_text_is_the_same_version_and_kept_to_the_letter(store: Store, by: By) -> None:
    first = propose(store, FIRST, by)
    assert first == rulebooks.digest(FIRST, "toml")[:16] == propose(store, FIRST, by)
    assert states(store, first) == ["proposed"]
    assert store.read(lambda db: rulebooks.document(db, first)).text == FIRST
    assert propose(store, FIRST + " ", by) != first != rulebooks.digest(FIRST, "yaml")[:16]


def test_one_is_in_force_and_one_beside_it(store: Store, by: By) -> None:
    first, second = propose(store, FIRST, by), propose(store, SECOND, by)
    assert store.read(lambda db: rulebooks.now(db, "active")) is None
    write(store, lambda db: rulebooks.activate(db, first, "book1", by))
    write(store, lambda db: rulebooks.shadow(db, second, "book2", by))
    with pytest.raises(Conflict):
        write(store, lambda db: rulebooks.shadow(db, first, "book1", by))
    write(store, lambda db: rulebooks.activate(db, second, "book2", by))
    assert store.read(lambda db: rulebooks.now(db, "shadow")) is None
    assert store.read(lambda db: rulebooks.in_state(db, "active")) == rulebooks.Document(second, "toml", SECOND)
    write(store, lambda db: rulebooks.activate(db, first, "book1", by))
    write(store, lambda db: rulebooks.activate(db, first, "book1", by))  # is in force: nothing happens
    assert states(store, first) == ["proposed", "active", "retired", "active"]
    assert states(store, second) == ["proposed", "shadow", "active", "retired"]
    write(store, lambda db: rulebooks.retire(db, by))
    assert store.read(lambda db: rulebooks.in_state(db, "active")) is None


def test_a_shadow_that_ends_is_what_it_was(store: Store, by: By) -> None:
    first, second = propose(store, FIRST, by), propose(store, SECOND, by)
    write(store, lambda db: rulebooks.activate(db, first, "", by))
    write(store, lambda db: rulebooks.activate(db, second, "", by))
    write(store, lambda db: rulebooks.shadow(db, first, "", by))
    third = propose(store, "policies = []", by)
    write(store, lambda db: rulebooks.shadow(db, third, "", by))
    write(store, lambda db: rulebooks.unshadow(db, by))
    assert store.write(lambda db: rulebooks.unshadow(db, by)).result() is None
    assert (states(store, first)[-1], states(store, third)[-1]) == ("retired", "proposed")


def test_names_of_a_version(store: Store, by: By) -> None:
    first, second = propose(store, FIRST, by), propose(store, SECOND, by)
    write(store, lambda db: rulebooks.activate(db, first, "0123456789abcdef", by))
    store.write(lambda db: rulebooks.part_of(db, first, "fedcba9876543210", by)).result()
    store.write(lambda db: rulebooks.part_of(db, first, "fedcba9876543210", by)).result()

    def found(name: str) -> str:
        return store.read(lambda db: rulebooks.get(db, name)).id

    assert found(first[:4]) == found("0123456789abcdef") == found("fedcba9876543210") == first
    assert found(second) == second and len(states(store, first)) == 3
    for name in ("", first[:3], "zzzz"):
        with pytest.raises(NotFound):
            found(name)


def test_a_beginning_that_two_share_names_none(store: Store, by: By) -> None:
    seen: dict[str, str] = {}
    texts = (f"# {number}\npolicies = []" for number in range(10_000))
    text = next(text for text in texts if seen.setdefault(rulebooks.digest(text, "toml")[:4], text) != text)
    twin = seen[rulebooks.digest(text, "toml")[:4]]
    versions = [propose(store, one, by) for one in (text, twin)]
    with pytest.raises(NotFound, match="more than one"):
        store.read(lambda db: rulebooks.get(db, versions[0][:4]))


def test_pages_begin_with_the_newest(store: Store, by: By) -> None:
    versions = [propose(store, f"# {number}\npolicies = []", by) for number in range(5)]
    first = store.read(lambda db: rulebooks.page(db, limit=3))
    rest = store.read(lambda db: rulebooks.page(db, first[-1].id, 3))
    assert [version.id for version in first + rest] == versions[::-1]


@pytest.mark.parametrize("table", ["policy_version", "policy_state"])
def test_what_is_written_stays(store: Store, by: By, table: str) -> None:
    propose(store, FIRST, by)
    for statement in (f"UPDATE {table} SET reason = 'another'", f"DELETE FROM {table}"):
        with pytest.raises(apsw.ConstraintError, match="never"):
            store.write(lambda db, sql=statement: db.execute(sql)).result()  # type: ignore[misc]  # a lambda's default


def test_damage_is_noticed(store: Store, by: By) -> None:
    first = propose(store, FIRST, by)

    def damage(db: Connection) -> None:
        db.execute("DROP TRIGGER policy_version_is_never_changed")
        db.execute("UPDATE policy_version SET document = 'policies = [] # laxer'")

    store.write(damage).result()
    with pytest.raises(Damaged, match=f"{first} is damaged"):
        store.read(lambda db: rulebooks.document(db, first))
