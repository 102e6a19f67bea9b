"""What callers ask of their use: the keeper answers of their own account alone, the gate asks seldom."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.programme.conftest import NOW, Vendor, export
from tests.programme.test_report import ask

from gapura.clock import SECOND, TurnableClock
from gapura.errors import BadRequest, LimitReached, Unready
from gapura.gate.inquiries import AT_ONCE, GOOD_S
from gapura.gate.inquiries import Inquiries as Asking
from gapura.keeper.inquiries import Inquiries
from gapura.providers.prices import Prices
from gapura.store import claims, grants
from gapura.store.sqlite import Store
from gapura.terms.grants import Terms
from gapura.terms.link import Inquire, Told
from gapura.terms.price import Price, Rates
from gapura.wire.usage_pages import COSTS, COUNTED, USAGE

RATES = Rates(input=10**9, output=10**9, image=7_000, second=50_000)
PRICES = Prices({}, [Price(provider="glm", model="glm-4", currency="CNY", tiers=(RATES,))])
TODAY = NOW // SECOND // 86_400 * 86_400


@pytest.fixture
def vendor(store: Store, clock: TurnableClock, tmp_path: Path) -> Vendor:
    """An account with grants and two requests, of which a grant paid one and a half; and another account."""
    clock.turn(seconds=(NOW - clock()) / SECOND)
    vendor = Vendor(store, clock)
    vendor.open()
    claim = vendor.claim("acme", export(2000))
    vendor.account("other")
    vendor.vet()
    (account,) = vendor.approve()
    fixed, _ = vendor.store.read(lambda db: claims.granted(db, claim))
    ask(vendor, "req_1", account, {f"gr:{fixed}": {"input": 600, "output": 100}}, input=600, output=100)
    ask(vendor, "req_2", account, {f"gr:{fixed}": {"input": 300}, f"tok:{account}": {}}, input=300, output=250)
    return vendor


def answered(vendor: Vendor, path: str, query: str, name: str = "acme") -> Told:
    (account,) = vendor.store.read(
        lambda db: db.execute("SELECT id FROM account WHERE external_id = ?", (name,)).fetchone()
    )  # type: ignore[misc]

    async def work() -> Told:
        return await Inquiries(vendor.store, lambda: PRICES, vendor.clock).answer(Inquire(7, account, path, query))

    return asyncio.run(work())


def told(vendor: Vendor, path: str, query: str, name: str = "acme") -> Any:
    found = answered(vendor, path, query, name)
    assert (found.n, found.error) == (7, "")
    return json.loads(found.body)


def test_use_by_bucket(vendor: Vendor) -> None:
    (bucket,) = told(vendor, USAGE, f"start_time={TODAY}&group_by=model")["data"]
    (result,) = bucket["results"]
    assert (result["model"], result["input_tokens"], result["output_tokens"], result["num_model_requests"]) == (
        "glm-4",
        900,
        350,
        2,
    )
    assert told(vendor, USAGE, f"start_time={TODAY}&models=gpt-4o")["data"][0]["results"] == []
    assert told(vendor, USAGE, f"start_time={TODAY}", "other")["data"][0]["results"] == [], "nobody sees another's"


def test_costs_are_of_what_no_grant_paid(vendor: Vendor) -> None:
    (bucket,) = told(vendor, COSTS, f"start_time={TODAY}&group_by=line_item")["data"]
    (result,) = bucket["results"]
    assert (result["line_item"], result["amount"]) == ("glm-4", {"value": 0.00025, "currency": "cny"}), "250 of output"


def test_what_is_not_in_tokens_is_told_and_costs_what_grants_in_money_did_not_pay(vendor: Vendor) -> None:
    (account,) = vendor.store.read(
        lambda db: db.execute("SELECT id FROM account WHERE external_id = 'other'").fetchone()
    )  # type: ignore[misc]
    terms = Terms(id="grt_cny", account=account, amount=10**6, unit="CNY", effective=NOW, expires=0, priority=1)
    vendor.do(lambda db: grants.create(db, terms, 10**6, "grant", NOW))
    purses: dict[str, dict[str, int]] = {"gr:grt_cny": {"money": 200_000}, f"tok:{account}": {}}
    ask(vendor, "req_3", account, purses, input=100, output=0, seconds=3, images=2)
    assert [row["seconds"] for row in told(vendor, "/v1/usage", "", "other")["data"]] == [3]
    for path, unit in COUNTED.items():
        (bucket,) = told(vendor, path, f"start_time={TODAY}", "other")["data"]
        counted = [(one[unit], one["num_model_requests"]) for one in bucket["results"]]
        assert counted == {"seconds": [(3, 1)], "images": [(2, 1)], "characters": []}[unit]
    (bucket,) = told(vendor, COSTS, f"start_time={TODAY}", "other")["data"]
    (result,) = bucket["results"]
    assert result["amount"]["value"] == (100 * 1000 + 3 * 50_000 + 2 * 7_000 - 200_000) / 10**9


def test_our_own_page_says_what_is_left(vendor: Vendor) -> None:
    found = told(vendor, "/v1/usage", "group_by=provider,place")
    assert found["data"] == [{
        "provider": "glm", "place": "CN", "requests": 2, "input_tokens": 900, "output_tokens": 350, "cached_tokens": 0,
        "reasoning_tokens": 0, "estimated": 0, "images": 0, "seconds": 0, "characters": 0,
    }]  # fmt: skip
    assert [(one["granted"], one["spent"], one["left"]) for one in found["grants"]] == [
        (1000, 1000, 0),
        (3000, 0, 3000),
    ]
    assert found["budget"] is None
    others = told(vendor, "/v1/usage", "", "other")
    assert (others["data"], others["grants"]) == ([], []), "nobody sees another's"


@pytest.mark.parametrize(
    ("path", "query", "param"),
    [
        ("/v1/usage", "group_by=account", "group_by"), ("/v1/usage", "start_time=x", "start_time"),
        ("/v1/usage", "date=2024-06-28", "date"), (USAGE, "", "start_time"),
    ],
)  # fmt: skip
def test_the_parameter_is_named(vendor: Vendor, path: str, query: str, param: str) -> None:
    found = answered(vendor, path, query)
    assert (found.status, found.param, found.body) == (400, param, b"")


class Keeper:
    """The other end of a gate's socket."""

    def __init__(self) -> None:
        self.asked = 0
        self.let = asyncio.Event()
        self.told = Told(0, b"{}")

    async def inquire(self, account: str, path: str, query: str, patience_s: float) -> Told:
        self.asked += 1
        await self.let.wait()
        return self.told


def test_a_gate_asks_once_in_a_while_and_little_at_a_time() -> None:
    async def work() -> None:
        clock, keeper = TurnableClock(0), Keeper()
        asking = Asking(keeper.inquire, clock)
        first = [asyncio.create_task(asking.answer(f"acc_{n}", USAGE, "")) for n in range(AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(LimitReached):
            await asking.answer("acc_x", USAGE, "")
        keeper.let.set()
        assert await asyncio.gather(*first) == [b"{}"] * AT_ONCE
        assert await asking.answer("acc_0", USAGE, "") == b"{}"
        assert keeper.asked == AT_ONCE, "the answer is still good"
        clock.turn(seconds=GOOD_S)
        await asking.answer("acc_0", USAGE, "")
        assert keeper.asked == AT_ONCE + 1
        keeper.told = Told(0, b"", "no such thing", "limit", 400)
        with pytest.raises(BadRequest, match="no such thing"):
            await asking.answer("acc_1", USAGE, "x")
        keeper.told = Told(0, b"", "the disk is full", "", 503)
        with pytest.raises(Unready):
            await asking.answer("acc_1", USAGE, "y")
        with pytest.raises(BadRequest, match="characters"):
            await asking.answer("acc_1", USAGE, "x" * 5000)

    asyncio.run(work())
