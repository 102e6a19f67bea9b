from gapura.clock import SECOND, TurnableClock
from gapura.store import jobs
from gapura.store.base import Connection
from gapura.store.jobs import Job
from gapura.store.sqlite import Store

MINUTE = 60 * SECOND


class Table:
    """The jobs of a store; leases are for a minute."""

    def __init__(self, store: Store, clock: TurnableClock) -> None:
        self.store, self.clock = store, clock

    def put(self, key: str = "k", after: int = 0, name: str = "n") -> bool:
        return self.store.write(lambda db: jobs.put(db, name, key, self.clock() + after * SECOND, {"a": 1})).result()

    def ring(self, key: str = "k", after: int = 0) -> None:
        self.store.write(lambda db: jobs.ring(db, "n", key, self.clock() + after * SECOND)).result()

    def take(self, most: int = 10) -> list[Job]:
        until = self.clock() + MINUTE
        return self.store.write(lambda db: jobs.take(db, ["n"], self.clock(), until, most)).result()

    def done(self, job: Job, again_after: int = 0) -> bool:
        again = self.clock() + again_after * SECOND if again_after else 0
        return self.store.write(lambda db: jobs.done(db, job, self.clock(), again)).result()

    def failed(self, job: Job, again_after: int = 0) -> bool:
        again = self.clock() + again_after * SECOND if again_after else 0
        return self.store.write(lambda db: jobs.failed(db, job, self.clock(), "why", again)).result()

    def job(self, key: str = "k") -> Job:
        found = self.store.read(lambda db: jobs.find(db, "n", key))
        assert found is not None
        return found


def test_once_however_often_it_is_put(store: Store, clock: TurnableClock) -> None:
    table = Table(store, clock)
    assert table.put() and not table.put()
    (job,) = table.take()
    assert (job.payload, job.attempts, job.state) == ({"a": 1}, 1, "leased") and not table.put() and not table.take()
    assert table.done(job) and table.job().state == "done" and not table.put() and not table.take()


def test_in_their_order_when_they_are_due_and_not_before(store: Store, clock: TurnableClock) -> None:
    table = Table(store, clock)
    table.put("late", 20), table.put("soon", 10), table.put("other", 0, name="nobody's")
    assert not table.take()
    clock.turn(seconds=20)
    assert [job.key for job in table.take(1)] == ["soon"] and [job.key for job in table.take()] == ["late"]


def test_a_failure_waits_and_the_last_one_is_kept_for_a_person(store: Store, clock: TurnableClock) -> None:
    table = Table(store, clock)
    table.put()
    assert table.failed(table.take()[0], again_after=5) and not table.take()
    clock.turn(seconds=5)
    (job,) = table.take()
    assert (job.attempts, job.error) == (2, "why") and table.failed(job)
    assert [one.key for one in store.read(jobs.given_up)] == ["k"]
    table.ring()
    assert table.take()[0].attempts == 1 and store.read(jobs.given_up) == []


def test_who_lost_its_lease_ends_nothing(store: Store, clock: TurnableClock) -> None:
    table = Table(store, clock)
    table.put()
    (first,) = table.take()
    clock.turn(seconds=59)
    assert store.write(lambda db: jobs.give_back(db, clock())).result() == 0
    store.write(lambda db: jobs.prolong(db, first.id, clock() + MINUTE)).result()
    clock.turn(seconds=59)
    assert store.write(lambda db: jobs.give_back(db, clock())).result() == 0
    clock.turn(seconds=1)
    assert store.write(lambda db: jobs.give_back(db, clock())).result() == 1
    (second,) = table.take()
    assert not table.done(first) and not table.failed(first) and table.job().state == "leased" and table.done(second)


def test_what_is_rung_for_is_done_once_more(store: Store, clock: TurnableClock) -> None:
    table = Table(store, clock)
    for after in (30, 10, 20):
        table.ring(after=after)
    assert table.job().due_at == clock() + 10 * SECOND
    clock.turn(seconds=10)
    (job,) = table.take()
    table.ring(after=5)
    assert table.done(job) and (table.job().state, table.job().due_at) == ("waiting", clock() + 5 * SECOND)
    clock.turn(seconds=5)
    (job,) = table.take()
    assert table.done(job, again_after=60) and table.job().due_at == clock() + MINUTE
    table.ring()
    assert table.done(table.take()[0]) and table.job().state == "done"
    table.ring()
    assert len(table.take()) == 1


def test_what_is_dropped_or_long_done_is_gone(store: Store, clock: TurnableClock) -> None:
    table = Table(store, clock)
    table.put("a"), table.put("b", 60)
    (job,) = table.take()

    def drop(db: Connection) -> None:
        for key in ("a", "b", "c"):
            jobs.drop(db, "n", key)

    store.write(drop).result()
    assert store.read(lambda db: jobs.find(db, "n", "b")) is None
    assert table.done(job) and store.write(lambda db: jobs.forget(db, clock())).result() == 0
    clock.turn(seconds=1)
    assert store.write(lambda db: jobs.forget(db, clock())).result() == 1
