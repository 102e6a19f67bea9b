"""The authorizer as an application: who is heard, what is decided, and how it is said."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs
from tests.app.running import CHINA, HONGKONG, SINGAPORE, runtime_folder

from gapura.app.create import Embedded, embedded
from gapura.clock import SECOND, TurnableClock, instant
from gapura.settings import BadSetting, Settings
from gapura.terms.link import Delta
from gapura.terms.place import Located

SECRET = "as-7Kq2Zt9mVx4Rb6Yw1Hc3Nd8Lf5Js0Pg"
PROXY = "10.0.0.1"
JUNE, JULY = instant("2024-06-24T00:00:00+08:00"), instant("2024-07-09T00:00:00+08:00")

DOCUMENT: dict[str, Any] = {
    "policies": [
        {
            "pack": "openai/api",
            "phases": [
                {"effect": "warn", "from": "2024-06-24T00:00:00+08:00"},
                {"effect": "block", "from": "2024-07-09T00:00:00+08:00"},
            ],
            "exceptions": [{"account": "friend", "reason": "has a contract"}],
        }
    ]
}
REFUSAL = {
    "error": {
        "code": "unsupported_country_region_territory",
        "message": "Country, region, or territory not supported",
        "param": None,
        "type": "request_forbidden",
    }
}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: Any

    @property
    def effect(self) -> str:
        return self.headers.get("gapura-effect", "")


class Asking:
    """`peer`, `path` and headers with `_` for `-`; None leaves a header out, a list sends it more than once."""

    def __init__(self, running: Embedded, clock: TurnableClock) -> None:
        self.running, self.clock = running, clock

    def turn_to(self, at: int) -> None:
        """And the keeper is not away."""
        while (left := at - self.clock()) != 0:  # a float of seconds does not hold each microsecond
            self.clock.turn(seconds=left / SECOND)
        self.running.gate.state.seen(at)

    async def __call__(
        self, come: str | None = SINGAPORE, *, peer: str = PROXY, path: str = "/authorize", **more: Any
    ) -> Answer:
        given = {"gapura_authorizer_secret": SECRET, "gapura_product": "openai/api", "x_forwarded_for": come, **more}
        headers = [
            (name.replace("_", "-").encode(), one if isinstance(one, bytes) else one.encode())
            for name, value in given.items()
            for one in (value if isinstance(value, list) else [value])
            if one is not None
        ]
        path, _, query = path.partition("?")
        scope = {"type": "http", "method": "GET", "path": path, "query_string": query.encode()}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        assert self.running.gate.authorizer is not None
        await self.running.gate.authorizer(scope | {"headers": headers, "client": (peer, 1)}, send, send)  # type: ignore[arg-type]  # never received from
        found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], found, json.loads(sent[1]["body"]))

    def count(self, family: str, reason: str = "") -> float:
        series = f'{family}{{reason="{reason}"}}' if reason else family
        assert self.running.gate.authorizer is not None
        return self.running.gate.authorizer.samples().get(series, 0)


Scene = Callable[[Asking], Awaitable[None]]
Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """play(scene, **settings): on a whole gateway, in the fortnight of the warning."""

    def run(scene: Scene, document: dict[str, Any] = DOCUMENT, **given: str) -> None:
        environ = {
            "GAPURA_AUTHORIZER_SECRET": SECRET,
            "GAPURA_AUTHORIZER_PEERS": "10.0.0.0/24 127.0.0.1",
            "GAPURA_TRUSTED_PROXIES": "172.16.0.0/12",
            **given,
        }
        clock = TurnableClock(JUNE)

        async def main() -> None:
            async with embedded(Settings.load(environ, document, tmp_path), sandbox=True, clock=clock) as running:
                await scene(Asking(running, clock))

        with runtime_folder() as runtime, pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", runtime)
            asyncio.run(main())

    return run


def test_the_weeks_of_2024(play: Play) -> None:
    async def scene(ask: Asking) -> None:
        ask.turn_to(JUNE - 1)
        assert (await ask(CHINA)).effect == "allow"
        for at in (JUNE, JULY - 1):
            ask.turn_to(at)
            warned = await ask(CHINA)
            assert (warned.status, warned.effect, warned.headers["gapura-territory"]) == (200, "warn", "CN")
            told = 'block;from="2024-07-08T16:00:00+00:00";policy="openai/api";product="openai/api"'
            assert warned.headers["gapura-notice"] == told
            assert warned.body["notice"] == warned.headers["gapura-notice"]
            assert warned.headers["gapura-decision"] == f"warn;id={warned.body['decision']}"
        ask.turn_to(JULY)
        blocked = await ask(CHINA)
        assert (blocked.status, blocked.effect, blocked.body) == (403, "block", REFUSAL)
        assert blocked.headers["gapura-policy"] == "openai/api"
        assert blocked.headers["gapura-code"] == "unsupported_country_region_territory"
        assert blocked.headers["x-should-retry"] == "false"
        assert blocked.headers["gapura-decision"].startswith("block;id=dec_")
        served = await ask(SINGAPORE)
        assert (served.status, served.effect, served.headers["gapura-certainty"]) == (200, "allow", "certain")
        assert served.headers["gapura-notice"] == ""  # there, so that what a client wrote is replaced
        for answer in (served, blocked):
            assert answer.headers["cache-control"] == "no-store"

    play(scene)


def test_who_is_heard(play: Play) -> None:
    async def scene(ask: Asking) -> None:
        ask.turn_to(JULY)
        unheard: list[tuple[str, dict[str, Any]]] = [
            ("peer", {"peer": "10.0.1.1"}),
            ("peer", {"peer": ""}),
            ("peer", {"peer": "172.16.0.1"}),  # a proxy that is believed on the way is no front end
            ("secret", {"gapura_authorizer_secret": None}),
            ("secret", {"gapura_authorizer_secret": ""}),
            ("secret", {"gapura_authorizer_secret": SECRET[:-1]}),
            ("secret", {"gapura_authorizer_secret": "\N{LATIN SMALL LETTER E WITH ACUTE}" * 20}),
            ("secret", {"gapura_authorizer_secret": [SECRET, SECRET]}),
            ("secret", {"gapura_authorizer_secret": None, "path": f"/authorize?gapura-authorizer-secret={SECRET}"}),
            ("address", {"come": None}),
            ("address", {"forwarded": f"for={CHINA}"}),  # beside an X-Forwarded-For that says otherwise
            ("product", {"gapura_product": None}),
            ("product", {"gapura_product": "openai/chatpgt"}),
            ("product", {"path": "/authorize?product=openai/chatgpt"}),  # and the header says otherwise
            ("headers", {"gapura_account": ["friend", "foe"]}),
            ("headers", {"gapura_account": b"\xff"}),
        ]
        for reason, question in unheard:
            before = ask.count("gapura_authorizer_unheard_total", reason)
            answer = await ask(**question)
            assert (answer.status, answer.body["error"]["message"]) == (403, "This is not open to you."), question
            assert not answer.effect
            assert ask.count("gapura_authorizer_unheard_total", reason) == before + 1, question

    play(scene)


def test_why_nobody_was_heard_is_in_the_log_and_the_secret_is_not(play: Play) -> None:
    async def scene(ask: Asking) -> None:
        for _ in range(3):
            await ask(gapura_authorizer_secret=SECRET + "0")
        await ask(gapura_product="openai/chatpgt")

    with capture_logs() as logs:
        play(scene)
    told = [entry["why"] for entry in logs if "why" in entry]
    assert told == [
        "gapura-authorizer-secret is missing, wrong or sent twice",
        "no policy guards 'openai/chatpgt', and no pack is called so",
    ]
    assert SECRET not in str(logs)


@pytest.mark.parametrize(
    ("come", "more", "territory"),
    [
        (CHINA, {}, "CN"),
        (f"{SINGAPORE}, {CHINA}", {}, "CN"),
        (f"{SINGAPORE}, {CHINA}, 172.16.0.9", {}, "CN"),
        ([SINGAPORE, CHINA], {}, "CN"),
        (CHINA, {"x_real_ip": SINGAPORE, "x_envoy_external_address": SINGAPORE, "cf_ipcountry": "SG"}, "CN"),
        (CHINA, {"gapura_client_address": SINGAPORE, "gapura_client_territory": "SG"}, "CN"),
        (CHINA, {"forwarded": f"for={SINGAPORE}, for={CHINA}"}, "CN"),
        (None, {"forwarded": f"for={CHINA}"}, "CN"),
        ("unknown", {}, "SG"),  # no address: where the site is
        ("192.168.1.1", {}, "SG"),
    ],
)
def test_whose_request_it_is(play: Play, come: Any, more: dict[str, str], territory: str) -> None:
    async def scene(ask: Asking) -> None:
        answer = await ask(come, **more)
        assert answer.headers["gapura-territory"] == territory

    play(scene, GAPURA_SITE_TERRITORY="SG")


def test_what_is_asked_about(play: Play) -> None:
    async def scene(ask: Asking) -> None:
        ask.turn_to(JULY)
        assert (await ask(CHINA, gapura_product=None)).effect == "block"  # the setting's
        assert (await ask(CHINA, gapura_product=None, path="/authorize?product=openai/api&x=1")).effect == "block"
        unguarded = await ask(CHINA, gapura_product=None, path="/authorize?product=anthropic/api")
        assert (unguarded.effect, unguarded.headers["gapura-policy"]) == ("allow", "")
        # below Envoy's prefix, path and query are the client's
        for path in ("/ext_authz/", "/ext_authz/v1/chat?product=anthropic/api", "/ext_authz/authorize"):
            assert (await ask(CHINA, gapura_product=None, path=path)).effect == "block"
        for path in ("/", "/authorize/", "/ext_authz", "/authorizes", "/metrics"):
            lost = await ask(path=path)
            assert (lost.status, lost.body["error"]["code"]) == (404, "not_found")
            assert (await ask(path=path, peer="10.0.1.1")).status == 403

    play(scene, GAPURA_AUTHORIZER_PRODUCT="openai/api")


def test_accounts_go_by_the_operators_own_names(play: Play) -> None:
    async def scene(ask: Asking) -> None:
        ask.turn_to(JULY)
        assert (await ask(CHINA, gapura_account="friend")).effect == "allow"  # named by the policy, in no directory
        assert (await ask(CHINA, gapura_account="stranger")).effect == "block"
        suspended = await ask(SINGAPORE, gapura_account="default")
        assert suspended.effect == "allow"
        account = ask.running.gate._account("default", "default")
        assert account is not None
        ask.running.gate._directory.apply(  # type: ignore[union-attr]  # there since the keeper's welcome
            Delta(seq=1, accounts={account.id: replace(account, status="suspended")})
        )
        suspended = await ask(SINGAPORE, gapura_account="default")
        assert (suspended.status, suspended.effect) == (403, "block")
        assert suspended.body["error"]["code"] == suspended.headers["gapura-code"] == "account_suspended"
        elsewhere = await ask(SINGAPORE, gapura_account="default", gapura_organisation="acme")
        assert elsewhere.effect == "allow"  # another organisation's account of that name

    play(scene)


@pytest.mark.parametrize(("choice", "status", "effect"), [("deny", 503, ""), ("allow", 200, "allow")])
def test_rules_that_are_too_old(play: Play, choice: str, status: int, effect: str) -> None:
    async def scene(ask: Asking) -> None:
        ask.running.gate.state.fresh_until = ask.clock() - 1
        answer = await ask(CHINA)
        assert (answer.status, answer.effect) == (status, effect)
        assert answer.headers["cache-control"] == "no-store"
        assert ask.count("gapura_authorizer_undecided_total") == 1
        if status == 503:
            assert answer.headers["retry-after"] == "1"
        assert (await ask(CHINA, gapura_product="anthropic/api")).effect == "allow"  # what nothing guards

    play(scene, GAPURA_AUTHORIZER_ON_ERROR=choice)


@pytest.mark.parametrize(("choice", "status"), [("deny", 503), ("allow", 200)])
def test_a_bug_of_ours_has_the_operators_answer_too(play: Play, choice: str, status: int) -> None:
    async def scene(ask: Asking) -> None:
        assert ask.running.gate.authorizer is not None
        ask.running.gate.authorizer._account = _bug
        answer = await ask(CHINA, gapura_account="default")
        assert (answer.status, "secret detail" in str(answer)) == (status, False)

    play(scene, GAPURA_AUTHORIZER_ON_ERROR=choice)


def _bug(*_: str) -> None:
    raise RuntimeError("secret detail")


def test_answers_are_counted_where_prometheus_looks(play: Play) -> None:
    async def scene(ask: Asking) -> None:
        ask.turn_to(JULY)
        for come in (CHINA, CHINA, HONGKONG, SINGAPORE):
            await ask(come)
        series = {
            name: value for name, value in ask.running.gate._metrics.samples().items() if "authorizer_decisions" in name
        }
        assert series == {
            'gapura_authorizer_decisions_total{effect="block",product="openai/api",territory="CN"}': 2,
            'gapura_authorizer_decisions_total{effect="block",product="openai/api",territory="HK"}': 1,
            'gapura_authorizer_decisions_total{effect="allow",product="openai/api",territory="SG"}': 1,
        }

    play(scene)


def test_a_policy_has_a_header_whatever_its_language(play: Play) -> None:
    name = "7 月 9 日 100%"

    async def scene(ask: Asking) -> None:
        for come in (CHINA, SINGAPORE):
            told = (await ask(come)).headers["gapura-policy"]
            assert (unquote(told), told.isascii()) == (name, True)

    play(scene, {"policies": [{"pack": "openai/api", "name": name}]})


def test_new_place_data_hold_at_once(play: Play) -> None:
    class Elsewhere:
        def locate(self, address: str) -> Located:
            return Located("CN", "certain")

    async def scene(ask: Asking) -> None:
        ask.turn_to(JULY)
        assert (await ask(SINGAPORE)).effect == "allow"
        gate = ask.running.gate.gate
        gate.places = gate.places._replace(atlas=Elsewhere())  # type: ignore[arg-type]  # what `locate` needs of one
        assert (await ask(SINGAPORE)).effect == "block"

    play(scene)


def test_it_is_off_until_it_has_a_secret_and_peers(tmp_path: Path) -> None:
    assert not Settings.load({}, {}, tmp_path).authorizes
    for half in ({"GAPURA_AUTHORIZER_SECRET": SECRET}, {"GAPURA_AUTHORIZER_PEERS": "10.0.0.1"}):
        with pytest.raises(BadSetting, match="needs both"):
            Settings.load(half, {}, tmp_path)
