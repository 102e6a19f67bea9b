"""What the gate tries again and what it tells callers to, and that the manual's table is the code's."""

import asyncio
from typing import Any

import pytest
from tests.request.conftest import HALO, LAST, WHOLE, Script, Vendor, bench, says, streams
from tests.request.table import MANUAL, ROWS
from tests.request.test_faults import ASK, CASES, STREAM, error
from tests.request.test_faults_network import FAULTS
from tests.request.test_faults_streams import BEGUN

from gapura.providers.connection import failed, timed_out, unreachable, untrusted
from gapura.providers.faults import OUTCOMES
from gapura.request.route import FAILURES, LONGEST, LONGEST_ASKED, SHORTEST

both = pytest.mark.parametrize("ask", [ASK, STREAM], ids=["plain", "stream"])

# Rows that a test of their own plays.
ALONE = {
    "begun: ends finished, without `[DONE]`",
    "more than 10,000 connections to it",
    "reused connection closed by the vendor",
    "its circuit is open",
    "the caller hangs up while sending",
    "the caller hangs up before the answer",
    "the caller hangs up in the middle",
    "the caller does not read (`GAPURA_READ_S`)",
}


def test_every_row_is_played() -> None:
    assert {*(case[0] for case in CASES), *(case[0] for case in BEGUN), *FAULTS, *ALONE} == set(ROWS)


def test_the_table_is_the_code() -> None:
    before = [row for row in ROWS.values() if row.record == "failed"]
    stated = {(row.status, row.code, row.should_retry) for row in before}
    outcomes = {(one.status, one.code, _told(one.retry)) for one in OUTCOMES.values()}
    connections = {
        (one.status, one.code, _told(one.should_retry))
        for one in (failed(""), unreachable(""), untrusted(""), timed_out(""))
    }
    assert stated == outcomes | connections | {(503, "upstream_saturated", None)}
    follows = {(one.status, one.code): one.advance for one in OUTCOMES.values()}
    trips = {(one.status, one.code): one.trips for one in OUTCOMES.values()}
    for row in before:
        if (found := (row.status, row.code)) in follows:
            assert ((row.another == "yes"), row.circuit is not None) == (follows[found], trips[found]), row


def _told(retry: bool | None) -> str | None:
    return {None: None, True: "true", False: "false"}[retry]


def test_the_manual_knows_the_numbers() -> None:
    words = MANUAL.read_text(encoding="utf-8").replace("\n", " ")
    assert (FAILURES, SHORTEST, LONGEST, LONGEST_ASKED) == (5, 1_000_000, 60_000_000, 3_600_000_000)
    for stated in ("the fifth such failure", "open for 1 s, then 2, 4 and so on to 60 s", "1 h at most"):
        assert stated in words


LIMIT, DOWN = says(error("rate_limit_exceeded"), 429, retry_after="30"), says(b"", 500)
NO_CREDIT, NO_KEY = says(error("insufficient_quota"), 403), says(error("invalid_api_key"), 401)
SOON, NOT_THERE = says(b"", 503, retry_after="4"), says(error("model_not_found"), 404)


@both
@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (DOWN, SOON, (503, "server_is_overloaded", None, None)),
        (LIMIT, SOON, (503, "server_is_overloaded", None, "4")),
        (SOON, LIMIT, (429, "rate_limit_exceeded", None, "4")),
        (LIMIT, DOWN, (502, "upstream_failed", None, None)),
        (LIMIT, NO_KEY, (429, "rate_limit_exceeded", None, "30")),
        (DOWN, NO_CREDIT, (502, "upstream_failed", None, None)),
        (NO_KEY, SOON, (503, "server_is_overloaded", None, "4")),
        (NO_KEY, NO_CREDIT, (429, "insufficient_quota", "false", None)),
        (DOWN, NOT_THERE, (502, "upstream_failed", None, None)),
        (NOT_THERE, NO_KEY, (502, "provider_auth_failed", "false", None)),
        (SOON, says(error("content_policy_violation"), 400), (400, "content_policy_violation", None, None)),
    ],
)
def test_which_of_two_failures_is_told(
    first: Script, second: Script, told: tuple[int, str, str | None, str | None], ask: dict[str, Any]
) -> None:
    async def story() -> None:
        status, code, retry, after = told
        vendors = {"qwen": Vendor(first), "glm": Vendor(second)}
        async with bench(vendors) as it, asyncio.timeout(60):
            said = await it.ask(ask)
            assert (said.status, said.json["error"]["code"]) == (status, code)
            assert said.headers.get("x-should-retry") == retry
            assert said.headers.get("retry-after") == after
            assert [vendor.asked for vendor in vendors.values()] == [1, 1]
            assert [(entry.outcome, entry.status, entry.usage.total) for entry in it.journal.ended] == [
                ("failed", status, 0)
            ]

    asyncio.run(story())


@both
@pytest.mark.parametrize(
    ("first", "second", "third", "asked"),
    [
        ("gpt-4", "qwen-max", "glm-4.6", (1, 1, 1)),  # 8,192, 30,720 and 200,000 tokens
        ("gpt-4o", "qwen-max", "glm-4.6", (1, 0, 1)),
        ("gpt-4o", "gpt-4o", "glm-4.5", (1, 0, 0)),  # the same, and not larger
        ("gpt-4o", "nobody-knows", "glm-4.6", (1, 0, 1)),
        ("nobody-knows", "qwen-flash", "glm-4.6", (1, 0, 0)),
    ],
)
def test_what_was_too_long_goes_to_larger_models_only(
    first: str, second: str, third: str, asked: tuple[int, ...], ask: dict[str, Any]
) -> None:
    async def story() -> None:
        long = says(error("context_length_exceeded"), 400)
        vendors = {"openai": Vendor(long), "qwen": Vendor(long), "glm": Vendor(long)}
        models = {"openai": first, "qwen": second, "glm": third}
        async with bench(vendors, models=models, failover="anywhere") as it, asyncio.timeout(60):
            said = await it.ask(ask)
            assert (said.status, said.json["error"]["code"]) == (400, "context_length_exceeded")
            assert tuple(vendor.asked for vendor in vendors.values()) == asked

    asyncio.run(story())


@both
def test_a_larger_model_answers_what_was_too_long(ask: dict[str, Any]) -> None:
    async def story() -> None:
        large = Vendor(streams(*HALO, *LAST) if ask is STREAM else says(WHOLE))
        vendors = {"qwen": Vendor(says(error("context_length_exceeded"), 400)), "glm": large}
        async with bench(vendors, models={"qwen": "qwen-max", "glm": "glm-4.6"}) as it, asyncio.timeout(60):
            said = await it.ask(ask)
            assert (said.status, said.headers["gapura-provider"]) == (200, "glm/glm-4.6")

    asyncio.run(story())


@both
@pytest.mark.parametrize("code", ["content_policy_violation", "content_filter"])
def test_what_was_refused_for_its_content_is_asked_of_nobody_else(code: str, ask: dict[str, Any]) -> None:
    async def story() -> None:
        refusing, others = Vendor(says(error(code), 400)), [Vendor(says(WHOLE)) for _ in range(3)]
        vendors = {"openai": refusing} | dict(zip(("qwen", "ernie", "glm"), others, strict=True))
        async with bench(vendors, failover="anywhere") as it, asyncio.timeout(60):
            assert (await it.ask(ask)).status == 400
            assert (refusing.asked, [vendor.asked for vendor in others]) == (1, [0, 0, 0])

    asyncio.run(story())
