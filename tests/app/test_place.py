"""One key, one body, and where they come from: what is decided, by whom it is answered, and what each vendor saw."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.running import CHINA, CHINA6, HONGKONG, SINGAPORE, Answer, Gateway, run, serving, until

from gapura.atlas import sources

ALL = '"openai/gpt-4o-mini", "qwen/qwen-plus", "ernie/ernie-4.5-turbo-128k", "glm/glm-4.6"'
OPENAI, QWEN, ERNIE, GLM = "openai/gpt-4o-mini", "qwen/qwen-plus", "ernie/ernie-4.5-turbo-128k", "glm/glm-4.6"

ROUTES = f"""
[routes."gpt-4o-mini"]
targets = [{ALL}]

[routes.openai-only]
targets = ["openai/gpt-4o-mini"]

[routes.weighted]
targets = ["openai/gpt-4o-mini", {{ target = "{ERNIE}", weight = 3 }}, {{ target = "{GLM}", weight = 1 }}]

[routes.next-at-home]
targets = ["qwen/sandbox-503", "{ERNIE}"]

[routes.not-abroad]
targets = ["openai/sandbox-503", "{QWEN}"]

[routes.anywhere]
targets = ["openai/sandbox-500", "{QWEN}"]
failover = "anywhere"
"""

# OpenAI's own, to the byte.
REFUSAL = (
    b'{"error":{"code":"unsupported_country_region_territory","message":"Country, region, or territory not supported",'
    b'"param":null,"type":"request_forbidden"}}'
)


def refused(answer: Answer) -> bool:
    return (answer.status, answer.body, answer.effect) == (403, REFUSAL, "block") and not answer.provider


@pytest.fixture(scope="module")
def proxied(folder: Path) -> Iterator[Gateway]:
    """Behind a proxy on this machine, whose word is taken; two gates; nobody said where the machine is."""
    with serving(folder / "proxied", ROUTES, GAPURA_TRUSTED_PROXIES="127.0.0.1/32", GAPURA_WORKERS="2") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def direct(folder: Path) -> Iterator[Gateway]:
    """Trusts nobody; callers on its own network are in Singapore."""
    with serving(folder / "direct", ROUTES, GAPURA_SITE_TERRITORY="SG") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def from_hongkong(folder: Path) -> Iterator[Gateway]:
    """Calls the vendors from Hong Kong, which OpenAI does not serve."""
    settings = {"GAPURA_EGRESS_TERRITORY": "HK", "GAPURA_TRUSTED_PROXIES": "127.0.0.1/32"}
    document = f"""
        {ROUTES}
        [[policies]]
        pack = "openai/api"
        exceptions = [{{ account = "default", reason = "has a contract" }}]
    """
    with serving(folder / "egress", document, GAPURA_SITE_TERRITORY="SG", **settings) as gateway:
        yield gateway


def test_the_addresses_are_where_the_tests_believe() -> None:
    atlas = sources.load(None)
    found = [atlas.locate(address).territory for address in (CHINA, CHINA6, SINGAPORE, HONGKONG)]
    assert found == ["CN", "CN", "SG", "HK"]


@pytest.mark.parametrize("address", [CHINA, CHINA6, HONGKONG])
def test_a_place_that_is_not_served_is_refused_in_openais_own_words(proxied: Gateway, address: str) -> None:
    before = proxied.seen("openai")
    answer = proxied.chat("openai-only", come=address)
    assert refused(answer)
    assert answer.headers["x-should-retry"] == "false"
    assert proxied.seen("openai") == before


@pytest.mark.parametrize("address", [CHINA, CHINA6, HONGKONG])
def test_the_next_provider_that_may_serves_it(proxied: Gateway, address: str) -> None:
    before = proxied.seen("openai")
    answer = proxied.chat(come=address)
    assert (answer.status, answer.provider, answer.effect) == (200, QWEN, "allow")
    assert b" sandbox, qwen-plus, heard: Selamat pagi, dunia" in answer.body
    assert proxied.seen("openai") == before


def test_singapore_is_served_by_openai(proxied: Gateway) -> None:
    answer = proxied.chat(come=SINGAPORE)
    assert (answer.status, answer.provider, answer.effect) == (200, OPENAI, "allow")
    assert b"The OpenAI sandbox, gpt-4o-mini, heard:" in answer.body


def test_weights_share_out_those_whom_the_first_may_not_serve(proxied: Gateway) -> None:
    shares = Counter(proxied.chat("weighted", come=CHINA).provider for _ in range(200))
    assert set(shares) == {ERNIE, GLM}
    # 3 : 1 is 150 of 200, with a standard deviation of 6.1: one run in ten million is outside.
    assert 115 <= shares[ERNIE] <= 185


def test_same_key_same_body_and_the_operators_change_between_them(folder: Path) -> None:
    only, both = (f'[routes."gpt-4o-mini"]\ntargets = {targets}\n' for targets in ([OPENAI], [OPENAI, QWEN]))
    with serving(folder / "changed", only, GAPURA_TRUSTED_PROXIES="127.0.0.1/32") as gateway:
        assert refused(gateway.chat(come=CHINA))
        gateway.reload(both)
        until(lambda: gateway.chat(come=CHINA).provider == QWEN)
        gateway.reload("[routes.broken")
        until(lambda: "rules not reloaded" in gateway.err)
        assert gateway.chat(come=CHINA).provider == QWEN


@pytest.mark.parametrize("come", ["", "10.1.2.3", "nonsense"])
def test_without_a_usable_address_the_site_decides(proxied: Gateway, direct: Gateway, come: str) -> None:
    assert refused(proxied.chat("openai-only", come=come))
    assert proxied.chat(come=come).provider == QWEN
    assert any("GAPURA_SITE_TERRITORY" in line for line in _notes(proxied))
    assert direct.chat("openai-only", come=come).provider == OPENAI
    assert not any("GAPURA_SITE_TERRITORY" in line for line in _notes(direct))


def _notes(gateway: Gateway) -> list[str]:
    problems: list[str] = gateway.cli("policy", "show")["problems"]
    return problems


def test_a_forged_header_of_an_untrusted_peer_changes_nothing(direct: Gateway, folder: Path) -> None:
    for name in ("x-forwarded-for", "forwarded", "x-real-ip", "cf-connecting-ip", "true-client-ip"):
        value = f"for={CHINA}" if name == "forwarded" else CHINA
        assert direct.chat("openai-only", **{name: value}).provider == OPENAI
    with serving(folder / "china", ROUTES, GAPURA_SITE_TERRITORY="CN") as gateway:
        assert refused(gateway.chat("openai-only", come=SINGAPORE))
        assert gateway.seen("openai") == 0


def test_what_a_caller_wrote_before_the_proxys_word_is_not_believed(proxied: Gateway) -> None:
    assert refused(proxied.chat("openai-only", come=f"{SINGAPORE}, {CHINA}"))
    assert proxied.chat("openai-only", come=f"{CHINA}, {SINGAPORE}").provider == OPENAI


def test_a_key_with_that_right_says_where_its_users_are(proxied: Gateway) -> None:
    key = proxied.key("default", "--assert-origin")
    for place in ({"gapura_client_address": CHINA}, {"gapura_client_territory": "CN"}):
        assert proxied.chat(key=key, come=SINGAPORE, **place).provider == QWEN
        assert refused(proxied.chat("openai-only", key=key, come=SINGAPORE, **place))
    for place in ({"gapura_client_address": SINGAPORE}, {"gapura_client_territory": "Singapore"}):
        assert proxied.chat(key=key, come=CHINA, **place).provider == OPENAI
    without = proxied.chat(come=SINGAPORE, gapura_client_territory="SG")
    assert (without.status, without.code, without.error["param"]) == (
        403,
        "origin_not_allowed",
        "gapura-client-territory",
    )
    both = proxied.chat(key=key, gapura_client_territory="SG", gapura_client_address=SINGAPORE)
    assert both.status == 400


@pytest.mark.parametrize("come", ["", CHINA, SINGAPORE, "8.8.8.8"])
def test_from_an_egress_that_openai_does_not_serve_nothing_is_sent_to_it(from_hongkong: Gateway, come: str) -> None:
    assert from_hongkong.chat(come=come).provider == QWEN
    refusal = from_hongkong.chat("openai-only", come=come)
    assert refused(refusal)
    assert refused(from_hongkong.chat("openai/gpt-4o", come=come))
    assert from_hongkong.seen("openai") == 0 < from_hongkong.seen("qwen")
    assert "HK" in from_hongkong.decision(refusal)["verdicts"][0][4]


def test_an_accounts_state_reaches_all_gates(proxied: Gateway) -> None:
    proxied.cli("account", "add", "acme", "--name", "Acme")
    key = proxied.key("acme")

    def everywhere(status: int, effect: str) -> bool:
        """Two gates take connections as they come: ten in a row are both."""
        answers = [proxied.chat(key=key, come=SINGAPORE) for _ in range(10)]
        return all((one.status, one.headers.get("gapura-decision", "")[:5]) == (status, effect) for one in answers)

    until(lambda: everywhere(200, "allow"))
    proxied.cli("account", "warn", "acme", "--reason", "uses it from China")
    until(lambda: everywhere(200, "warn;"))
    proxied.cli("account", "suspend", "acme")  # a rehearsal
    assert everywhere(200, "warn;")
    proxied.cli("account", "suspend", "acme", "--reason", "goes on", "--confirm", "acme")
    until(lambda: everywhere(403, ""))
    assert proxied.chat(key=key, come=SINGAPORE).code == "account_suspended"
    assert proxied.chat(come=SINGAPORE).status == 200  # others are not meant
    proxied.cli("account", "reinstate", "acme", "--reason", "was a mistake")
    until(lambda: everywhere(200, "allow"))


def test_exceptions_and_dates(folder: Path) -> None:
    policy = '[[policies]]\npack = "openai/api"\n'
    lifted = policy + '[[policies.exceptions]]\naccount = "exempt"\nreason = "was told too late"\n'
    with serving(folder / "policies", ROUTES + lifted, GAPURA_TRUSTED_PROXIES="127.0.0.1/32") as gateway:
        gateway.cli("account", "add", "exempt")
        exempt = gateway.key("exempt")
        until(lambda: gateway.chat(key=exempt, come=CHINA).provider == OPENAI)
        assert gateway.chat(come=CHINA).provider == QWEN

        over = '[[policies.exceptions]]\naccount = "exempt"\nreason = "for a while"\nuntil = 2024-07-20T00:00:00Z\n'
        gateway.reload(ROUTES + policy + over)
        until(lambda: gateway.chat(key=exempt, come=CHINA).provider == QWEN)

        begun = (
            '[[policies.phases]]\neffect = "warn"\nfrom = 2024-06-25T00:00:00+08:00\n'
            '[[policies.phases]]\neffect = "block"\nfrom = 9999-07-09T00:00:00\nzone = "Asia/Shanghai"\n'
        )
        gateway.reload(ROUTES + policy + begun)
        until(lambda: gateway.chat("openai-only", come=CHINA).status == 200)
        warned = gateway.chat(come=CHINA)
        assert (warned.provider, warned.effect) == (OPENAI, "warn")

        gateway.reload(ROUTES + policy + begun.replace("2024", "9998"))
        until(lambda: gateway.chat(come=CHINA).effect == "allow")
        assert gateway.chat(come=CHINA).provider == OPENAI

        gateway.reload(ROUTES + policy + begun.replace("9999", "2025"))
        until(lambda: refused(gateway.chat("openai-only", come=CHINA)))
        assert gateway.chat(come=CHINA).provider == QWEN


def test_a_decision_is_explained(proxied: Gateway) -> None:
    told = proxied.decision(proxied.chat(come=CHINA))
    assert (told["territory"], told["certainty"], told["derivation"]) == ("CN", "certain", "forwarded")
    assert (told["provider"], told["outcome"], told["status"], told["effect"]) == ("qwen", "complete", 200, "allow")
    verdicts = {target: (effect, because) for target, effect, _, _, because, *_ in told["verdicts"]}
    assert list(verdicts) == [OPENAI, QWEN, ERNIE, GLM]
    assert [effect for effect, _ in verdicts.values()] == ["block", "allow", "allow", "allow"]
    assert "CN" in verdicts[OPENAI][1]
    refusal = proxied.decision(proxied.chat("openai-only", come=CHINA))
    assert (refusal["status"], refusal["effect"], refusal["provider"]) == (403, "block", "")
    words = run(proxied.folder, proxied.env, "policy", "explain", refusal["decision"])
    assert words.code == 0 and all(part in words.out for part in ("openai/api", "block", "CN", "ipfire"))


def test_a_failure_is_followed_at_home_and_not_abroad(proxied: Gateway) -> None:
    """More often than it takes to open a circuit: a vendor that is known to fail is no reason to go abroad either."""
    for _ in range(12):
        assert proxied.chat("next-at-home", come=SINGAPORE).provider == ERNIE
    before = proxied.seen("qwen")
    for _ in range(24):
        answer = proxied.chat("not-abroad", come=SINGAPORE)
        assert (answer.status, answer.code, answer.provider) == (503, "server_is_overloaded", "")
    assert proxied.seen("qwen") == before
    for _ in range(12):
        assert proxied.chat("anywhere", come=SINGAPORE).provider == QWEN
    told = proxied.decision(proxied.chat("not-abroad", come=CHINA))  # where OpenAI may not be asked, it did not fail
    assert (told["status"], [one["provider"] for one in told["attempts"]]) == (200, ["qwen"])
