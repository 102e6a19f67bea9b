"""Accounts are warned and suspended for where they always come from, and released when that is no longer so."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from gapura.clock import SECOND, TurnableClock, instant
from gapura.keeper import residing
from gapura.keeper.residing import Residing
from gapura.rulebook.compile import Rules
from gapura.store import accounts, audit, exceptions, records, visits
from gapura.store.base import Connection, StoreFailed
from gapura.store.exceptions import Wanted
from gapura.store.journal import Frame, Position
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store
from gapura.store.visits import DAY
from gapura.terms.caller import Account, Status
from gapura.terms.record import Context, Refused
from gapura.terms.rulebook import AccountPlace, Exemption, Pack, Phase, Policy, Rulebook

SECRET = Secret(b"a fixture's secret of 32 bytes!!")
PACK = Pack(name="x/api", as_of="2026-01-01", source="-", guards=("x",), supported=frozenset({"SG", "FR"}))
NOON = instant("2024-06-01T12:00:00Z")
BLOCK = (Phase(effect="block", starts=1),)


def policy(*, days: int = 5, action: str = "suspend", phases: tuple[Phase, ...] = BLOCK, **more: object) -> Policy:
    place = msgspec.convert({"days": days, "action": action}, AccountPlace)
    return msgspec.structs.replace(Policy(name="x/api", pack=PACK, phases=phases, account_place=place), **more)


class Scene:
    """A store, the job over it, and what it told the gates."""

    def __init__(self, store: Store, clock: TurnableClock, *policies: Policy) -> None:
        self.store, self.clock = store, clock
        self.told: list[tuple[str, Status]] = []
        self.govern(*policies)
        self.job = Residing(store, SECRET, lambda: self.rules, self._publish, clock)
        made = store.write(lambda db: accounts.upsert(db, None, accounts.from_dicts([{"external_id": "acme"}]), NOON))
        self.account = made.result().created[0].id
        self._requests = 0

    def govern(self, *policies: Policy) -> None:
        version = msgspec.json.encode(policies).hex()[-16:] + str(len(msgspec.json.encode(policies)))
        self.rules = Rules(Rulebook(version=version, endpoints=(), routes={}, policies=policies))

    def seen(self, day: int, territory: str, certainty: str = "certain", derivation: str = "peer") -> None:
        """A request on that day; refused ones count like others."""
        self._requests += 1
        number = self._requests
        context = Context(
            self.account, "key_1", "default", "m", False, False, territory, certainty, derivation, "", "", "",
            f"dec_{number}", "v", "allow", (), (),
        )  # fmt: skip
        entry = Refused(f"req_{number}", NOON + day * DAY, 403, "no", context)

        def work(db: Connection) -> None:
            name = f"inc_{number}"
            records.begin(db, name, "boot", NOON)
            records.take_in(db, name, [Frame(1, entry)], Position(1, 1))

        self.store.write(work).result()

    def step(self, day: int) -> Status:
        self.clock.turn(seconds=(NOON + day * DAY - self.clock()) / SECOND)
        while asyncio.run(self.job.step()):
            pass
        return self.status()

    def status(self) -> Status:
        return self.store.read(lambda db: accounts.get(db, None, self.account)).status

    def decide(self, status: Status) -> None:
        self.store.write(lambda db: accounts.set_status(db, None, self.account, status)).result()

    def reasons(self) -> list[str]:
        return [entry.reason or "" for entry in self.store.read(audit.entries)]

    def _publish(self, _: Mapping[str, object], changed: Mapping[str, Account]) -> None:
        self.told += [(account.external_id, account.status) for account in changed.values()]


Stage = Callable[..., Scene]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    clock = TurnableClock(NOON)
    store = Store.open(tmp_path / "gapura.db", secret=SECRET, clock=clock)
    yield lambda *policies: Scene(store, clock, *policies)
    store.close()


def test_five_days_from_nowhere_else_suspend_and_one_visit_releases(stage: Stage) -> None:
    scene = stage(policy())
    for day in range(4):
        scene.seen(day, "CN")
        assert scene.step(day) == "active"
    scene.seen(4, "HK")
    assert scene.step(4) == "suspended"
    assert scene.told == [("acme", "suspended")]
    assert scene.reasons() == ["suspended: x/api: outside since 2024-06-01 (CN on 4 days, HK on 1 days)"]
    scene.seen(5, "FR")
    assert scene.step(5) == "active"
    assert scene.reasons()[1] == "active: x/api: seen from FR on 2024-06-06"
    assert scene.store.read(lambda db: audit.verify(db, SECRET)) is None


@pytest.mark.parametrize(("certainty", "derivation"), [("uncertain", "peer"), ("unknown", "peer"), ("certain", "site")])
def test_what_is_not_certain_neither_accuses_nor_acquits(stage: Stage, certainty: str, derivation: str) -> None:
    scene = stage(policy())
    for day in range(10):
        scene.seen(day, "CN", certainty, derivation)
    assert scene.step(10) == "active"
    for day in range(10, 15):
        scene.seen(day, "CN")
        scene.seen(day, "SG", certainty, derivation)
    assert scene.step(15) == "suspended"


def test_time_alone_leads_outside(stage: Stage) -> None:
    scene = stage(policy())
    scene.seen(0, "CN")
    assert scene.step(100) == "active"
    assert scene.step(182) == "active"
    assert scene.step(183) == "suspended"


@pytest.mark.parametrize(
    ("phases", "action", "status"),
    [
        (BLOCK, "warn", "warned"),
        ((), "suspend", "suspended"),
        ((Phase(effect="warn", starts=1),), "suspend", "warned"),
        ((Phase(effect="block", starts=NOON + 99 * DAY),), "suspend", "active"),
    ],
)
def test_no_sooner_and_no_stricter_than_the_phase_in_force(
    stage: Stage, phases: tuple[Phase, ...], action: str, status: Status
) -> None:
    scene = stage(policy(phases=phases, action=action))
    for day in range(6):
        scene.seen(day, "CN")
    assert scene.step(6) == status


def test_a_warning_becomes_a_suspension_on_the_day(stage: Stage) -> None:
    phases = (Phase(effect="warn", starts=1), Phase(effect="block", starts=NOON + 14 * DAY))
    scene = stage(policy(phases=phases))
    for day in range(6):
        scene.seen(day, "CN")
    assert scene.step(6) == "warned"
    assert scene.step(13) == "warned"
    assert scene.step(14) == "suspended"
    assert scene.told == [("acme", "warned"), ("acme", "suspended")]


def test_an_exception_keeps_it_in_until_it_ends(stage: Stage) -> None:
    exempt = Exemption(account="acme", reason="was told late", ends=NOON + 20 * DAY)
    scene = stage(policy(exceptions=(exempt,)))
    for day in range(6):
        scene.seen(day, "CN")
    assert scene.step(6) == "active"
    assert scene.step(20) == "suspended"


def test_another_policy_releases_whom_it_does_not_reach(stage: Stage) -> None:
    scene = stage(policy())
    for day in range(6):
        scene.seen(day, "CN")
    assert scene.step(6) == "suspended"
    scene.govern(policy(pack=msgspec.structs.replace(PACK, supported=frozenset({"CN"}))))
    assert scene.step(6) == "active"
    scene.govern(policy())
    assert scene.step(6) == "suspended"
    scene.govern()
    assert scene.step(6) == "active"


def test_what_a_person_decided_is_left_alone(stage: Stage) -> None:
    scene = stage(policy())
    for day in range(6):
        scene.seen(day, "CN")
    scene.step(6)
    scene.decide("active")
    scene.seen(7, "CN")
    assert scene.step(7) == "active" and scene.step(40) == "active"
    scene.seen(41, "SG")
    assert scene.step(41) == "active"
    for day in range(42, 47):
        scene.seen(day, "CN")
    assert scene.step(47) == "suspended"  # anew, after it was seen from elsewhere
    scene.seen(48, "SG")
    assert scene.step(48) == "active"
    scene.decide("suspended")
    scene.seen(49, "SG")
    assert scene.step(49) == "suspended"


def test_each_request_is_counted_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visits, "MANY", 3)
    monkeypatch.setattr(residing, "BATCH", 1)
    scene = stage(policy(days=300))
    for number in range(10):
        scene.seen(number // 4, "CN")
    scene.step(5)
    scene.step(6)
    found = scene.store.read(lambda db: visits.visits(db, scene.account))
    assert [visit.requests for visit in found] == [4, 4, 2]
    (known,) = scene.store.read(lambda db: visits.known(db, scene.account))
    assert (known.residence.state, known.residence.days, known.given) == ("counting", 3, "")


def test_a_keeper_that_fails_between_visits_and_judgement_has_done_neither(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = stage(policy())
    scene.step(0)
    for day in range(6):
        scene.seen(day, "CN")

    def full(*_: object) -> None:
        raise StoreFailed("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(residing, "_conclude", full)
        with pytest.raises(StoreFailed):
            scene.step(0)
    assert scene.step(0) == "suspended"  # on the same day, and without another visit


def test_an_account_that_the_directory_does_not_have_stops_nobody(stage: Stage) -> None:
    scene = stage(policy())
    known, scene.account = scene.account, "acc_gone"
    scene.seen(0, "CN")
    scene.account = known
    for day in range(6):
        scene.seen(day, "CN")
    assert scene.step(6) == "suspended"


def test_where_nothing_is_new_nothing_is_written(stage: Stage) -> None:
    scene = stage(policy())
    scene.step(0)
    before = scene.store.read(lambda db: db.execute("SELECT * FROM meta").fetchall())
    marks: list[object] = []
    with pytest.MonkeyPatch.context() as watched:
        watched.setattr(residing, "mark", lambda *given: marks.append(given))
        scene.step(0)
    assert marks == []
    assert scene.store.read(lambda db: db.execute("SELECT * FROM meta").fetchall()) == before


@pytest.mark.parametrize("kind", ["exception", "interim", "no_notice", "release"])
def test_an_exception_of_the_accounts_own_reinstates_it_and_its_end_does_not(stage: Stage, kind: str) -> None:
    """At once, not with the next day: whoever was let in again does not wait until midnight."""
    one = stage(policy(days=2))
    for day in (1, 2):
        one.seen(day, "CN")
    assert one.step(2) == "suspended"
    wanted = msgspec.convert({"account": one.account, "policy": "x/api", "kind": kind, "reason": "r"}, Wanted)
    made = one.store.write(lambda db: exceptions.put(db, wanted, one.clock())).result()
    assert one.step(2) == "active"
    assert one.told[-1] == ("acme", "active")
    one.store.write(lambda db: exceptions.end(db, made.id, one.clock())).result()
    assert one.step(2) == "suspended"
    other = msgspec.structs.replace(wanted, policy="y/api")
    one.store.write(lambda db: exceptions.put(db, other, one.clock())).result()
    assert one.step(2) == "suspended", "it lifts the policy that it names"
