"""Letters about objections: sent once, whatever the relay answers and whenever a keeper dies; or it is said why not."""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from gapura.app.answering import PATIENCE, Answering
from gapura.campaign.deliver import Draft, Left, Made, Stopped
from gapura.clock import SECOND, TurnableClock, instant
from gapura.keeper.jobs import Jobs
from gapura.rulebook.compile import Rules
from gapura.settings import Settings
from gapura.store import accounts, answers, appeals, facts
from gapura.store.accounts import from_dicts
from gapura.store.answers import Answer
from gapura.store.appeals import Decision, Filed
from gapura.store.sqlite import Store
from gapura.terms.letter import Composed, Letter, Receipt, message_id
from gapura.terms.rulebook import Appeals, Pack, Phase, Policy, Rulebook

PACK = Pack(name="openai/api", as_of="2024-06-25", source="https://s.example", guards=("openai",))
BLOCK = instant("2024-07-20T00:00:00Z")
MAIL = {"mail": {"from": "Notices <notices@operator.example>"}}


class Desk:
    """A sender that answers as it is told, and keeps what it was given."""

    def __init__(self, *outcomes: str | Exception) -> None:
        self.outcomes, self.journal = list(outcomes), dict[str, Receipt]()
        self.given: list[Letter] = []
        self.busy = False

    async def compose(self, drafts: Sequence[Draft]) -> list[Made]:
        (draft,) = drafts
        one = draft.letter
        if not one.to.endswith(".test"):
            return [Made(error=f"{one.to} is no address")]
        return [Made(message_id=message_id("operator.example", one.campaign, one.account, one.stage), sha256="ab")]

    async def send(self, letter: Letter) -> Receipt:
        self.given.append(letter)
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        receipt = receipt_of(letter.message_id, outcome)
        self.journal[letter.message_id] = receipt
        return receipt

    async def left(self) -> Left:
        return Left(self.journal, self.busy)

    async def stored(self, message_ids: Sequence[str]) -> None:
        for name in message_ids:
            self.journal.pop(name, None)

    async def show(self, letter: Letter) -> Composed:
        raise NotImplementedError


AT = instant("2024-07-08T23:59:00+00:00")


def receipt_of(name: str, outcome: str) -> Receipt:
    said = {"message_id": name, "outcome": outcome, "at": AT, "code": 250, "answer": outcome}
    return msgspec.convert(said, Receipt)


class Scene:
    def __init__(self, store: Store, clock: TurnableClock, desk: Desk, documents: dict[str, Any]) -> None:
        self.store, self.clock, self.desk = store, clock, desk
        phases = (Phase(effect="warn", starts=1), Phase(effect="block", starts=BLOCK))
        policy = Policy(name="openai/api", pack=PACK, phases=phases)
        rules = Rules(Rulebook(version="v", endpoints=(), routes={}, policies=(policy,)))
        settings = Settings.load({}, documents)
        self.jobs = Jobs(store, clock)
        Answering(store, lambda: settings, lambda: rules, desk, self.jobs)

    def file(self, contact: str = "law@acme.test") -> str:
        contacts = {"legal": contact} if contact else {}
        stated = {"external_id": "acme", "language": "id", "contacts": contacts}

        def work(db: Any) -> str:
            (account,) = accounts.upsert(db, None, from_dicts([stated]), AT).created
            filed = Filed(account=account.id, policy="openai/api", reason="a trip")
            return appeals.file(db, filed, Appeals(days=10), account.id, self.clock()).id

        name = self.store.write(work).result()
        asyncio.run(self.jobs.settled())
        return name

    def row(self, name: str, kind: str = "receipt") -> Answer:
        return self.store.read(lambda db: answers.get(db, name, kind))

    def facts(self, name: str) -> int:
        """Letters that were noted to have been sent."""
        account = self.store.read(lambda db: appeals.get(db, None, name)).account
        proven = self.store.read(lambda db: facts.of_account(db, account))
        return sum(one.fact.kind == "notice" for one in proven)


@pytest.fixture
def store(tmp_path: Any, clock: TurnableClock) -> Any:
    made = Store.open(tmp_path / "gapura.db", clock=clock)
    yield made
    made.close()


@pytest.fixture
def clock() -> TurnableClock:
    return TurnableClock(AT)


def test_what_is_said_on_receipt_and_on_decision(store: Store, clock: TurnableClock) -> None:
    scene = Scene(store, clock, Desk("delivered", "delivered"), MAIL)
    name = scene.file()
    by = Decision(actor="prn_1", reason="it was a trip")
    store.write(lambda db: appeals.take(db, name, "prn_1", AT)).result()
    store.write(lambda db: appeals.grant(db, name, by, AT)).result()
    asyncio.run(scene.jobs.settled())
    receipt, decision = scene.desk.given
    assert (receipt.kind, receipt.answer_by, receipt.reason) == ("receipt", AT + 10 * 86_400 * SECOND, "")
    assert (decision.kind, decision.granted, decision.reason) == ("decision", True, "it was a trip")
    assert {one.effective_at for one in scene.desk.given} == {BLOCK} and receipt.to == "law@acme.test"
    assert receipt.message_id != decision.message_id
    assert [scene.row(name, kind).state for kind in ("receipt", "decision")] == ["sent", "sent"]
    assert scene.facts(name) == 2 and scene.desk.journal == {}


@pytest.mark.parametrize(
    ("documents", "contact", "why"),
    [({}, "law@acme.test", "no table [mail]"), (MAIL, "", "has no contact"), (MAIL, "law@acme.none", "is no address")],
)
def test_where_nothing_can_be_sent_it_is_said_why(
    store: Store, clock: TurnableClock, documents: dict[str, Any], contact: str, why: str
) -> None:
    scene = Scene(store, clock, Desk(), documents)
    row = scene.row(scene.file(contact))
    assert row.state == "failed" and why in row.answer and scene.desk.given == []


def test_what_is_deferred_is_tried_again_as_the_same_message(store: Store, clock: TurnableClock) -> None:
    scene = Scene(store, clock, Desk("deferred", "unsure", "delivered"), MAIL)
    name = scene.file()
    for _ in range(2):
        assert scene.row(name).state == "sending"
        clock.turn(seconds=900)
        asyncio.run(scene.jobs.settled())
    assert scene.row(name).state == "sent" and len(scene.desk.given) == 3
    assert len({one.message_id for one in scene.desk.given}) == 1
    assert scene.desk.given[0] == scene.desk.given[2], "the same letter makes the same bytes"


def test_it_is_given_up_when_nobody_waits_for_it_any_more(store: Store, clock: TurnableClock) -> None:
    scene = Scene(store, clock, Desk("deferred", "deferred"), MAIL)
    name = scene.file()
    clock.turn(seconds=PATIENCE / SECOND + 1)
    asyncio.run(scene.jobs.settled())
    assert (scene.row(name).state, scene.row(name).answer) == ("failed", "deferred")


def test_a_refusal_is_the_end_of_it(store: Store, clock: TurnableClock) -> None:
    scene = Scene(store, clock, Desk("refused"), MAIL)
    assert scene.row(scene.file()).state == "failed"


def test_a_relay_that_takes_nothing_is_asked_again(store: Store, clock: TurnableClock) -> None:
    scene = Scene(store, clock, Desk(Stopped("no route"), "delivered"), MAIL)
    name = scene.file()
    assert scene.row(name).state == "sending" and scene.facts(name) == 0
    clock.turn(seconds=60)
    asyncio.run(scene.jobs.settled())
    assert scene.row(name).state == "sent"


def test_what_a_dead_keeper_sent_is_not_sent_again(store: Store, clock: TurnableClock) -> None:
    """It died after the relay had answered, and before that was written down."""
    scene = Scene(store, clock, Desk(Stopped("killed")), MAIL)
    name = scene.file()
    given = scene.desk.given[0]
    scene.desk.busy = True
    clock.turn(seconds=60)
    asyncio.run(scene.jobs.settled())
    assert scene.row(name).state == "sending" and len(scene.desk.given) == 1, "while another is at it, it waits"
    scene.desk.busy = False
    scene.desk.journal[given.message_id] = receipt_of(given.message_id, "delivered")
    clock.turn(seconds=600)
    asyncio.run(scene.jobs.settled())
    assert scene.row(name).state == "sent" and len(scene.desk.given) == 1
