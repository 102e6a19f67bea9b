"""Many gates, one purse: a grant of 100 serves 100 requests of cost 1, and a limit is kept within two per cent."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from gapura.clock import SECOND, TurnableClock
from gapura.errors import LimitReached
from gapura.gate.link import Link, State
from gapura.gate.purses import Purses
from gapura.keeper.hub import Hub
from gapura.keeper.lending import Lending
from gapura.request.meter import Metering, Question, meter
from gapura.rulebook.compile import Rules
from gapura.store import budgets, grants, ledger
from gapura.store.sqlite import Store
from gapura.terms.budgets import Budget
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.grants import Terms
from gapura.terms.link import Welcome
from gapura.terms.rulebook import Rulebook, Target
from gapura.terms.usage import Usage
from gapura.wire import openai

GLM = Target("glm", "glm-4.6")
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Halo"}], "max_tokens": 100}).encode()
RULES = Rules(Rulebook(version="v", endpoints=(), routes={}))


@asynccontextmanager
async def gates(folder: Path, store: Store, clock: TurnableClock, count: int) -> AsyncIterator[Sequence[Purses]]:
    """Gates' purses, each with its own link to a keeper's hub, over a real socket."""
    hub = Hub(Lending(store, clock), lambda: Welcome(b"", "", 0, clock()), clock, recall_s=5)
    await hub.start(folder / "keeper.sock")
    found, links = [], []
    for number in range(count):
        link = Link(folder / "keeper.sock", f"inc_{number}", number, 1)
        purses = Purses(link.ask, clock)
        state = State(
            on_rules=lambda _: None,
            on_next=lambda _: None,
            on_atlas=lambda _: None,
            on_directory=lambda _, __: None,
            on_delta=lambda _: None,
            purses=purses,
            max_age_s=900,
        )
        links.append((link, asyncio.create_task(link.run(state))))
        found.append(purses)
    while not all(link.connected for link, _ in links):  # noqa: ASYNC110 - a link has no event for it
        await asyncio.sleep(0)
    try:
        yield found
    finally:
        for _, running in links:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        await hub.close()


def test_a_grant_of_100_serves_exactly_100_of_200_requests_of_cost_1(
    tmp_path: Path, store: Store, clock: TurnableClock
) -> None:
    terms = Terms(id="gr_1", account="acc_1", amount=100)
    store.write(lambda db: grants.create(db, terms, 100, "ref", clock())).result()

    async def story() -> list[int]:
        async with asyncio.timeout(60), gates(tmp_path, store, clock, 4) as four:
            return await asyncio.gather(*(four[n % 4].some(terms.purse, 1, clock()) for n in range(200)))

    assert sorted(asyncio.run(story())) == [0] * 100 + [1] * 100
    assert store.read(lambda db: ledger.standing(db, terms.purse)) == ledger.Standing(100, 0, 100, 0, 0)


async def asked(purses: Purses, account: Account, clock: TurnableClock, used: Usage) -> int:
    """What a request that costs this was served with: 0 where it was refused."""
    question = Question(openai.read(BODY), BODY, "chat", "", clock(), RULES)
    try:
        metering: Metering = await meter(purses, Caller(Key("key_1", account.id, "sk"), account), question)
        try:
            await metering.hold(GLM)
        except LimitReached:
            metering.undo()
            return 0
    except LimitReached:
        return 0
    await asyncio.sleep(0)
    metering.release(used)
    return used.total


@pytest.mark.parametrize("of", ["account", "budget"])
@pytest.mark.parametrize("mean", [60, 130, 400])
def test_a_limit_of_tokens_is_kept_within_two_per_cent(
    tmp_path: Path, store: Store, clock: TurnableClock, of: str, mean: int
) -> None:
    """At steady load, three times what is allowed; a request is thought to cost 133 tokens, and costs what it costs."""
    limit, minutes, rng = 60_000, 5, random.Random(1)
    account = Account("acc_1", "acme", "org", tokens_per_minute=limit)
    if of == "budget":
        budget = Budget(id="bud_1", organisation="org", amount=limit, window="minute")
        account = Account("acc_1", "acme", "org", budgets=(budget,))
    a_second = limit * 3 // mean // 60

    async def story() -> int:
        served = 0
        async with asyncio.timeout(60), gates(tmp_path, store, clock, 4) as four:
            for second in range(60 * minutes):
                usages = [Usage(rng.randint(1, mean), rng.randint(0, mean)) for _ in range(a_second)]
                work = [asked(four[n % 4], account, clock, usage) for n, usage in enumerate(usages, second)]
                served += sum(await asyncio.gather(*work))
                clock.turn(seconds=1)
        return served

    assert clock() % (60 * SECOND) == 0
    assert abs(asyncio.run(story()) / (limit * minutes) - 1) < 0.02


def test_a_window_of_a_budget_ends_by_the_gates_clock(tmp_path: Path, store: Store, clock: TurnableClock) -> None:
    """What is lent of a day is good for that day; the next one begins at midnight, in the budget's zone."""

    def make(db: object) -> Budget:
        return budgets.put(db, None, budgets.Wanted(amount=1_000, window="day", zone="Asia/Shanghai"), clock())  # type: ignore[arg-type]

    budget = store.write(make).result()
    account = Account("acc_1", "acme", "org", budgets=(budget,))

    async def story() -> list[int]:
        found: list[int] = []
        async with asyncio.timeout(60), gates(tmp_path, store, clock, 2) as two:
            for purses in two:
                found += [await asked(purses, account, clock, Usage(300, 100)) for _ in range(4)]
                clock.turn(days=1)
        return found

    assert asyncio.run(story()) == [400, 400, 0, 0] * 2
    spendings = store.read(lambda db: budgets.spendings(db, budget))
    assert [one.ends - one.starts for one in spendings] == [86_400 * SECOND] * 2
    assert {one.standing.granted for one in spendings} == {1_000}
