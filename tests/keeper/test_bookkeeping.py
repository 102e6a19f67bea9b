"""What the keeper does for the ledger; and two keepers with one ledger, whose server comes and goes."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.postgres import Server, running

from gapura.clock import SECOND, TurnableClock
from gapura.keeper.bookkeeping import Bookkeeping
from gapura.keeper.granting import Granting
from gapura.keeper.ingest import Ingest
from gapura.keeper.jobs import Jobs
from gapura.keeper.lending import Lending
from gapura.keeper.recover import recover
from gapura.store import accounts, figures, grants, ledger, records
from gapura.store.base import StoreFailed
from gapura.store.jobs import Job
from gapura.store.journal import Journal
from gapura.store.ledger import Books, Standing, chain, pending
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store
from gapura.terms.figures import Flow
from gapura.terms.grants import Terms
from gapura.terms.link import VERSION, Ask, GiveBack, Grant, Hello
from gapura.terms.record import Context, Ended, Opened
from gapura.terms.usage import Usage

SECRET = Secret(b"the secret that both homes have!")
DAY = 86_400 * SECOND
CONTEXT = Context("acc_1", "key_1", "o", "m", True, False, "", "", "", "", "", "", "", "v", "allow", (), ())


class Nobody:
    count = 2

    async def recall(self, purse: str, incarnations: object) -> None:
        return


class Home:
    """A keeper without sockets: what it has in its store, and what it does with the ledger."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self.clock = TurnableClock(1_000_000)
        self.store = Store.open(folder / "gapura.db", secret=SECRET, clock=self.clock)
        self.ingest = Ingest(self.store, folder / "journal", self.clock)
        self.books = Bookkeeping(self.store, self.clock, url)
        self.lending = Lending(self.store, self.clock, "boot", shared=self.books.shared, catch_up=self.books.catch_up)
        self.journals: list[Journal] = []

    def gate(self, name: str) -> Journal:
        log = Journal.open(self.ingest.folder, name, segment_bytes=64 * 1024, clock=self.clock, boot="boot")
        self.journals.append(log)
        assert asyncio.run(self.lending.join(Hello(VERSION, name, 0, 1)))
        return log

    def ask(self, gate: str, want: int, n: int = 1, purse: str = "tok:acc_1") -> int:
        answer: Grant = asyncio.run(self.lending.answer(gate, Ask(n, purse, want), Nobody()))
        return answer.amount

    def serve(self, log: Journal, name: str, tokens: int, purse: str = "tok:acc_1") -> None:
        log.append(Opened(name, 1, 1, "glm", "glm-4.6", tokens, purse, context=CONTEXT))
        log.append(Ended(name, 2, "complete", 200, Usage(0, tokens)))

    def read(self, work: Callable[[Books], Any]) -> Any:
        return (self.books.shared or self.store).read(work)

    def standing(self, purse: str = "tok:acc_1") -> Standing:
        found: Standing = self.read(lambda db: ledger.standing(db, purse))
        return found

    def waiting(self) -> tuple[int, int]:
        return self.store.read(pending.state)

    def budget(self, total: int, ref: str = "b") -> None:
        self.store.write(lambda db: ledger.set_budget(db, "tok:acc_1", total, ref=ref, at=1)).result()

    def close(self) -> None:
        for log in self.journals:
            with suppress(OSError):  # a test has let it die
                log.close()
        self.books.close()
        self.store.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def homes(tmp_path: Path, server: Server) -> Iterator[list[Home]]:
    url = server.url()
    made = [Home(tmp_path / name, url) for name in ("one", "two")]
    yield made
    for home in made:
        home.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path)
    yield home
    home.close()


def test_what_was_posted_is_sealed_and_what_nobody_resolved_is_timed_out(alone: Home) -> None:
    alone.budget(100)
    alone.store.write(lambda db: ledger.hold(db, "h1", "left:tok:acc_1", 10, expires=alone.clock() + 5, at=1)).result()
    asyncio.run(alone.books.step())
    assert alone.store.read(chain.head).transfers == 2
    assert alone.standing().left == 90
    alone.clock.turn(seconds=1)
    asyncio.run(alone.books.step())
    assert alone.standing().left == 100
    asyncio.run(alone.books.finish())
    assert alone.store.read(chain.head).transfers == 3
    assert alone.store.read(lambda db: chain.verify(db, SECRET)) is None
    assert asyncio.run(alone.books.post()) == 0 and alone.books.problems() == []


def test_two_homes_share_what_an_account_has(homes: list[Home]) -> None:
    one, two = homes
    one.budget(100)
    logs = [one.gate("inc_1"), two.gate("inc_2")]
    assert [one.ask("inc_1", 60), two.ask("inc_2", 60)] == [60, 40], "what was decided here is posted before it is lent"
    one.serve(logs[0], "req_1", 50)
    two.serve(logs[1], "req_2", 40)
    for home in homes:
        asyncio.run(home.ingest.step())
        assert home.waiting() == (1, 0)
        while asyncio.run(home.books.post()):
            pass
    assert one.standing() == two.standing() == Standing(100, 0, 10, 90, 0)
    assert one.read(ledger.verify) == [] and one.store.read(ledger.verify) == []


def test_what_another_posts_between_a_look_and_a_catching_up_is_lent(homes: list[Home]) -> None:
    (one, _), nothing = homes, []

    async def meanwhile() -> None:
        while await one.books.post():
            pass
        await one.books.catch_up()
        nothing.append(await one.books.post() == 0)

    one.lending = Lending(one.store, one.clock, "boot", shared=one.books.shared, catch_up=meanwhile)
    one.gate("inc_1")
    one.budget(100)
    assert one.ask("inc_1", 60) == 60 and nothing == [True]


def test_a_keeper_that_dies_between_posting_and_crossing_out_posts_once(
    homes: list[Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = homes[0]
    one.budget(100)
    log = one.gate("inc_1")
    one.ask("inc_1", 60)
    one.serve(log, "req_1", 25)
    asyncio.run(one.ingest.step())

    def dies(*_: Any) -> None:
        raise StoreFailed("killed here")

    with monkeypatch.context() as dying:
        dying.setattr(pending, "done", dies)
        for _ in range(3):
            with pytest.raises(StoreFailed, match="killed here"):
                asyncio.run(one.books.post())
    assert one.waiting() == (1, 0)
    asyncio.run(one.books.post())
    assert one.waiting() == (0, 0)
    assert one.standing() == Standing(100, 40, 35, 25, 0)


def test_while_the_server_is_away_gates_go_on_with_their_slices(homes: list[Home], server: Server) -> None:
    one = homes[0]
    one.budget(100)
    log = one.gate("inc_1")
    assert one.ask("inc_1", 60) == 60
    server.stop()
    try:
        one.serve(log, "req_1", 50)
        asyncio.run(one.ingest.step())
        assert [row["outcome"] for row in one.store.read(records.export)] == ["complete"]
        with pytest.raises(StoreFailed, match="the shared ledger"):
            one.ask("inc_1", 20, n=2)
        with pytest.raises(StoreFailed, match="the shared ledger"):
            asyncio.run(one.books.post())
        one.budget(200, "raised meanwhile")
        assert one.waiting() == (2, 0)
    finally:
        server.start()
    while asyncio.run(one.books.post()):
        pass
    assert one.standing() == Standing(200, 140, 10, 50, 0)
    assert one.ask("inc_1", 20, n=3) >= 20


def test_what_was_lent_and_not_told_is_told_with_the_next_answer(
    homes: list[Home], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = homes[0]
    one.budget(100)
    one.gate("inc_1")
    asyncio.run(one.books.post())
    shared = one.books.shared
    assert shared is not None
    write = shared.write

    def lost(work: Any) -> Any:
        write(work).result()
        raise StoreFailed("the connection broke after the COMMIT")

    with monkeypatch.context() as breaking:
        breaking.setattr(shared, "write", lost)
        with pytest.raises(StoreFailed):
            one.ask("inc_1", 30)
    assert one.standing().lent == 30
    assert one.ask("inc_1", 20, n=2) == 30, "nothing more is lent for it"
    assert one.standing().lent == 30
    assert asyncio.run(one.lending.join(Hello(VERSION, "inc_1", 0, 1, lent={"tok:acc_1": 30})))
    assert one.standing().lent == 30


def test_what_a_dead_gate_was_lent_comes_back_after_what_it_spent(homes: list[Home]) -> None:
    one = homes[0]
    one.budget(100)
    log = one.gate("inc_1")
    one.ask("inc_1", 60)
    one.serve(log, "req_1", 25)
    log.close()
    asyncio.run(recover(one.store, one.ingest, one.clock, "boot"))
    assert one.standing().lent == 60
    while asyncio.run(one.books.post()):
        pass
    assert one.standing() == Standing(100, 75, 0, 25, 0)
    assert one.ask("inc_1", 5, n=9) == 0, "it is closed there, too"


def test_after_a_power_cut_what_was_with_gates_is_set_aside(homes: list[Home]) -> None:
    one = homes[0]
    one.budget(100)
    one.gate("inc_1").close()
    one.ask("inc_1", 60)
    asyncio.run(recover(one.store, one.ingest, one.clock, "another boot"))
    asyncio.run(one.books.post())
    assert one.standing() == Standing(100, 40, 0, 0, 60)
    one.store.write(lambda db: ledger.reconcile(db, "tok:acc_1", 60, ref="r", at=2)).result()
    asyncio.run(one.books.post())
    assert one.standing() == Standing(100, 100, 0, 0, 0)


def test_grants_are_made_there_and_refusals_are_kept_for_a_person(homes: list[Home]) -> None:
    one, two = homes
    terms = Terms(id="grt_1", account="acc_1", amount=0, programme="ernie", models=("ernie-4.5",))

    def make(db: Books) -> None:
        grants.fund(db, "ernie", "tokens", 100, ref="f", at=1)
        grants.create(db, terms, 80, "c", 1)

    one.store.write(make).result()
    asyncio.run(one.books.post())
    found = two.read(lambda db: grants.get(db, "grt_1"))
    assert (found.terms.models, found.standing.left) == (("ernie-4.5",), 80)
    again = Terms(id="grt_1", account="acc_2", amount=0)
    two.store.write(lambda db: grants.create(db, again, 5, "another", 1)).result()
    asyncio.run(two.books.post())
    assert two.waiting() == (0, 1)
    assert two.books.problems() == ["1 postings were refused by the shared ledger; `gapura ledger pending` lists them"]
    (listed,) = two.store.read(pending.listed)
    assert (listed.name, listed.refused) == ("grants.create", "there is a grant grt_1 already")


def test_what_comes_back_is_lent_again_elsewhere(homes: list[Home]) -> None:
    one, two = homes
    one.budget(100)
    one.gate("inc_1")
    two.gate("inc_2")
    assert one.ask("inc_1", 100) == 100
    assert two.ask("inc_2", 10) == 0
    asyncio.run(one.lending.give_back("inc_1", GiveBack("tok:acc_1", 30)))
    assert two.ask("inc_2", 10, n=2) == 10


@pytest.mark.parametrize("first", ["", "url"])
def test_a_ledger_is_not_left_behind(tmp_path: Path, server: Server, first: str) -> None:
    url = server.url()
    home = Home(tmp_path, url if first else "")
    home.budget(10)
    home.close()
    store = Store.open(tmp_path / "gapura.db", secret=SECRET)
    try:
        with pytest.raises(StoreFailed, match="set GAPURA_LEDGER_URL" if first else "for a home that is new"):
            Bookkeeping(store, TurnableClock(1), "" if first else url)
    finally:
        store.close()


def told(home: Home) -> list[str]:
    """What a home's webhooks are told, oldest first."""
    rows = home.store.read(lambda db: db.execute("SELECT topic FROM event ORDER BY seq").fetchall())
    return [str(topic) for (topic,) in rows]


def watch(*homes: Home) -> None:
    """What each keeper does for grants every half minute, and for the ledger every second."""
    for home in homes:
        runner = Jobs(home.store, home.clock)
        granting = Granting(home.store, runner, lambda *_: None, lambda _: None, home.clock, home.books.shared)
        job = Job(id=1, name="grant.watch", key="all", payload={}, state="leased", due_at=0, attempts=1,
                  leased_until=1, rung_at=0, ended_at=0, error="")  # fmt: skip
        asyncio.run(granting.watch(job))
        asyncio.run(home.books.finish())


def test_what_is_spent_through_any_gateway_is_told_once_by_one_of_them(homes: list[Home]) -> None:
    one, two = homes
    terms = Terms(id="grt_1", account="acc_1", amount=0, expires=10 * DAY)

    def begin(db: Any) -> None:
        """As where one was begun with the backup of the other."""
        accounts.upsert(db, None, accounts.from_dicts([{"external_id": "acme"}]), 1)
        db.execute("UPDATE account SET id = 'acc_1'")
        grants.create(db, terms, 100, "paid", 1)

    for home in homes:
        home.store.write(begin).result()
        asyncio.run(home.books.finish())
    logs = [one.gate("inc_1"), two.gate("inc_2")]
    assert [one.ask("inc_1", 30, purse="gr:grt_1"), two.ask("inc_2", 30, purse="gr:grt_1")] == [30, 30]
    one.serve(logs[0], "req_1", 30, "gr:grt_1")
    two.serve(logs[1], "req_2", 25, "gr:grt_1")
    for home in homes:
        asyncio.run(home.ingest.step())
        asyncio.run(home.books.finish())
    watch(two, one, two, one)
    assert (told(one), told(two)) == ([], ["grant.spent"]), "who looked first"
    (said,) = two.store.read(lambda db: db.execute("SELECT payload FROM event").fetchall())
    assert json.loads(str(said[0]))["data"]["spent"] == 55, "of which it has served 25"
    for home in homes:
        home.clock.turn(days=5)
    watch(one, two, one, two)
    assert (told(one), told(two)) == (["grant.expires"], ["grant.spent"])
    for home in homes:
        home.clock.turn(days=5)
    watch(one, two, one, two)
    assert (told(one), told(two)) == (["grant.expires", "grant.expired"], ["grant.spent"])
    assert [home.store.read(lambda db: grants.get(db, "grt_1")).state for home in homes] == ["expired"] * 2
    of = figures.Of("account", "acc_1")
    for home in homes:  # what a report asks of the server
        assert home.read(lambda db: figures.flow(db, of)) == Flow(granted=100, lent=5, spent=55, expired=40)
        assert home.read(lambda db: figures.classes(db, of)) == {"output": 55}
        assert sorted(one.kind for one in home.read(lambda db: figures.movements(db, of))) == [
            "expire",
            "grant",
            "spend",
        ]
