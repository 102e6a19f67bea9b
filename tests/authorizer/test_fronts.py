"""nginx, Envoy and Caddy with the documented files, before a whole gateway."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.app.running import CHINA, HONGKONG, SINGAPORE, TOKEN, Answer, Gateway, request, serving, until
from tests.app.test_place import REFUSAL
from tests.authorizer.fronts import KINDS, SECRET, Application, Front, body_of, front

SETTINGS = {
    "GAPURA_AUTHORIZER_SECRET": SECRET,
    "GAPURA_AUTHORIZER_PEERS": "127.0.0.1/32",
    "GAPURA_AUTHORIZER_PORT": "0",
    "GAPURA_SITE_TERRITORY": "SG",
}

# Hong Kong is warned, mainland China is not served, and one account is excepted.
DOCUMENT = """
[[policies]]
pack = "openai/chatgpt"
exceptions = [{ account = "friend", reason = "has a contract" }]

[[policies.rules]]
id = "hong-kong"
effect = "warn"
territories = ["HK"]
until = 2099-07-09T00:00:00+08:00
"""

NOTICE = 'block;from="2099-07-08T16:00:00+00:00";policy="openai/chatgpt";product="openai/chatgpt"'

# And from now on China is served.
LIFTED = (
    DOCUMENT
    + """
[[policies.rules]]
id = "lifted"
effect = "allow"
territories = ["CN"]
"""
)


def authorizer(gateway: Gateway) -> str:
    return gateway.told("authorizer").split()[0]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with serving(tmp_path_factory.mktemp("gateway"), DOCUMENT, **SETTINGS) as running:
        yield running


@pytest.fixture
def application() -> Iterator[Application]:
    made = Application()
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def running(
    request: pytest.FixtureRequest, tmp_path: Path, gateway: Gateway, application: Application
) -> Iterator[Front]:
    with front(request.param, tmp_path, authorizer(gateway), application) as made:
        yield made


def refused(answer: Answer) -> bool:
    return (answer.status, answer.body, answer.headers["cache-control"]) == (403, REFUSAL, "no-store")


def test_each_place_gets_what_the_policy_says(running: Front, application: Application) -> None:
    served = running.ask(SINGAPORE, body=b'{"a": 1}')
    assert (served.status, served.body, served.headers.get("gapura-notice", "")) == (200, b'{"served": true}', "")
    assert (application.seen[0].body, application.seen[0].headers["gapura-effect"]) == ('{"a": 1}', "allow")
    assert served.headers["gapura-decision"] == application.seen[0].headers["gapura-decision"]
    assert not application.seen[0].headers.get("gapura-notice")

    warned = running.ask(HONGKONG)
    told = application.seen[1].headers
    assert (warned.status, told["gapura-effect"], told["gapura-territory"]) == (200, "warn", "HK")
    assert told["gapura-policy"] == "openai/chatgpt"
    assert told["gapura-certainty"] == "certain"
    assert told["gapura-notice"] == warned.headers["gapura-notice"] == NOTICE

    blocked = running.ask(CHINA, body=b'{"a": 1}')
    assert refused(blocked)
    assert blocked.headers["gapura-decision"].startswith("block;id=dec_")
    assert len(application.seen) == 2


def test_what_a_client_says_of_itself_changes_nothing(running: Front, application: Application) -> None:
    lies: list[dict[str, Any]] = [
        {"x_forwarded_for": SINGAPORE},
        {"x_forwarded_for": f"{SINGAPORE}, 127.0.0.1"},
        {"x_forwarded_for": "unknown"},
        {"forwarded": f"for={SINGAPORE}"},
        {"x_real_ip": SINGAPORE, "x_envoy_external_address": SINGAPORE, "x_original_forwarded_for": SINGAPORE},
        {"gapura_account": "friend"},
        {"gapura_product": "anthropic/api", "gapura_model": "x", "gapura_organisation": "x"},
        {"gapura_authorizer_secret": "x", "gapura_client_territory": "SG"},
        {"connection": "gapura-authorizer-secret, gapura-product"},
    ]
    for lie in lies:
        answer = running.ask(CHINA, **lie)
        assert refused(answer), lie
    assert application.seen == []
    running.ask(
        SINGAPORE, gapura_effect="block", gapura_notice="pay here", gapura_territory="CN", gapura_account="friend"
    )
    told = application.seen[0].headers
    assert (told["gapura-effect"], told["gapura-territory"]) == ("allow", "SG")
    assert not told.get("gapura-notice")


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_load_balancer_it_is_the_peer_that_counts(
    kind: str, tmp_path: Path, gateway: Gateway, application: Application
) -> None:
    with front(kind, tmp_path, authorizer(gateway), application, told=False) as running:
        assert running.ask(x_forwarded_for=CHINA).status == 200
        assert application.seen[0].headers["gapura-territory"] == "SG"  # the site's: the client is on this machine
        # Headers named in Connection are for one hop: a client could have ours dropped on the way to the application.
        for named in ("gapura-territory", "Gapura-Effect, gapura-territory", "x-forwarded-for"):
            answer = running.ask(connection=named)
            assert answer.status == 400 or application.seen[-1].headers["gapura-territory"] == "SG"
            assert answer.status in {200, 400}


@pytest.mark.parametrize("kind", KINDS)
def test_another_secret_lets_nobody_in_and_says_so_to_the_operator(
    kind: str, tmp_path: Path, gateway: Gateway, application: Application
) -> None:
    with front(kind, tmp_path, authorizer(gateway), application, secret="x" * 40) as running:
        answer = running.ask(SINGAPORE)
    assert answer.status == (503 if kind == "nginx" else 403)
    assert b"country" not in answer.body.lower()
    assert application.seen == []
    until(lambda: "gapura-authorizer-secret is missing, wrong or sent twice" in gateway.err)


def test_a_new_policy_is_enforced_at_once(tmp_path: Path) -> None:
    applications = [Application() for _ in KINDS]
    with serving(tmp_path / "gateway", DOCUMENT, **SETTINGS, GAPURA_WORKERS="2") as gateway:
        for kind, application in zip(KINDS, applications, strict=True):
            with front(kind, tmp_path / kind, authorizer(gateway), application) as running:
                for document, served in ((LIFTED, True), (DOCUMENT, False), (LIFTED, True), (DOCUMENT, False)):
                    assert (running.ask(CHINA).status == 200) is not served
                    activate(gateway, document)
                    until(lambda: (running.ask(CHINA).status == 200) is served)  # noqa: B023 - asked at once
    for application in applications:
        application.close()


def activate(gateway: Gateway, document: str) -> None:
    (gateway.folder / "gapura.toml").write_text(document)
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    done = request(f"{gateway.told('admin')}/policies/reload", "POST", b'{"reason": "a test"}', headers)
    assert done.status == 200, done.body


@pytest.mark.parametrize(
    ("kind", "choice"),
    [("nginx", "closed"), ("envoy", "closed"), ("caddy", "closed"), ("nginx", "open"), ("envoy", "open")],
)
def test_what_becomes_of_requests_when_the_gate_is_gone(
    kind: str, choice: str, tmp_path: Path, application: Application
) -> None:
    changes: dict[str, Any] = {"open": "yes"} if choice == "open" else {}
    with serving(tmp_path / "gateway", DOCUMENT, **SETTINGS) as gateway:
        with front(kind, tmp_path / "front", authorizer(gateway), application, **changes) as running:
            assert running.ask(SINGAPORE).status == 200
            assert refused(running.ask(CHINA))
            assert gateway.stop() == 0
            answer = running.ask(SINGAPORE, gapura_effect="allow")
            if choice == "open":
                assert answer.status == 200
                assert "gapura-effect" not in application.seen[-1].headers
            else:
                assert answer.status == (502 if kind == "caddy" else 503)
                assert len(application.seen) == 1
                if kind == "nginx":
                    assert body_of(answer)["error"]["code"] == "gateway_unready"
        gateway.start()


def test_the_start_and_the_status_tell_of_it(gateway: Gateway) -> None:
    assert gateway.told("authorizer").endswith("for 127.0.0.1/32; the product that they name; undecided: deny")
    status: Any = body_of(request(f"{gateway.told('admin')}/status", headers={"authorization": f"Bearer {TOKEN}"}))
    assert status["authorizer"] == authorizer(gateway)
    ports = {finding["check"]: finding["found"] for finding in gateway.cli("doctor")}
    assert ports["authorizer port"].startswith("127.0.0.1:0 is free")  # a free one is taken
