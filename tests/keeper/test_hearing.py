"""What time alone does to exceptions and objections."""

import asyncio
from collections.abc import Mapping

import pytest

from gapura.clock import TurnableClock
from gapura.keeper.hearing import Hearing
from gapura.keeper.jobs import Jobs
from gapura.store import accounts, appeals, audit, exceptions
from gapura.store.accounts import from_dicts
from gapura.store.appeals import Filed
from gapura.store.exceptions import DAY, Wanted
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Key
from gapura.terms.rulebook import Appeals


class Scene:
    def __init__(self, store: Store, clock: TurnableClock) -> None:
        self.store, self.clock = store, clock
        self.told: list[tuple[str, int]] = []
        self.jobs = Jobs(store, clock)
        self.hearing = Hearing(store, self.jobs, self.publish, clock)
        rows = from_dicts([{"external_id": "acme"}])
        self.account = store.write(lambda db: accounts.upsert(db, None, rows, clock())).result().created[0].id

    def publish(self, _: Mapping[str, Key], changed: Mapping[str, Account]) -> None:
        self.told += [(account.id, len(account.lifted)) for account in changed.values()]

    def put(self, days: int) -> str:
        wanted = Wanted(account=self.account, policy="p", reason="r", ends=self.clock() + days * DAY)
        return self.store.write(lambda db: exceptions.put(db, wanted, self.clock())).result().id

    def settle(self) -> None:
        asyncio.run(self.jobs.settled())

    def events(self) -> list[str]:
        rows = self.store.read(lambda db: db.execute("SELECT topic FROM event ORDER BY seq").fetchall())
        return [str(topic) for (topic,) in rows]


@pytest.fixture
def scene(store: Store, clock: TurnableClock) -> Scene:
    return Scene(store, clock)


def test_exceptions_expire_each_on_its_instant_whatever_order_they_were_made_in(scene: Scene) -> None:
    later, sooner = scene.put(3), scene.put(1)
    scene.settle()
    assert scene.told == []
    scene.clock.turn(days=1)
    scene.settle()
    assert scene.told == [(scene.account, 1)]
    scene.clock.turn(days=2)
    scene.settle()
    assert scene.told[1:] == [(scene.account, 0)]
    entries = scene.store.read(audit.entries)
    assert [(one.actor, one.action, one.subject) for one in entries] == [
        ("system", "exception.expire", name) for name in (sooner, later)
    ]
    assert scene.events() == ["exception.expired"] * 2
    assert scene.hearing.problems() == ["exceptions to be reviewed: 2; see `gapura exception list --due`"]


def test_what_a_campaign_made_is_over_with_it(scene: Scene) -> None:
    ends = scene.clock() + DAY
    wanted = Wanted(account=scene.account, policy="p", kind="no_notice", reason="r", ends=ends)
    scene.store.write(lambda db: exceptions.put(db, wanted, scene.clock())).result()
    scene.clock.turn(days=1)
    scene.settle()
    assert scene.told == [(scene.account, 0)] and scene.hearing.problems() == [], "nobody has to look at it"


def test_an_objection_that_is_late_is_told_once_and_stays_open(scene: Scene) -> None:
    filed = Filed(account=scene.account, policy="p", reason="we travelled")
    made = scene.store.write(lambda db: appeals.file(db, filed, Appeals(days=2), scene.account, scene.clock())).result()
    scene.settle()
    assert scene.hearing.problems() == []
    scene.clock.turn(days=2)
    scene.settle()
    scene.settle()
    assert scene.events() == ["appeal.received", "appeal.overdue"]
    assert scene.hearing.problems()[0].startswith("objections past their due date: 1")
    assert scene.store.read(lambda db: appeals.get(db, None, made.id)).state == "received"
