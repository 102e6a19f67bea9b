"""The operator's documents: what they become, and how each mistake is told."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gapura.atlas import packs
from gapura.clock import instant
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.endpoints import Stated, endpoints
from gapura.rulebook.expressions import ACCOUNT, VARIABLES
from gapura.rulebook.formats import parse
from gapura.rulebook.read import read, read_policies
from gapura.terms.rulebook import AccountPlace, Appeals, Endpoint, Pack, Policy, Route, Rule, Rulebook, Target

OPENAI = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
QWEN = Endpoint(
    provider="qwen", base_url="https://dashscope.aliyuncs.com/compatible-mode/v1", processing_territory="CN"
)
MODELS = {"openai": ["gpt-4o", "gpt-5*"], "qwen": ["qwen-plus", "shared"], "glm": ["glm-4.6", "shared"], "ernie": []}


def book(toml: str, endpoints: tuple[Endpoint, ...] = (OPENAI, QWEN), **more: Any) -> Rulebook:
    return read(tomllib.loads(toml), endpoints=endpoints, models=MODELS, **more)


def test_the_documents_of_the_manual() -> None:
    read_book = book(
        """
        [routes."gpt-4o-mini"]
        targets = ["openai/gpt-4o-mini", { target = "qwen/qwen-plus", weight = 95 }, "glm/org/glm-4.6"]
        strict = true
        failover = "anywhere"
        first_token_s = 30
        accepts = ["logit_bias"]
        data_may_go_to = ["cn", "Singapore"]

        [[policies]]
        pack = "openai/api"
        name = "openai"
        on_unknown = "warn"
        phases = [
          { effect = "block", from = 2024-07-09T00:00:00+08:00 },
          { effect = "warn", from = "2024-06-25T09:00:00", zone = "Asia/Shanghai" },
        ]
        rules = [{ id = "hk", effect = "review", territories = ["Hong Kong"], models = ["gpt-5*"], note = "ask" }]
        exceptions = [{ account = "acme", reason = "no notice", until = 2024-08-01T00:00:00Z }]
        """
    )
    route = read_book.routes["gpt-4o-mini"]
    assert route.targets == (
        Target("openai", "gpt-4o-mini"), Target("qwen", "qwen-plus", 95), Target("glm", "org/glm-4.6"),
    )  # fmt: skip
    assert (route.strict, route.failover, route.first_token_s, route.idle_s) == (True, "anywhere", 30, 60)
    assert route.accepts == {"logit_bias"} and route.data_may_go_to == ("CN", "SG")
    (policy,) = read_book.policies
    assert policy.name == "openai" and policy.pack == packs.pack("openai/api")
    assert [(phase.effect, phase.starts, phase.zone) for phase in policy.phases] == [
        ("warn", instant("2024-06-25T01:00:00Z"), "Asia/Shanghai"),
        ("block", instant("2024-07-08T16:00:00Z"), "UTC"),
    ]
    assert policy.rules[0].territories == {"HK"} and policy.rules[0].models == ("gpt-5*",)
    assert policy.exceptions[0].ends == instant("2024-08-01T00:00:00Z")
    assert (policy.on_unknown, policy.on_disagreement, policy.on_partial) == ("warn", "warn", "review")


REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def examples(page: str, language: str = "toml", until: str = "") -> str:
    text = (REFERENCE / page).read_text("utf-8")
    part = text.partition(f"\n{until}\n")[0] if until else text
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", part, re.DOTALL))


POLICIES = examples("policy-documents.md", until="## Tests")


def test_every_example_of_the_manual_is_read() -> None:
    settings = tomllib.loads(examples("gapura-toml.md"))
    endpoint = endpoints(settings, configured=["qwen"], base_urls={})[0]
    told = read(settings, endpoints=[endpoint], models=MODELS)
    assert (endpoint.processing_territory, len(told.policies[0].phases)) == ("SG", 2)
    first, second, fourth, third = book(POLICIES).policies
    assert fourth.appeals == Appeals(interim=True, days=14) and first.appeals == Appeals()
    assert [rule.id for rule in first.rules] == ["new-models-not-from-hk", "owned-elsewhere", "hidden-callers"]
    assert first.follows["PR"] == "US" and second.account_place and third.pack.partial.keys() == {"UA"}
    (in_yaml,) = read_policies(parse(examples("policy-documents.md", "yaml").encode(), "yaml"), MODELS)
    assert in_yaml.rules[0].territories == {"NO", "SE"} and in_yaml.follows == first.follows


@pytest.mark.parametrize(
    ("page", "kind", "without"),
    [
        ("gapura-toml.md", Route, {"model"}),
        ("gapura-toml.md", Stated, set[str]()),
        ("policy-documents.md", Policy, {"follows"}),
        ("policy-documents.md", Rule, {"starts", "ends"}),
        ("policy-documents.md", AccountPlace, {"starts"}),
        ("policy-documents.md", Pack, {"name"}),
    ],
)
def test_every_field_is_in_the_manual(page: str, kind: type[msgspec.Struct], without: set[str]) -> None:
    manual = (REFERENCE / page).read_text("utf-8")
    assert [name for name in kind.__struct_fields__ if name not in without and f"| `{name}` |" not in manual] == []


def test_every_variable_of_expressions_is_in_the_manual() -> None:
    manual = (REFERENCE / "policy-documents.md").read_text("utf-8")
    variables = {*VARIABLES.keys() - {"account"}, *(f"account.{field}" for field in ACCOUNT)}
    assert [name for name in variables if f"`{name}`" not in manual] == []


def test_defaults_without_documents() -> None:
    plain = book("")
    assert [policy.name for policy in plain.policies] == ["openai/api"]
    assert plain.policies[0].phases == ()
    assert {name: str(route.targets[0]) for name, route in plain.routes.items()} == {
        "gpt-4o": "openai/gpt-4o", "qwen-plus": "qwen/qwen-plus", "shared": "qwen/shared",
    }  # fmt: skip
    assert book("", (QWEN,)).policies == ()


def test_no_policies_can_be_said() -> None:
    assert book("policies = []").policies == ()


def test_of_two_providers_with_one_model_the_first_has_it() -> None:
    glm = Endpoint(provider="glm", base_url="https://open.bigmodel.cn/api/paas/v4", processing_territory="CN")
    assert str(book("", (glm, QWEN)).routes["shared"].targets[0]) == "glm/shared"


def test_the_version_is_that_of_the_content() -> None:
    assert book("").version == book("").version != book("", site_territory="sg").version
    assert len(book("").version) == 16
    one = '[routes.m]\ntargets = ["qwen/a"]\naccepts = ["n", "stop"]\n[routes.n]\ntargets = ["qwen/b"]'
    other = '[routes.n]\ntargets = ["qwen/b"]\n[routes.m]\naccepts = ["stop", "n"]\ntargets = ["qwen/a"]'
    assert book(one).version == book(other).version


def test_a_version_outlives_releases() -> None:
    """This one was given once: a field that is added later, with a default, must not change it."""
    told = book('[packs."a/b"]\nas_of = "2026"\nsource = "s"\nsupported = ["SG", "NO"]\n[[policies]]\npack = "a/b"')
    assert told.version == "df0396b9933236ef"
    assert book('[[policies]]\npack = "openai/api"\non_partial = "review"').version == (
        book('[[policies]]\npack = "openai/api"').version
    )


def test_what_is_read_survives_the_wire() -> None:
    told = book(POLICIES)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(told), type=Rulebook) == told
    assert msgspec.json.decode(msgspec.json.encode(told), type=Rulebook) == told


def told(toml: str) -> str:
    with pytest.raises(BadDocument) as caught:
        book(toml)
    return str(caught.value)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("routes = 3", 'routes: expected tables, as [routes."gpt-4o-mini"]'),
        ("[routes.m]", 'routes.m.targets: name at least one target, as ["openai/gpt-4o-mini"]'),
        ('[routes."a.b"]\ntargets = []', 'routes."a.b".targets: name at least one target'),
        ("policies = {}", "policies: expected a list"),
        ("[[policies]]", "policies[0].pack: name a pack, as"),
        ('[[policies]]\npack = "openai/apis"', "policies[0].pack: no pack is called 'openai/apis'; did you mean"),
        ('policies = [{pack = "z.ai/api"}, {pack = "z.ai/api"}]', "policies: 'z.ai/api' stands there twice"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_way_out(toml: str, message: str) -> None:
    assert told(toml).startswith(message)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("targts = []", ".targts: there is no such field (did you mean targets?)"),
        ('targets = "qwen/x"', ".targets: expected a list"),
        ('targets = ["qwen"]', ".targets[0]: 'qwen' is not provider/model"),
        ('targets = ["qwen/x", "qwem/x"]', ".targets[1]: there is no provider 'qwem' (did you mean qwen?)"),
        ('targets = ["qwen/x", "qwen/x"]', ".targets: 'qwen/x' stands there twice"),
        ("targets = [{ weight = 1 }]", ".targets[0]: Object missing required field `target`"),
        ('targets = [{ target = "qwen/x", weight = -1 }]', ".targets[0].weight: Expected `int` >= 0"),
        ('targets = ["qwen/x"]\nidle_s = 0', ".idle_s: Expected `float` > 0.0"),
        ('targets = ["qwen/x"]\nstrict = "no"', ".strict: Expected `bool`, got `str`"),
        ('targets = ["qwen/x"]\nmodel = "n"', ".model: the route's name is its model, 'm'"),
        ('failover = "same"', ".failover: 'same' is none of same-jurisdiction, anywhere"),
        ('targets = ["qwen/x"]\ndata_may_go_to = ["Singapur"]', ".data_may_go_to[0]: no territory is called 'Sing"),
    ],
)
def test_a_mistake_in_a_route(field: str, message: str) -> None:
    assert told(f"[routes.m]\n{field}").startswith(f"routes.m{message}")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ('on_unknown = "block"', ".on_unknown: 'block' is none of warn, deny"),
        ("name = 3", ".name: Expected `str`, got `int`"),
        ('rules = [{ id = "exception", effect = "warn" }]', ".rules[0].id: 'exception' cannot name a rule"),
        ('exceptions = [{ account = "acme", reason = " " }]', ".exceptions[0].reason: must not be empty"),
        ('exceptions = [{ account = "acme" }]', ".exceptions[0]: Object missing required field `reason`"),
        (
            'exceptions = [{ account = 7, reason = "r" }]',
            ".exceptions[0].account: Expected `str`, got `int`; put",
        ),
        ('territories = ["SG"]', ".territories: ['SG'] is none of literal, with_sovereign"),
        (
            'territories = "sovereign"',
            ".territories: 'sovereign' is none of literal, with_sovereign (did you",
        ),
        ("follows = {}", '.follows: it is worked out; write territories = "with_sovereign"'),
        ('product = "assistant"', ".product: write whose product it is and which, as acme/assistant"),
        ('models = ["gpt-4o", ""]', ".models[1]: expected a text that is not empty"),
        ("on_error = true", ".on_error: True is none of warn, deny"),
        ("account_place = 3", ".account_place: expected a table"),
        ("account_place = { days = 0 }", ".account_place.days: Expected `int` >= 1"),
        ('account_place = { action = "block" }', ".account_place.action: 'block' is none of warn, suspend"),
        ("appeals = 3", ".appeals: expected a table"),
        ("appeals = { days = 0 }", ".appeals.days: Expected `int` >= 1"),
        ("appeals = { interrim = true }", ".appeals.interrim: "),
        ("account_place = { from = 2026-12-01 }", ".account_place.from: a bare date is no instant"),
    ],
)
def test_a_mistake_in_a_policy(field: str, message: str) -> None:
    assert told(f'[[policies]]\npack = "openai/api"\n{field}').startswith(f"policies[0]{message}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ("from = 2024-07-09", ".from: a bare date is no instant; write e.g. 2024-07-09T00:00:00+08:00"),
        ('from = "2024-07-09"', ".from: a bare date is no instant"),
        ('from = 2024-07-09, zone = "Asia/Shanghai"', ".from: a bare date is no instant"),
        ("from = 3", ".from: `int` is no instant"),
        ('from = "9 July 2024, midnight"', ".from: '9 July 2024, midnight' is no instant"),
        ("from = 2024-07-09T00:00:00", ".from: 2024-07-09T00:00:00 has no offset; add one, as +08:00, or a `zone`"),
        ('from = 2024-07-09T00:00:00, zone = "Peking"', ".zone: there is no time zone 'Peking'"),
        ('from = 2024-10-27T02:30:00, zone = "Europe/Berlin"', ".from: 2024-10-27T02:30:00 happens twice or never"),
        ('from = 2024-03-31T02:30:00, zone = "Europe/Berlin"', ".from: 2024-03-31T02:30:00 happens twice or never"),
        ('from = 0001-01-01T00:00:00, zone = "Asia/Shanghai"', ".from: "),
        ('zone = "UTC"', ": Object missing required field `from`"),
        ('effct = "warn"', ".effct: there is no such field (did you mean effect?)"),
    ],
)
def test_a_mistake_in_a_phase(fields: str, message: str) -> None:
    toml = f'[[policies]]\npack = "openai/api"\nphases = [{{ effect = "block", {fields} }}]'
    assert told(toml).startswith(f"policies[0].phases[0]{message}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ('effect = "blok"', ".effect: 'blok' is none of allow, warn, review, block (did you mean block?)"),
        ('effect = "allow"', ": a rule that allows must say what"),
        ('effect = "warn", territories = ["XX"]', ".territories[0]: no territory is called 'XX'"),
        ('effect = "warn", territories = [1]', ".territories[0]: expected a territory"),
        (
            'effect = "warn", territories = [false]',
            ".territories[0]: false is no territory; if Norway is meant",
        ),
        ('effect = "warn", territories = "SG"', ".territories: expected a list"),
        ('effect = "warn", territories = ["XX-1"]', ".territories[0]: no territory is called 'XX-1'"),
        ('effect = "warn", ownership = ["UA-43"]', ".ownership[0]: 'UA-43' is UA-43, a part of Ukraine"),
        ('effect = "warn", networks = ["vpm"]', ".networks[0]: 'vpm' is none of residential, mobile, hosting"),
        ('effect = "warn", networks = [""]', ".networks[0]: expected a text that is not empty"),
        ('effect = "warn", status = ["banned"]', ".status[0]: 'banned' is none of active, warned, suspended"),
        ('effect = "warn", accounts = [12]', ".accounts[0]: expected a text that is not empty, in quotes"),
        ('effect = "warn", accounts = [" "]', ".accounts[0]: expected a text that is not empty"),
        ('effect = "allow", networks = ["relay"], status = ["active"]', ": a rule that allows must say what"),
        ('effect = "warn", when = "territory =="', ".when: line 1, column 13: mismatched input"),
        ('effect = "warn", when = "teritory == 1"', ".when: there is no variable 'teritory'; did you mean territory?"),
        ('effect = "warn", when = ""', ".when: "),
        ('effect = "warn", when = true', ".when: Expected `str`, got `bool`"),
        ('effect = "warn", starts = 2024-07-09T00:00:00Z', ".starts: there is no such field"),
        ('effect = "warn", from = 2024-07-09T00:00:00Z, until = 2024-07-09T00:00:00Z', ".until: it ends before"),
    ],
)
def test_a_mistake_in_a_rule(fields: str, message: str) -> None:
    toml = f'[[policies]]\npack = "openai/api"\nrules = [{{ id = "r", {fields} }}]'
    assert told(toml).startswith(f"policies[0].rules[0]{message}")


@pytest.mark.parametrize("name", ["site_territory", "egress_territory"])
def test_territories_of_the_settings_are_checked_here(name: str) -> None:
    zz: dict[str, Any] = {name: "ZZ"}
    hk: dict[str, Any] = {name: "hk"}
    with pytest.raises(BadDocument, match=f"GAPURA_{name.upper()}: no territory is called 'ZZ'"):
        book("", **zz)
    assert getattr(book("", **hk), name) == "HK"


def test_two_phases_at_one_instant() -> None:
    when = "from = 2024-07-09T00:00:00Z"
    with pytest.raises(BadDocument, match="two phases begin at one instant"):
        book(f'[[policies]]\npack = "openai/api"\nphases = [{{effect = "warn", {when}}}, {{effect = "block", {when}}}]')
