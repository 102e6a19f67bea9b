"""Handlers run when they are due, again after failures, and once at a time; a keeper that dies loses none."""

import asyncio

import pytest

from gapura.clock import SECOND, TurnableClock
from gapura.keeper.jobs import ATTEMPTS, PAUSES_S, GivenUp, Jobs
from gapura.store import jobs
from gapura.store.base import StoreFailed
from gapura.store.jobs import Job
from gapura.store.sqlite import Store


def put(store: Store, clock: TurnableClock, key: str = "k") -> None:
    store.write(lambda db: jobs.put(db, "n", key, clock())).result()


def found(store: Store, key: str = "k") -> Job:
    job = store.read(lambda db: jobs.find(db, "n", key))
    assert job is not None
    return job


def test_what_succeeds_is_done_and_what_comes_again_comes_at_its_time(store: Store, clock: TurnableClock) -> None:
    seen: list[int] = []

    async def daily(_: Job) -> int | None:
        seen.append(clock())
        return clock() + 86_400 * SECOND if len(seen) < 3 else None

    async def main() -> None:
        runner = Jobs(store, clock)
        runner.register("n", daily)
        put(store, clock)
        for _ in range(5):
            await runner.settled()
            clock.turn(days=1)

    asyncio.run(main())
    assert [at - seen[0] for at in seen] == [0, 86_400 * SECOND, 2 * 86_400 * SECOND]
    assert found(store).state == "done"


def test_what_fails_is_tried_again_later_each_time_and_then_given_up(store: Store, clock: TurnableClock) -> None:
    tried: list[int] = []

    async def fails(_: Job) -> int | None:
        tried.append(clock())
        raise OSError("no route")

    async def main() -> list[str]:
        runner = Jobs(store, clock)
        runner.register("n", fails)
        put(store, clock)
        for _ in range(ATTEMPTS + 2):
            await runner.settled()
            clock.turn(seconds=PAUSES_S[-1])
        return runner.problems()

    problems = asyncio.run(main())
    assert len(tried) == ATTEMPTS and problems == ["job n k was given up: OSError: no route"]


def test_what_must_not_be_given_up_is_tried_for_ever(store: Store, clock: TurnableClock) -> None:
    async def fails(_: Job) -> int | None:
        raise OSError("no route")

    async def main() -> None:
        runner = Jobs(store, clock)
        runner.register("n", fails, for_ever=True)
        put(store, clock)
        for _ in range(ATTEMPTS + 2):
            await runner.settled()
            clock.turn(seconds=PAUSES_S[-1])

    asyncio.run(main())
    assert (found(store).state, found(store).attempts) == ("waiting", ATTEMPTS + 2)


def test_what_no_trying_helps_is_given_up_at_once(store: Store, clock: TurnableClock) -> None:
    async def never(_: Job) -> int | None:
        raise GivenUp("the campaign is gone")

    async def main() -> None:
        runner = Jobs(store, clock)
        runner.register("n", never)
        put(store, clock)
        await runner.settled()

    asyncio.run(main())
    assert (found(store).state, found(store).attempts) == ("failed", 1)


def test_one_that_was_cut_off_is_done_by_the_next_keeper(store: Store, clock: TurnableClock) -> None:
    begun, ended = asyncio.Event(), []

    async def hangs(_: Job) -> int | None:
        begun.set()
        await asyncio.Event().wait()
        return None

    async def ends(job: Job) -> int | None:
        ended.append(job.attempts)
        return None

    async def main() -> None:
        first = Jobs(store, clock)
        first.register("n", hangs)
        put(store, clock)
        running = asyncio.ensure_future(first.run())
        await begun.wait()
        assert await first.step() == 0
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert found(store).state == "leased"
        second = Jobs(store, clock)
        second.register("n", ends)
        await second.settled()

    asyncio.run(main())
    assert ended == [2]


def test_an_end_that_is_not_written_is_an_attempt_more(
    store: Store, clock: TurnableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fine(_: Job) -> int | None:
        return None

    def full(*_: object) -> bool:
        raise StoreFailed("the disk is full")

    async def main() -> None:
        runner = Jobs(store, clock)
        runner.register("n", fine)
        put(store, clock)
        with monkeypatch.context() as patch:
            patch.setattr(jobs, "done", full)
            await runner.settled()
        assert found(store).state == "leased"
        await Jobs(store, clock).step()
        assert found(store).state == "waiting"

    asyncio.run(main())


def test_a_ring_wakes_the_runner(store: Store, clock: TurnableClock) -> None:
    ran = asyncio.Event()

    async def rings(_: Job) -> int | None:
        ran.set()
        return None

    async def main() -> None:
        runner = Jobs(store, clock)
        runner.register("n", rings)
        running = asyncio.ensure_future(runner.run())
        put(store, clock)
        runner.wake()
        await ran.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())
