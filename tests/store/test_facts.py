"""Facts are noted once, sealed by the thousand, and each can be proven; none can be changed unseen."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.store import audit, facts, merkle, samples
from gapura.store.base import Connection
from gapura.store.facts import Proven
from gapura.store.merkle import Beside
from gapura.store.sqlite import Store
from gapura.store.visits import DAY


def note(store: Store, count: int, account: str = "acc_1") -> None:
    def work(db: Connection) -> None:
        for n in range(count):
            facts.put(db, "notice", account, f"{n}", {"state": "delivered", "n": n}, n)

    store.write(work).result()


def seal(store: Store, most: int = facts.MOST) -> int:
    return store.write(lambda db: facts.seal(db, store.secret, store.clock(), most)).result()


def proven(store: Store, account: str = "acc_1") -> list[Proven]:
    return store.read(lambda db: facts.of_account(db, account))


def spoil(store: Store, sql: str) -> None:
    def work(db: Connection) -> None:
        db.execute("DROP TRIGGER fact_is_never_changed; DROP TRIGGER fact_is_never_deleted")
        db.execute(sql)

    store.write(work).result()


@given(st.lists(st.binary(max_size=9), min_size=1, max_size=40, unique=True), st.data())
def test_each_leaf_has_a_way_to_the_root_and_nothing_else_has(things: list[bytes], data: st.DataObject) -> None:
    leaves = [merkle.leaf(thing) for thing in things]
    place = data.draw(st.integers(0, len(leaves) - 1))
    root, way = merkle.root(leaves), merkle.path(leaves, place)
    assert merkle.climbed(leaves[place], way) == root
    assert len(way) <= 6
    other = merkle.leaf(data.draw(st.binary(max_size=9).filter(lambda thing: thing != things[place])))
    assert merkle.climbed(other, way) != root
    if way:
        step = data.draw(st.integers(0, len(way) - 1))
        turned = [Beside(one.hash, not one.left) if n == step else one for n, one in enumerate(way)]
        assert merkle.climbed(leaves[place], turned) != root


def test_a_fact_is_noted_once(store: Store) -> None:
    note(store, 2)
    note(store, 3)
    assert [one.fact.subject for one in proven(store)] == ["0", "1", "2"]
    assert {one.entry for one in proven(store)} == {None}
    with pytest.raises(Exception, match="never changed"):
        store.write(lambda db: db.execute("UPDATE fact SET at = 9").get).result()
    with pytest.raises(Exception, match="never deleted"):
        store.write(lambda db: db.execute("DELETE FROM fact").get).result()


def test_a_seal_covers_what_came_before_it_and_stands_in_the_audit(store: Store) -> None:
    note(store, 7)
    assert [seal(store, 5), seal(store, 5), seal(store, 5)] == [5, 2, 0]
    note(store, 1, "acc_2")
    found = proven(store)
    assert all(map(facts.is_sound, found)) and [one.entry for one in found] == [1] * 5 + [2] * 2
    entries = store.read(audit.entries)
    assert [(one.action, one.subject) for one in entries] == [
        ("facts.seal", f"1-5.{found[0].root}"), ("facts.seal", f"6-7.{found[5].root}"),
    ]  # fmt: skip
    assert store.read(facts.verify) is None
    assert proven(store, "acc_2")[0].entry is None
    for name, value in (("at", 99), ("body", "{}"), ("account", "acc_9"), ("subject", "x")):
        changed = msgspec.structs.replace(found[3], fact=msgspec.structs.replace(found[3].fact, **{name: value}))
        assert not facts.is_sound(changed)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE fact SET at = at + 1 WHERE seq = 3",
        "UPDATE fact SET body = replace(body, 'delivered', 'refused') WHERE seq = 2",
        "UPDATE fact SET account = 'acc_2' WHERE seq = 1",
        "DELETE FROM fact WHERE seq = 2",
        "DELETE FROM fact WHERE seq = 5",
        "UPDATE fact SET seq = 9 WHERE seq = 5",
        "UPDATE fact_seal SET root = replace(root, substr(root, 1, 1), 'x')",
        "UPDATE fact_seal SET last = 4",
        "UPDATE audit SET subject = 'x'",
    ],
)
def test_whatever_is_changed_is_found(store: Store, sql: str) -> None:
    note(store, 5)
    seal(store)
    assert store.read(facts.verify) is None
    spoil(store, sql)
    problem = store.read(facts.verify)
    assert problem and problem.seq == 1


def test_of_each_place_and_effect_the_first_decision_in_thirty_days_is_sampled(store: Store) -> None:
    day = 20_010
    rows = [
        ("req_1", "acc_1", "warn", "CN", day),
        ("req_2", "acc_1", "warn", "CN", day + 3),
        ("req_3", "acc_1", "block", "CN", day),
        ("req_4", "acc_1", "warn", "CN", day + 30),
        ("req_5", "acc_1", "allow", "SG", day),
        ("req_6", "acc_2", "block", "HK", day),
        ("req_7", "", "block", "HK", day),
    ]

    def work(db: Connection) -> None:
        for name, account, effect, territory, on in rows:
            db.execute(
                "INSERT INTO request (id, outcome, account, effect, territory, policy_version, opened_at, incarnation)"
                " VALUES (?, 'complete', ?, ?, ?, 'v', ?, 'i')",
                (name, account, effect, territory, on * DAY),
            )
        verdict = '[["openai/gpt-4o","block","openai/api","coverage","a word about somebody",true]]'
        db.execute("INSERT INTO request_place VALUES ('req_3', '192.0.2.1', '192.0.2.1', '[]', ?)", (verdict,))

    store.write(work).result()
    assert store.write(samples.take_in).result() == len(rows)
    assert store.write(samples.take_in).result() == 0
    bodies = [msgspec.json.decode(one.fact.body) for one in proven(store)]
    assert [body["id"] for body in bodies] == ["req_1", "req_3", "req_4"]
    assert bodies[1]["verdicts"] == [["openai/gpt-4o", "block", "openai/api", "coverage", True]]
    everything = store.read(lambda db: db.execute("SELECT group_concat(body) FROM fact").get)
    assert "somebody" not in str(everything) and "192.0.2.1" not in str(everything)
    assert len(proven(store, "acc_2")) == 1 and proven(store, "") == []
