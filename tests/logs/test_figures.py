"""Every number of a back-test against the same question asked of each request, one at a time, in plain Python."""

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.logs.conftest import NOW, PRODUCT, Ask, book

from gapura.atlas.ranges import Ranges
from gapura.atlas.sources import Atlas, Packed
from gapura.clock import SECOND, instant
from gapura.logs.result import Backtest
from gapura.rulebook.compile import Rules
from gapura.rulebook.weigh import RANK
from gapura.terms.caller import Account
from gapura.terms.place import Located, Origin
from gapura.terms.rulebook import Effect

DAY = 86_400 * SECOND
START = instant("2026-07-01T00:00:00+00:00")
# China, Hong Kong, Ukraine (partial), the United States, Germany, in both families; unknown, uncertain, private, and
# no address.
ADDRESSES = (
    "114.114.114.114", "1.2.4.8", "2400:3200::1", "203.80.96.10", "212.42.75.1", "8.8.8.8", "2001:4860:4860::8888",
    "185.220.101.1", "151.216.46.189", "1.32.192.0", "10.0.0.1", "unix:", "8.8.8.8:443", "[2400:3200::1]:80",
)  # fmt: skip
NEXT: dict[str, Any] = {
    "exceptions": [{"account": "a2", "reason": "contract"}],
    "rules": [{"id": "old-model", "effect": "block", "models": ["gpt-3*"]}],
}
CURRENT: dict[str, Any] = {"rules": [{"id": "not-yet", "effect": "allow", "territories": ["CN"]}]}


class Request(NamedTuple):
    address: str
    account: str
    key: str
    model: str
    at: int
    tokens: int


requests = st.lists(
    st.builds(
        Request,
        st.sampled_from(ADDRESSES),
        st.sampled_from(["", "a1", "a2", "a3", "a4"]),
        st.sampled_from(["", "k1", "k2"]),
        st.sampled_from(["gpt-4o", "gpt-3.5"]),
        st.builds(lambda day, second: START + day * DAY + second * SECOND, st.integers(0, 3), st.integers(0, 86_399)),
        st.integers(0, 1000),
    ),
    min_size=1,
    max_size=40,
)


class Judged(NamedTuple):
    request: Request
    account: str
    place: str
    certain: bool
    effect: Effect
    before: Effect
    former: Effect
    bare: Effect
    rule: str
    hit: bool


class Oracle:
    """Asks the live functions for each request."""

    def __init__(self, atlas: Atlas, older: Atlas) -> None:
        self._atlas, self._older = atlas, older
        self._next, self._current = Rules(book(NEXT)), Rules(book(CURRENT))

    def judge(self, one: Request) -> Judged:
        name = one.account or one.key
        account, nobody = Account(name, name, ""), Account("", "", "")
        address = {"8.8.8.8:443": "8.8.8.8", "[2400:3200::1]:80": "2400:3200::1"}.get(one.address, one.address)
        origin, former = origin_of(self._atlas.locate(address)), origin_of(self._older.locate(address))
        verdict = self._next.judge_product(PRODUCT, origin, account, NOW, one.model)
        return Judged(
            one, name, origin.territory if origin.certainty == "certain" else origin.certainty,
            origin.certainty == "certain", verdict.effect,
            self._current.judge_product(PRODUCT, origin, account, NOW, one.model).effect,
            self._next.judge_product(PRODUCT, former, account, NOW, one.model).effect,
            self._next.judge_product(PRODUCT, origin, nobody, NOW, one.model).effect, verdict.rule,
            verdict.effect == "block",
        )  # fmt: skip


def origin_of(place: Located) -> Origin:
    return Origin(place.territory, place.certainty, "peer", subdivision=place.subdivision, network=place.network)


def counted(judged: list[Judged]) -> tuple[int, int, int, int]:
    accounts, keys = {one.account for one in judged} - {""}, {one.request.key for one in judged} - {""}
    return len(accounts), len(keys), len(judged), sum(one.request.tokens for one in judged)


def told(count: Any) -> tuple[int, int, int, int]:
    return count.accounts, count.keys, count.requests, count.tokens


def standings(judged: list[Judged], min_days: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for account in {one.account for one in judged if one.hit} - {""}:
        places: dict[str, list[Judged]] = defaultdict(list)
        for one in judged:
            if one.account == account:
                places[one.place].append(one)
        elsewhere = any(every[0].certain and not any(one.hit for one in every) for every in places.values())
        days = {one.request.at // DAY for one in judged if one.account == account and one.hit}
        found["traveller" if elsewhere else "only-here" if len(days) >= min_days else "too-few-days"] += 1
    return found


@pytest.fixture(scope="session")
def moved() -> Atlas:
    """Older data, in which Germany was Hong Kong's and the United States nobody's."""
    rows = [(0x08080808, 0x08080808, "EU"), (0x72727272, 0x72727272, "CN"), (0xB9DC6501, 0xB9DC6501, "HK")]
    return Atlas([Packed(Ranges.of(rows, []), "older", "2025-01-01")])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=requests, min_days=st.integers(1, 3))
def test_every_number_is_that_of_single_requests(
    entries: list[Request], min_days: int, ask: Ask, atlas: Atlas, moved: Atlas, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(one._asdict() | {"time": one.at}) for one in entries))
    found = ask(log, following=NEXT, against=CURRENT, older=moved, min_days=min_days, top=1000)
    oracle = Oracle(atlas, moved)
    judged = [oracle.judge(one) for one in entries]
    hit = [one for one in judged if one.hit]
    assert told(found.seen) == counted(judged)
    assert found.seen.addresses == len({one.request.address for one in judged})
    assert told(found.hit) == counted(hit)
    assert found.hit.addresses == len({one.request.address for one in hit})
    assert found.hit.without_account == sum(not one.account for one in hit)
    assert found.hit.uncertain == sum(not one.certain for one in hit)
    standing = standings(judged, min_days)
    assert (found.hit.only_here, found.hit.too_few_days, found.hit.travellers) == (
        standing["only-here"], standing["too-few-days"], standing["traveller"],
    )  # fmt: skip
    check_lists(found, judged)
    check_changes(found, judged)


def check_lists(found: Backtest, judged: list[Judged]) -> None:
    for effect in found.effects:
        assert told(effect) == counted([one for one in judged if one.effect == effect.effect])
    assert {row.territory for row in found.territories} == {one.place for one in judged}
    for row in found.territories:
        there = [one for one in judged if one.place == row.territory]
        assert told(row.seen) == counted(there)
        assert told(row.hit) == counted([one for one in there if one.hit])
        assert row.blocked == sum(one.hit and one.before != "block" for one in there)
        assert row.released == sum(not one.hit and one.before == "block" for one in there)
    assert sum(row.seen.requests for row in found.networks) == len(judged)
    days = Counter(one.request.at // DAY for one in judged)
    assert [row.requests for row in found.days] == [days[day] for day in sorted(days)]
    assert sum(row.hit for row in found.days) == found.hit.requests
    assert sum(row.requests for row in found.reasons) == len(judged)
    assert sum(row.requests for row in found.overrides) == sum(
        one.rule == "exception" and RANK[one.bare] > RANK[one.effect] for one in judged
    )
    rows = {(one.account, one.request.key) for one in judged if one.hit and one.account}
    assert {(row.account, row.key) for row in found.accounts} == rows
    assert sum(row.hit_requests for row in found.accounts) == sum(one.hit and bool(one.account) for one in judged)
    for line in found.accounts:
        own = [one for one in judged if (one.account, one.request.key) == (line.account, line.key)]
        assert line.requests == len(own)
        assert line.territories == Counter(one.place for one in own if one.hit)
        assert (line.first, line.last) == (min(one.request.at for one in own), max(one.request.at for one in own))


def check_changes(found: Backtest, judged: list[Judged]) -> None:
    assert found.policy_change
    assert found.data_change
    for change, former in ((found.policy_change, "before"), (found.data_change, "former")):
        was = {id(one): getattr(one, former) for one in judged}
        assert told(change.blocked) == counted([one for one in judged if one.hit and was[id(one)] != "block"])
        assert told(change.released) == counted([one for one in judged if not one.hit and was[id(one)] == "block"])
        rows = Counter((one.place, was[id(one)], one.effect) for one in judged if was[id(one)] != one.effect)
        assert {(row.territory, row.before, row.after): row.requests for row in change.rows} == rows


def test_an_uncertain_place_makes_nobody_a_traveller(ask: Ask, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    log.write_text("ip,account\n1.2.4.8,a\n1.32.192.0,a\n1.2.4.8,b\n8.8.8.8,b\n")
    found = ask(log)
    assert {row.account: row.standing for row in found.accounts} == {"a": "only-here", "b": "traveller"}
