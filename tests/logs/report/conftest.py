"""A back-test's answer as one would get it, for pages to show."""

from typing import Any

import msgspec
import pytest

from gapura.clock import SECOND, instant
from gapura.logs.result import (
    AccountRow,
    Backtest,
    Change,
    ChangeRow,
    Count,
    DayRow,
    EffectRow,
    File,
    Hit,
    NetworkRow,
    OverrideRow,
    PrefixRow,
    Question,
    Reading,
    ReasonRow,
    Sample,
    Side,
    TerritoryRow,
    Unreadable,
)
from gapura.terms.place import SourceAnswer

FIRST = instant("2024-06-01T08:00:00Z")
LAST = FIRST + 13 * 86_400 * SECOND
HIT = {"CN": 12_000, "HK": 700, "LU": 3, "MO": 41, "RU": 5_200, "uncertain": 17}
SERVED = {"SG": 90_000, "FR": 4_100}


def territory(code: str, *, hit: int = 0, served: int = 0) -> TerritoryRow:
    return TerritoryRow(
        territory=code,
        seen=Count(accounts=hit // 50 + served // 50 + 1, keys=3, requests=hit + served, tokens=90 * (hit + served)),
        hit=Count(accounts=hit // 50 + 1, keys=2, requests=hit, tokens=90 * hit) if hit else Count(),
        only_here=hit // 100,
        blocked=hit,
        released=0,
    )


@pytest.fixture
def found() -> Backtest:
    side = Side(name="next.toml", version="0f3c9a7d21b84e66", at=LAST, policies=("openai/api",))
    hit = sum(HIT.values())
    rows = [territory(code, hit=count, served=count // 10) for code, count in HIT.items()]
    rows += [territory(code, served=count) for code, count in SERVED.items()]
    seen = Count(
        accounts=sum(row.seen.accounts for row in rows),
        keys=900,
        requests=sum(row.seen.requests for row in rows),
        tokens=9_000_000,
        addresses=4_000,
    )
    accounts = sum(row.hit.accounts for row in rows)
    changed = Count(accounts=accounts, keys=40, requests=hit, tokens=90 * hit)
    return Backtest(
        made_at=LAST,
        question=Question(
            product="openai/api",
            hit="block",
            next=side,
            against=msgspec.structs.replace(side, name="in force", version="77aa", policies=()),
            since=0,
            until=0,
            min_days=5,
            place_data="ipfire 2026-06-25",
            older_place_data="",
            site_territory="",
        ),
        reading=Reading(
            files=(
                File(
                    path="access.log",
                    kind="combined",
                    lines=120_000,
                    unreadable=2,
                    outside=0,
                    fields={"address": "remote_addr", "account": "http_x_account"},
                    broken="",
                ),
            ),
            lines=120_000,
            unreadable=2,
            outside=0,
            samples=(Unreadable(file="access.log", line='<script>alert("x")</script>', why="no address"),),
            has_accounts=True,
            has_keys=True,
            has_times=True,
            has_tokens=True,
            first=FIRST,
            last=LAST,
        ),
        seen=seen,
        hit=Hit(
            accounts=accounts,
            keys=40,
            requests=hit,
            tokens=90 * hit,
            territories=len(HIT) - 1,
            only_here=accounts - 20,
            too_few_days=8,
            travellers=12,
            uncertain=17,
            uncertain_accounts=1,
            hosting=310,
            hosting_accounts=4,
        ),
        effects=(EffectRow(effect="block", accounts=accounts, keys=40, requests=hit, tokens=90 * hit),),
        territories=tuple(rows),
        networks=(NetworkRow(network="", seen=seen, hit=changed), NetworkRow(network="vpn", seen=seen, hit=changed)),
        days=tuple(
            DayRow(day=f"2024-06-{n:02}", requests=9_000 + n * 100, hit=1_200 + n, accounts=500, hit_accounts=30 + n)
            for n in range(1, 15)
        ),
        reasons=(ReasonRow(effect="block", policy="openai/api", rule="coverage", accounts=accounts, requests=hit),),
        prefixes=(
            PrefixRow(prefix="1.0.1.0/24", territory="CN", network="", accounts=3, requests=5_000, tokens=450_000),
        ),
        accounts=(
            AccountRow(
                account="acme <b>",
                key="sk-gp-ab…12345678",
                effect="block",
                standing="only-here",
                days=9,
                requests=5_100,
                hit_requests=5_000,
                hit_tokens=450_000,
                first=FIRST,
                last=LAST,
                territories={"CN": 4_800, "HK": 200},
                prefixes=("1.0.1.0/24",),
            ),
        ),
        samples=(
            Sample(
                account="acme <b>",
                address="1.0.1.7",
                territory="CN",
                certainty="certain",
                network="",
                day="2024-06-03",
                requests=900,
                effect="block",
                policy="openai/api",
                rule="coverage",
                because="the list openai/api does not cover CN",
                now="allow",
                answers=(SourceAnswer("ipfire", "CN", "2026-06-25"),),
            ),
        ),
        overrides=(
            OverrideRow(
                account="globex",
                policy="openai/api",
                because="told too late",
                otherwise="block",
                requests=77,
                tokens=6_930,
            ),
        ),
        policy_change=Change(
            blocked=changed,
            released=Count(),
            rows=(ChangeRow(territory="CN", before="allow", after="block", accounts=3, requests=12_000, tokens=9),),
        ),
        data_change=None,
    )


@pytest.fixture
def bare(found: Backtest) -> Backtest:
    """Of logs without accounts, keys, tokens and times, in which nothing was hit."""
    nothing: dict[str, Any] = dict.fromkeys(("days", "reasons", "prefixes", "accounts", "samples", "overrides"), ())
    reading = msgspec.structs.replace(
        found.reading,
        has_accounts=False,
        has_keys=False,
        has_times=False,
        has_tokens=False,
        first=0,
        last=0,
        samples=(),
    )
    return msgspec.structs.replace(
        found,
        **nothing,
        reading=reading,
        hit=Hit(),
        territories=(territory("SG", served=10),),
        networks=(),
        policy_change=None,
        question=msgspec.structs.replace(found.question, against=None, hit="warn"),
    )
