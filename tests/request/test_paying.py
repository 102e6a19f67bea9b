"""Who pays depends on who answers: whom nobody pays for is passed over, and what failed is charged to nobody."""

import asyncio
import json
from typing import Any

from tests.request.conftest import KEY, WHOLE, Bench, Script, Vendor, bench, says

from gapura.gate.purses import Purses
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.grants import Terms
from gapura.terms.link import Grant
from gapura.wire import tokens

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Halo"}], "max_tokens": 100}
BOTH = (
    Terms(id="o", account="acc_1", amount=1, providers=("openai",)),
    Terms(id="q", account="acc_1", amount=1, providers=("qwen",)),
)


def lend(it: Bench, grants: tuple[Terms, ...], **lent: int) -> None:
    account = Account("acc_1", "acme", "org", budget=0, grants=grants)
    it.directory.know(KEY, Caller(Key("key_1", "acc_1", "sk"), account))
    for purse, amount in lent.items():
        purses(it).add(Grant(0, purse.replace("_", ":"), amount))


def purses(it: Bench) -> Purses:
    assert isinstance(it.gate.purses, Purses)
    return it.gate.purses


def test_a_target_that_nobody_pays_for_is_passed_over() -> None:
    async def story() -> None:
        openai, qwen = Vendor(says(WHOLE)), Vendor(says(WHOLE))
        async with bench({"openai": openai, "qwen": qwen}) as it:
            lend(it, BOTH[1:], gr_q=10_000)
            said = await it.ask(ASK)
            assert (said.status, said.headers["gapura-provider"]) == (200, "qwen/m")
            assert (openai.asked, qwen.asked) == (0, 1)
            (opened,) = it.journal.opened
            assert [one.purse for one in opened.holds] == ["gr:q"] and opened.purse == ""
            assert purses(it).held() == {"gr:q": 10_000 - 8}

    asyncio.run(story())


def test_what_failed_is_charged_to_nobody_and_the_next_target_has_its_own_payer() -> None:
    async def story() -> None:
        async with bench(
            {"openai": Vendor(says({"error": {}}, 500)), "qwen": Vendor(says(WHOLE))}, failover="anywhere"
        ) as it:
            lend(it, BOTH, gr_o=10_000, gr_q=10_000)
            assert (await it.ask(ASK)).headers["gapura-provider"] == "qwen/m"
            assert [[one.purse for one in opened.holds] for opened in it.journal.opened] == [["gr:o"], ["gr:q"]]
            assert purses(it).held() == {"gr:o": 10_000, "gr:q": 10_000 - 8}

    asyncio.run(story())


def test_where_nobody_pays_it_is_refused_and_nothing_is_kept() -> None:
    async def story() -> None:
        vendor = Vendor(says(WHOLE))
        async with bench({"openai": vendor}) as it:
            lend(it, BOTH, gr_o=50, gr_q=10_000)
            said = await it.ask(ASK)
            assert (said.status, said.json["error"]["code"]) == (429, "insufficient_quota")
            assert said.headers["x-should-retry"] == "false" and vendor.asked == 0
            assert purses(it).held() == {"gr:o": 50, "gr:q": 10_000}
            assert [one.code for one in it.journal.refused] == ["insufficient_quota"]

    asyncio.run(story())


def test_what_is_left_caps_the_answer_and_the_caller_is_told() -> None:
    asked: list[dict[str, Any]] = []

    def listening(script: Script) -> Script:
        async def heard(body: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(json.loads(body))
            await script(body, reader, writer)

        return heard

    async def story() -> None:
        async with bench({"openai": Vendor(listening(says(WHOLE)))}) as it:
            lend(it, BOTH, gr_o=tokens.bound(json.dumps(ASK).encode()) + 40)
            said = await it.ask(ASK)
            assert said.status == 200 and "max_tokens" in said.headers["gapura-losses"]
            assert asked[0]["max_tokens"] == 40

    asyncio.run(story())
