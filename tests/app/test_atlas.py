"""Place data change while a gateway serves: at the next requests, in every gate, and never for worse."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.running import CHINA, SINGAPORE, TOKEN, Gateway, request, run, serving, until
from tests.atlas.place_data import files, folder

ROUTES = '[routes.openai-only]\ntargets = ["openai/gpt-4o-mini"]\n'
UNTIL = ("--reason", "our office", "--owner", "ops", "--until", "2999-01-01T00:00:00Z")
PREFIX = "114.114.114.0/24"

# As a correction would have it: the whole data, in which the two have changed places.
MADE = {"114.114.114.0/24": "SG", "165.21.83.0/24": "CN", "202.45.84.0/24": "HK"}
GATES = 2


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    settings = {"GAPURA_TRUSTED_PROXIES": "127.0.0.1/32", "GAPURA_WORKERS": str(GATES)}
    with serving(folder / "atlas", ROUTES, GAPURA_SITE_TERRITORY="SG", **settings) as gateway:
        yield gateway


def status(gateway: Gateway, come: str) -> int:
    return gateway.chat("openai-only", come=come).status


def everywhere(gateway: Gateway, come: str, status_now: int) -> bool:
    """Each request comes over a connection of its own, so the kernel deals them out: twenty in a row reach both."""
    return all(status(gateway, come) == status_now for _ in range(20))


def readyz(gateway: Gateway) -> dict[str, str]:
    found: dict[str, str] = json.loads(request(gateway.url.removesuffix("/v1") + "/readyz").body)
    return found


def problems(gateway: Gateway) -> list[str]:
    answer = request(f"{gateway.told('admin')}/status", headers={"authorization": f"Bearer {TOKEN}"})
    found: list[str] = json.loads(answer.body)["problems"]
    return found


def processes(gateway: Gateway) -> dict[str, int]:
    """By the name under which the supervisor started them, the newest."""
    lines = [line for line in gateway.err.splitlines() if "started" in line]
    return {line.split("process=")[1].strip("'"): int(line.split("pid=")[1].split()[0]) for line in lines}


def test_a_correction_decides_the_next_requests(gateway: Gateway) -> None:
    assert status(gateway, CHINA) == 403
    released = gateway.cli("atlas", "correct", PREFIX, "SG", *UNTIL)
    until(lambda: everywhere(gateway, CHINA, 200))
    assert released["correction"]["territory"] == "SG"
    answer = gateway.chat("openai-only", come=CHINA)
    told = gateway.decision(answer)
    assert told["answers"][0][:2] == ["correction", "SG"]
    assert run(gateway.folder, gateway.env, "atlas", "correct", PREFIX, "--remove", "--reason", "over").code == 3
    gateway.cli("atlas", "correct", PREFIX, "--remove", "--reason", "over", "--confirm", PREFIX)
    until(lambda: everywhere(gateway, CHINA, 403))


def test_who_would_be_hit_is_who_is_hit(gateway: Gateway) -> None:
    answers = [gateway.chat("openai-only", come=come) for come in (CHINA, SINGAPORE)]
    for answer in answers:
        gateway.decision(answer)  # the record has it
    held_back = run(gateway.folder, gateway.env, "atlas", "correct", "165.21.83.0/24", "CN", *UNTIL, "--json")
    assert held_back.code == 3 and status(gateway, SINGAPORE) == 200
    (item,) = json.loads(held_back.out)["data"]["consequences"]["items"]
    (shift,) = item["hit"]
    assert (item["external_id"], shift["target"], shift["after"]) == ("default", "openai/gpt-4o-mini", "block")
    gateway.cli("atlas", "correct", "165.21.83.0/24", "CN", *UNTIL, "--confirm", "165.21.83.0/24")
    until(lambda: everywhere(gateway, SINGAPORE, 403))
    released = gateway.cli("atlas", "correct", "165.21.83.0/24", "--remove", "--reason", "over")
    assert released["consequences"]["released"] == 1
    until(lambda: everywhere(gateway, SINGAPORE, 200))


def test_an_update_is_in_force_everywhere_and_outlives_the_processes(gateway: Gateway, tmp_path: Path) -> None:
    new = folder(tmp_path / "new", files(MADE, "2999-01-01"))
    before = readyz(gateway)["atlas"]
    refused = run(gateway.folder, gateway.env, "atlas", "update", str(new), "--confirm", "new", "--json")
    assert refused.code == 3 and {one["check"] for one in json.loads(refused.out)["data"]["objections"]} >= {"shrinks"}
    assert readyz(gateway)["atlas"] == before
    forced = ("--force", "--reason", "a test")
    version = gateway.cli("atlas", "update", str(new), "--confirm", "new", *forced)["version"]
    until(lambda: everywhere(gateway, CHINA, 200) and everywhere(gateway, SINGAPORE, 403))
    assert readyz(gateway)["atlas"] == version != before
    until(lambda: [one["atlas"] for one in gateway.cli("atlas", "show")["gates"]] == [version] * GATES)

    # What a process had before it was forked is older than this.
    for name in ("gate 0", "gate 1", "keeper"):
        former = processes(gateway)[name]
        os.kill(former, signal.SIGKILL)
        until(lambda name=name, former=former: processes(gateway)[name] != former)  # type: ignore[misc]  # bound now
    until(lambda: len(gateway.cli("atlas", "show")["gates"]) == GATES)
    assert everywhere(gateway, CHINA, 200) and gateway.cli("atlas", "show")["version"] == version

    gateway.cli("atlas", "update", "--back", "--confirm", "back")
    until(lambda: everywhere(gateway, CHINA, 403) and everywhere(gateway, SINGAPORE, 200))


def test_what_cannot_be_loaded_changes_nothing_and_is_told(gateway: Gateway) -> None:
    lists = gateway.folder / "tor.txt"
    lists.write_text(f"{CHINA}\n")
    table = f'{ROUTES}\n[atlas]\nnetworks = [{{ file = "{lists}", kind = "tor" }}]\n'
    before = readyz(gateway)["atlas"]
    gateway.reload(table)
    until(lambda: readyz(gateway)["atlas"] != before)
    assert gateway.cli("atlas", "lookup", CHINA)["items"][0]["located"]["network"] == "tor"

    kept = gateway.home / "atlas" / "corrections.json"
    version = readyz(gateway)["atlas"]
    lists.write_text("no prefix at all\n")
    refused = run(gateway.folder, gateway.env, "atlas", "correct", PREFIX, "SG", *UNTIL, "--json")
    assert refused.code == 1 and "line 1" in json.loads(refused.err)["error"]["message"]
    assert not gateway.cli("atlas", "corrections") and CHINA not in kept.read_text()
    assert everywhere(gateway, CHINA, 403) and readyz(gateway)["atlas"] == version
    os.kill(gateway.process.pid, signal.SIGHUP)
    until(lambda: any("place data cannot be loaded" in problem for problem in problems(gateway)))
    lists.write_text("")
    gateway.cli("atlas", "correct", PREFIX, "SG", *UNTIL)
    until(lambda: everywhere(gateway, CHINA, 200))
    assert not any("place data" in problem for problem in problems(gateway))
