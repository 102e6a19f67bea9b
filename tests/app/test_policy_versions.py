"""A policy document on a running gateway: in force within a second in every gate, under traffic, and back again."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.app.running import HONGKONG, KEY, SINGAPORE, TOKEN, Gateway, request, run, serving, until

ROUTES = '[routes.only]\ntargets = ["openai/gpt-4o-mini"]\n'
ROUTES += '[routes.both]\ntargets = ["openai/gpt-4o-mini", "qwen/qwen-plus"]\n'
PAGE = "https://example.com/notice?of=july"
POLICY = '[[policies]]\npack = "openai/api"\n'
WARNS = POLICY + 'phases = [{ effect = "warn", from = 2026-01-01T00:00:00Z }]\n'
DATED = (
    POLICY + 'phases = [{ effect = "warn", from = 2026-01-01T00:00:00Z },'
    ' { effect = "block", from = 9999-07-09T00:00:00, zone = "Asia/Shanghai" }]\n'
)


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    """Two gates, and no policies in gapura.toml."""
    settings = {"GAPURA_TRUSTED_PROXIES": "127.0.0.1/32", "GAPURA_WORKERS": "2", "GAPURA_SITE_TERRITORY": "SG"}
    settings |= {"GAPURA_NOTICE_PAGE": PAGE}
    with serving(folder / "versions", ROUTES, **settings) as running:
        yield running


def propose(gateway: Gateway, document: str) -> str:
    path = gateway.folder / "proposal.toml"
    path.write_text(document)
    return str(gateway.cli("policy", "propose", str(path), "--reason", "because")["version"]["id"])


def activate(gateway: Gateway, version: str) -> None:
    gateway.cli("policy", "activate", version, "--confirm", version, "--reason", "it is time")


def everywhere(gateway: Gateway, effect: str, model: str = "only") -> bool:
    """Two gates take connections as they come: ten in a row are both."""
    return all(gateway.chat(model, come=HONGKONG).effect == effect for _ in range(10))


def test_in_force_under_traffic_and_back(gateway: Gateway) -> None:
    """Every answer is by one version or the other, and by the new one as soon as both gates have it."""
    version = propose(gateway, WARNS)
    admin = gateway.told("admin").removesuffix("/api/v1")
    seen: list[tuple[float, float, int, str]] = []
    stop = threading.Event()

    def calls() -> None:
        while not stop.is_set():
            before = time.monotonic()
            answer = gateway.chat("only", come=HONGKONG)
            seen.append((before, time.monotonic(), answer.status, answer.effect))

    def put(name: str) -> None:
        headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
        body = json.dumps({"confirm": name, "reason": "it is time"}).encode()
        done = request(f"{admin}/api/v1/policies/versions/{name}/activate", "POST", body, headers)
        assert done.status == 200, done.body

    with ThreadPoolExecutor(4) as callers:
        try:
            for _ in range(4):
                callers.submit(calls)
            until(lambda: len(seen) > 20)
            turns = []
            for name, effect in ((version, "warn"), ("default", "block"), (version, "warn"), ("default", "block")):
                put(name)
                until(lambda wanted=effect: everywhere(gateway, wanted))  # type: ignore[misc]  # a lambda's default
                begun, count = time.monotonic(), len(seen)
                until(lambda reached=count + 40: len(seen) > reached)  # type: ignore[misc]
                turns.append((begun, time.monotonic(), effect))
        finally:
            stop.set()
    assert {(status, effect) for _, _, status, effect in seen} == {(200, "warn"), (403, "block")}
    for begun, ended, effect in turns:
        assert {told for before, after, _, told in seen if begun < before and after < ended} == {effect}


def test_a_next_version_is_counted_beside_and_decides_nothing(gateway: Gateway) -> None:
    activate(gateway, "default")
    version = propose(gateway, DATED)
    gateway.cli("policy", "shadow", version, "--reason", "to see")
    until(lambda: "gapura_shadow" in metrics(gateway) or not gateway.chat("only", come=HONGKONG))
    for _ in range(4):
        assert gateway.chat("only", come=HONGKONG).effect == "block"
        assert gateway.chat("both", come=HONGKONG).provider == "qwen/qwen-plus"
        assert gateway.chat("only", come=SINGAPORE).effect == "allow"
    counts: dict[tuple[str, str, bool, str], int] = {}

    def counted() -> bool:
        """Each gate tells now and then; others of this test came before."""
        told = gateway.cli("policy", "shadow")["counts"]
        counts.update({(one["live"], one["next"], one["moved"], one["territory"]): one["requests"] for one in told})
        wanted = [
            ("block", "warn", True, "HK"),
            ("allow", "allow", False, "SG"),
            ("allow", "warn", True, "HK"),  # OpenAI would have answered, and not Qwen
        ]
        return all(counts.get(one, 0) >= 4 for one in wanted)

    until(counted)
    report = gateway.cli("policy", "shadow")
    assert not any(moved for _, _, moved, territory in counts if territory == "SG")
    told = gateway.decision(gateway.chat("only", come=HONGKONG))
    assert (told["effect"], told["shadow_effect"], told["shadow_version"]) == ("block", "warn", report["rulebook"])
    assert gateway.decision(gateway.chat("only", come=SINGAPORE))["shadow_effect"] == ""
    until(lambda: gateway.cli("policy", "shadow")["samples"])
    sample = gateway.cli("policy", "shadow", "--samples", "1")["samples"][0]
    assert sample["territory"] == "HK" and sample["next_verdicts"][0][1] == "warn"
    exported = run(gateway.folder, gateway.env, "record", "export", "--json").lines
    assert {line["shadow_effect"] for line in exported} == {"", "warn"}
    gateway.cli("policy", "shadow", "off", "--reason", "seen")
    until(lambda: "gapura_shadow" not in metrics(gateway))
    assert gateway.decision(gateway.chat("only", come=HONGKONG))["shadow_effect"] == ""


def test_who_is_warned_is_told_the_date_and_the_next_caller_is_not(gateway: Gateway) -> None:
    activate(gateway, propose(gateway, DATED))
    until(lambda: everywhere(gateway, "warn"))
    warned = gateway.chat("only", come=HONGKONG)
    assert warned.status == 200
    assert warned.headers["sunset"] == "Thu, 08 Jul 9999 16:00:00 GMT"
    assert warned.headers["gapura-notice"].startswith('block;from="9999-07-09T00:00:00+08:00";policy="openai/api"')
    assert (warned.headers["link"], warned.headers["cache-control"]) == (f'<{PAGE}>; rel="sunset"', "private")
    assert not {"sunset", "gapura-notice", "link"} & gateway.chat("only", come=SINGAPORE).headers.keys()
    streamed = gateway.post(
        json.dumps({"model": "only", "stream": True, "messages": [{"role": "user", "content": "hi"}]}).encode(),
        {"authorization": f"Bearer {KEY}", "x-forwarded-for": HONGKONG},
    )
    assert streamed.headers["sunset"] == warned.headers["sunset"]
    activate(gateway, propose(gateway, WARNS))
    until(lambda: "sunset" not in gateway.chat("only", come=HONGKONG).headers)


def test_a_restart_keeps_what_is_in_force_and_what_runs_beside(folder: Path) -> None:
    settings = {"GAPURA_TRUSTED_PROXIES": "127.0.0.1/32", "GAPURA_SITE_TERRITORY": "SG"}
    with serving(folder / "restarted", ROUTES, **settings) as gateway:
        first, second = propose(gateway, WARNS), propose(gateway, POLICY)
        activate(gateway, first)
        gateway.cli("policy", "shadow", second, "--reason", "to see")
        assert gateway.stop() == 0
        gateway.start()
        assert "warn from 2026-01-01T00:00:00Z" in gateway.told("policy")
        told = gateway.decision(gateway.chat("only", come=HONGKONG))
        assert (told["effect"], told["shadow_effect"]) == ("warn", "block")
        gateway.reload(ROUTES + "[routes.new]\ntargets = ['openai/gpt-4o']\n")  # other routes, the same policies
        until(lambda: gateway.chat("new", come=HONGKONG).status == 200)
        gateway.reload(ROUTES + POLICY)  # the file decides now
        until(lambda: gateway.chat("only", come=HONGKONG).effect == "block")
        assert gateway.cli("policy", "list")["decides"] == "file"
        refused = run(gateway.folder, gateway.env, "policy", "activate", second, "--confirm", second, "--reason", "x")
        assert refused.code == 1 and "gapura.toml has policies of its own" in refused.err
        failing = '[[tests]]\nterritory = "HK"\nproduct = "openai/api"\nexpect = "allow"\n'
        gateway.reload(ROUTES + WARNS + failing)
        until(lambda: "rules not reloaded" in gateway.err)
        assert "tests[0]" in gateway.err and gateway.chat("only", come=HONGKONG).effect == "block"
        gateway.reload(ROUTES)
        until(lambda: gateway.chat("only", come=HONGKONG).effect == "warn")
        assert gateway.cli("policy", "list")["decides"] == first


def metrics(gateway: Gateway) -> str:
    return request(gateway.url.removesuffix("/v1") + "/metrics").body.decode()
