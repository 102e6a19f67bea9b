from functools import partial
from typing import Any

import msgspec
import pytest

from gapura.clock import TurnableClock
from gapura.errors import BadRequest, Forbidden, NotFound
from gapura.store import accounts
from gapura.store.accounts import MOVES, Plan, from_csv, from_dicts
from gapura.store.base import Conflict, Scope
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Status

TABLE = b"""\xef\xbb\xbfexternal_id,organisation,name,contact_owner,contact_billing,tokens_per_minute,data_may_go_to
c-1,acme,"Budi, Ltd",budi@acme.test,,5000,SG ID
c-2,acme,,,,,

c-3,globex,Siti,siti@globex.test,pay@globex.test,0,
"""


def load(store: Store, *items: dict[str, Any], scope: Scope = None) -> Plan:
    return store.write(lambda db: accounts.upsert(db, scope, from_dicts(items), store.clock())).result()


def everyone(store: Store) -> list[Account]:
    return store.read(lambda db: accounts.page(db, None))


def test_a_table_is_read_written_and_read_again_without_change(store: Store) -> None:
    rows = from_csv(TABLE)
    planned = store.read(lambda db: accounts.plan(db, None, rows, store.clock()))
    assert planned.counts() == {"created": 3, "updated": 0, "unchanged": 0}
    assert everyone(store) == [], "a plan writes nothing"
    done = store.write(lambda db: accounts.upsert(db, None, rows, store.clock())).result()
    assert done.counts() == planned.counts()
    budi, plain, siti = sorted(everyone(store), key=lambda account: account.external_id)
    assert (budi.name, budi.contacts, budi.tokens_per_minute) == ("Budi, Ltd", {"owner": "budi@acme.test"}, 5000)
    assert budi.data_may_go_to == ("SG", "ID")
    assert (plain.name, plain.status, plain.budget) == ("", "active", -1)
    assert siti.contacts == {"owner": "siti@globex.test", "billing": "pay@globex.test"}
    again = store.write(lambda db: accounts.upsert(db, None, rows, store.clock())).result()
    assert again.counts() == {"created": 0, "updated": 0, "unchanged": 3}


def test_what_is_not_said_stays(store: Store) -> None:
    load(store, {"external_id": "c-1", "name": "Budi", "budget": 7, "contacts": {"owner": "b@x.test"}})
    (before,) = everyone(store)
    done = load(store, {"external_id": "c-1", "budget": 8})
    assert done.counts() == {"created": 0, "updated": 1, "unchanged": 0}
    assert everyone(store) == [msgspec.structs.replace(before, budget=8)] == list(done.updated)
    assert before.organisation == accounts.DEFAULT_ORGANISATION


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (b"", "line 1, column external_id: missing"),
        (b"external_id,nmae\n", "line 1, column 'nmae': unknown; known are external_id, organisation"),
        (b"external_id,name,name\n", "line 1, column name: comes twice"),
        (b"external_id,status\n", "line 1, column 'status': unknown"),
        (b"external_id,budget\nc-1,7\nc-2,many\n", "line 3, column budget: Expected `int`, got `str`"),
        (b"external_id,budget\nc-1,-2\n", "line 2, column budget: Expected `int` >= -1"),
        (b"external_id,tokens_per_minute\nc-1,1.5\n", "line 2, column tokens_per_minute: Expected `int`"),
        (b"external_id,declared_territory\nc-1,Indonesia\n", "line 2, column declared_territory"),
        (b"external_id,data_may_go_to\nc-1,SG id\n", "line 2, column data_may_go_to"),
        (b"external_id;name\nc-1;Budi\n", "line 1: the columns are separated by ';'; save the table with commas"),
        (b"external_id,contact_billing\nc-1,nobody\n", "line 2, column contacts: Expected an e-mail address, as"),
        (b"external_id,language\nc-1,English please\n", "line 2, column language: Expected a language's code, as en"),
        (b'external_id\n"c\n1"\n', "line 3, column external_id: Expected 1 to 200 characters on one line"),
        (b"external_id,name\n,Budi\n", "line 2, column external_id: Object missing required field"),
        (b"external_id,name\nc-1\n", "line 2: 1 cells, the header has 2"),
        (b"external_id\nc-1\nc-2\nc-1\n", "line 4: c-1 of default comes twice"),
        (b'external_id,name\nc-1,"open\n', "line 2: unexpected end of data"),
        (b"external_id,name\nc-1,ok\nc-2,\xff\n", "line 3: this is not UTF-8"),
    ],
)
def test_a_wrong_table_is_refused_as_a_whole_naming_the_place(store: Store, table: bytes, words: str) -> None:
    with pytest.raises(BadRequest) as caught:
        store.write(lambda db: accounts.upsert(db, None, from_csv(table), store.clock())).result()
    assert words in caught.value.message
    assert everyone(store) == []


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"name": "x"}, "external_id"),
        ({"external_id": "c", "nmae": "x"}, "nmae"),
        ({"external_id": "c", "status": "suspended"}, "status"),
        ({"external_id": "c", "budget": "7"}, "budget"),
        ({"external_id": "c", "budget": True}, "budget"),
        ({"external_id": "c", "contacts": {"owner": 1}}, "contacts"),
        ({"external_id": "c", "language": "not a language"}, "language"),
        ({"external_id": ""}, "external_id"),
        ({"external_id": "c", "declared_territory": "SG\n"}, "declared_territory"),
        ({"external_id": "c", "data_may_go_to": ["SG\n"]}, "data_may_go_to"),
    ],
)
def test_a_wrong_item_is_refused_naming_its_field(store: Store, item: dict[str, Any], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        load(store, {"external_id": "fine"}, item)
    assert caught.value.param == f"accounts[1].{field}"
    assert everyone(store) == []


def test_nobody_reaches_another_organisation(store: Store) -> None:
    load(store, {"external_id": "a", "organisation": "acme"}, {"external_id": "g", "organisation": "globex"})
    acme, globex = sorted(everyone(store), key=lambda account: account.external_id)
    reads = [
        lambda db: accounts.get(db, "acme", globex.id),
        lambda db: accounts.by_external_id(db, "acme", "globex", "g"),
    ]
    for read in reads:
        with pytest.raises(NotFound):
            store.read(read)
    writes = [
        lambda db: accounts.set_status(db, "acme", globex.id, "warned"),
        lambda db: accounts.set_limits(db, "acme", globex.id, budget=1),
    ]
    for write in writes:
        with pytest.raises(NotFound):
            store.write(write).result()
    with pytest.raises(Forbidden, match="globex is not yours"):
        load(store, {"external_id": "g", "organisation": "globex", "budget": 0}, scope="acme")
    assert load(store, {"external_id": "g"}, scope="acme").created[0].organisation == "acme"
    assert {account.organisation for account in store.read(lambda db: accounts.page(db, "acme"))} == {"acme"}
    assert store.read(lambda db: accounts.get(db, "acme", acme.id)) == acme
    assert store.read(lambda db: accounts.get(db, None, globex.id)) == globex


def test_pages_follow_one_another(store: Store, clock: TurnableClock) -> None:
    for n in range(7):
        clock.turn(seconds=1)
        load(store, {"external_id": f"c-{n}"})
    seen, after = [], ""
    while page := store.read(partial(accounts.page, scope=None, after=after, limit=3)):
        seen.append([account.external_id for account in page])
        after = page[-1].id
    assert seen == [["c-0", "c-1", "c-2"], ["c-3", "c-4", "c-5"], ["c-6"]]


@pytest.mark.parametrize("start", MOVES)
@pytest.mark.parametrize("end", MOVES)
def test_only_the_moves_of_the_table_are_made(store: Store, start: Status, end: Status) -> None:
    account = load(store, {"external_id": "c"}).created[0].id
    store.write(lambda db: db.execute("UPDATE account SET status = ?", (start,))).result()
    future = store.write(lambda db: accounts.set_status(db, None, account, end))
    if end in MOVES[start]:
        assert future.result().status == end == everyone(store)[0].status
    else:
        with pytest.raises(Conflict, match=f"that is {start} can become .*, not {end}"):
            future.result()
        assert everyone(store)[0].status == start


def test_the_table_has_no_dead_end_and_no_move_to_where_one_is() -> None:
    assert set().union(*MOVES.values()) == set(MOVES)
    assert not [state for state, moves in MOVES.items() if state in moves or "active" not in moves | {state}]


def test_limits_change_one_by_one(store: Store) -> None:
    account = load(store, {"external_id": "c", "requests_per_minute": 60, "budget": 100}).created[0].id
    changed = store.write(lambda db: accounts.set_limits(db, None, account, tokens_per_minute=9)).result()
    assert (changed.requests_per_minute, changed.tokens_per_minute, changed.budget) == (60, 9, 100)
    assert everyone(store) == [changed]
    change = partial(accounts.set_limits, scope=None, account=account)
    wrong = {
        "budget": partial(change, budget=-2),
        "tokens_per_minute": partial(change, tokens_per_minute=-1),
        "requests_per_minute": partial(change, requests_per_minute=2**63),
    }
    for field, work in wrong.items():
        with pytest.raises(BadRequest, match=field):
            store.write(work).result()
