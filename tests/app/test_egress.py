"""A gateway that knows from where it calls: by an address, whose place may change while it serves."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.running import HONGKONG, SINGAPORE, TOKEN, Gateway, request, run, serving, until

DOCUMENT = f"""
[routes.openai-only]
targets = ["openai/gpt-4o-mini"]

[routes.refused]
targets = ["openai/sandbox-region"]

[providers.qwen]
egress = ["{HONGKONG}"]

[[policies]]
pack = "openai/api"
"""
UNTIL = ("--reason", "a new uplink", "--owner", "ops", "--until", "2999-01-01T00:00:00Z")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    settings = {"GAPURA_EGRESS_ADDRESSES": SINGAPORE, "GAPURA_SITE_TERRITORY": "SG"}
    with serving(folder / "egress", DOCUMENT, **settings) as gateway:
        yield gateway


def judged(gateway: Gateway) -> dict[str, tuple[str, str]]:
    return {one["provider"]: (one["territory"], one["may"]) for one in gateway.cli("doctor", "egress")["items"]}


def test_each_provider_is_judged_from_where_it_is_called(gateway: Gateway) -> None:
    found = judged(gateway)
    assert (found["openai"], found["qwen"]) == (("SG", "yes"), ("HK", "yes"))
    assert gateway.chat("openai-only").status == 200
    assert not any("calls from" in line for line in gateway.banner)


def test_where_the_address_moves_nothing_more_is_sent(gateway: Gateway) -> None:
    before = gateway.seen("openai")
    gateway.cli("atlas", "correct", SINGAPORE, "HK", *UNTIL)
    until(lambda: gateway.chat("openai-only").status == 403)
    seen = gateway.seen("openai")
    refusal = gateway.chat("openai-only")
    assert gateway.seen("openai") == seen >= before
    told = gateway.decision(refusal)["verdicts"][0]
    assert told[3] == "egress" and "calls from HK" in told[4]
    result = run(gateway.folder, gateway.env, "doctor", "egress")
    assert result.code == 3 and "does not cover HK" in result.out
    answer = request(f"{gateway.told('admin')}/status", headers={"authorization": f"Bearer {TOKEN}"})
    assert b"nothing is ever sent to openai" in answer.body
    gateway.cli("atlas", "correct", SINGAPORE, "--remove", "--reason", "moved back", "--confirm", SINGAPORE)
    until(lambda: gateway.chat("openai-only").status == 200)


def test_a_providers_own_refusal_is_counted_as_ours(gateway: Gateway) -> None:
    """The caller may be served, by the list; so it is the place that we call from that was refused."""
    assert gateway.chat("refused").status == 403
    series = 'gapura_egress_refusals_total{provider="openai"} 1'
    until(lambda: series.encode() in request(gateway.told("admin").removesuffix("/api/v1") + "/metrics").body)
    until(lambda: run(gateway.folder, gateway.env, "doctor", "egress").code == 3)
    result = run(gateway.folder, gateway.env, "doctor", "egress")
    assert "openai refused the place that it was called from 1 times in 30 days" in result.err
