"""Lists of one's own: the three vendors' from their own spellings, and how each mistake is told."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from gapura.atlas import packs
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.read import read_policies
from gapura.terms.rulebook import Pack, Policy

SPELLINGS = Path(__file__).parents[1] / "atlas" / "spellings"


def applied(pack: dict[str, Any], name: str = "acme/api", **of_policy: Any) -> Policy:
    document = {"packs": {name: pack}, "policies": [{"pack": name, **of_policy}]}
    return read_policies(document, ["openai", "glm"])[0]


def own(toml: str) -> Pack:
    return applied({"as_of": "2026-10-01", "source": "https://acme.example", **tomllib.loads(toml)}).pack


@pytest.mark.parametrize(
    ("file", "shipped"), [("openai", "openai/api"), ("anthropic", "anthropic/api"), ("google", "google/gemini-api")]
)
def test_a_vendors_list_loads_from_its_own_spellings(file: str, shipped: str) -> None:
    """And is the one that comes with Gapura."""
    lines = (SPELLINGS / f"{file}.txt").read_text("utf-8").splitlines()
    names = [line for line in lines if line and not line.startswith("#")]
    pack = applied({"as_of": "2026", "source": "s", "supported": names}).pack
    ours = packs.pack(shipped)
    assert (pack.supported, pack.partial.keys()) == (ours.supported, ours.partial.keys())
    if file != "openai":  # which does not name its exceptions
        assert pack.excepted == ours.excepted
    assert pack.coverage("UA") == ours.coverage("UA") == ("supported" if file == "google" else "partial")


@pytest.mark.parametrize("name", packs.names())
def test_a_territory_that_follows_fares_as_its_sovereign(name: str) -> None:
    (policy,) = read_policies({"policies": [{"pack": name, "territories": "with_sovereign"}]}, [])
    pack = packs.pack(name)
    for territory, sovereign in policy.follows.items():
        assert not pack.names(territory)
        assert pack.coverage(territory) != pack.coverage(sovereign)
    if name == "openai/api":
        assert {"PR", "GU", "VI", "AS", "MP", "GG", "JE", "IM", "GI", "CW", "SX"} <= policy.follows.keys()
        assert not {"XK", "CN", "HK", "MO", "TW", "RE"} & policy.follows.keys()


@pytest.mark.parametrize(
    ("toml", "supported", "excluded", "partial", "excepted"),
    [
        ('supported = ["Türkiye", "SG"]', {"TR", "SG"}, set(), {}, set()),
        (
            'supported = ["Ukraine (with certain exceptions)"]',
            set(),
            set(),
            {"UA": "with certain exceptions"},
            set(),
        ),
        (
            'supported = ["SG", "Ukraine"]\nexcepted = ["Crimea", "UA-23"]',
            {"SG"},
            set(),
            {"UA": "without UA-23, UA-40, UA-43"},
            {"UA-23", "UA-40", "UA-43"},
        ),
        (
            'supported = ["SG"]\nexcepted = ["UA-23"]\npartial = { Ukraine = "with a licence" }',
            {"SG"},
            set(),
            {"UA": "with a licence"},
            {"UA-23"},
        ),
        ('kind = "deny"\nexcluded = ["Iran", "CU"]', set(), {"IR", "CU"}, {}, set()),
        (
            'kind = "deny"\nexcluded = ["Iran", "Crimea", "Donetsk"]',
            set(),
            {"IR"},
            {"UA": "without UA-14, UA-40, UA-43"},
            {"UA-14", "UA-40", "UA-43"},
        ),
    ],
)
def test_what_a_list_says(
    toml: str, supported: set[str], excluded: set[str], partial: dict[str, str], excepted: set[str]
) -> None:
    pack = own(toml)
    assert (set(pack.supported), set(pack.excluded)) == (supported, excluded)
    assert (pack.partial, set(pack.excepted)) == (partial, excepted)


def test_a_list_is_dated_and_guards_whom_it_names() -> None:
    pack = own('supported = ["SG"]\nguards = ["openai", "anthropic"]\nhosts = ["api.openai.com"]\nproduct = "chat"')
    assert (pack.name, pack.as_of, pack.guards) == ("acme/api", "2026-10-01", ("openai", "anthropic"))
    assert (pack.hosts, pack.product) == (("api.openai.com",), "chat")
    dated = applied(tomllib.loads('as_of = 2026-10-01\nsource = "s"\nsupported = ["SG"]')).pack
    assert (dated.as_of, dated.guards) == ("2026-10-01", ())


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('supported = ["Turkei"]', ".supported[0]: no territory is called 'Turkei'; did you mean Türkiye (TR)?"),
        ("supported = [false]", '.supported[0]: false is no territory; if Norway is meant, write it in quotes: "NO"'),
        ('supported = "SG"', ".supported: expected a list"),
        ("supported = []", ": it names no territories"),
        ('excluded = ["SG"]', ".excluded: a list of kind allow has supported, not excluded"),
        ('kind = "deny"\nsupported = ["SG"]', ".supported: a list of kind deny has excluded, not supported"),
        ('kind = "denny"\nexcluded = ["SG"]', ".kind: 'denny' is none of allow, deny (did you mean deny?)"),
        ('kind = "deny"\nexcluded = ["UA", "Crimea"]', ".excluded: UA is excluded as a whole, and in parts"),
        ('supported = ["SG"]\nexcepted = ["Crimea"]', ".excepted: the list does not support UA, of which parts are"),
        ('supported = ["UA"]\nexcepted = ["UA"]', ".excepted: UA is a whole territory; name parts, as UA-43"),
        ('supported = ["UA-30"]', ".supported[0]: no territory is called 'UA-30'"),
        ('supported = ["SG"]\npartial = ["UA"]', ".partial: expected a table of territories"),
        ('supported = ["SG"]\nguards = ["opnai"]', ".guards[0]: there is no provider 'opnai' (did you mean openai?)"),
        ('supported = ["SG"]\nhosts = [""]', ".hosts[0]: expected a text that is not empty"),
        ('supported = ["SG"]\nas_of = "1 October"', ".as_of: say of when the list is, as 2026-09-26"),
        ('supported = ["SG"]\nas_of = 2026', ".as_of: say of when the list is"),
        ('supported = ["SG"]\nsource = " "', ".source: say where the list is from"),
        ('supported = ["SG"]\nname = "x"', ".name: the list's name is its key, 'acme/api'"),
        ('suported = ["SG"]', ".suported: there is no such field (did you mean supported?)"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_the_way_out(toml: str, message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        own(toml)
    assert str(caught.value).startswith(f'packs."acme/api"{message}')


SOUND = {"as_of": "2026", "source": "s", "supported": ["SG"]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"packs": []}, 'packs: expected tables, as [packs."acme/api"]'),
        ({"packs": {"acme/api": 3}}, 'packs."acme/api": expected a table'),
        ({"packs": {"acme": SOUND}}, "packs.acme: 'acme' does not name a list; write whose it is and of what"),
        ({"packs": {"openai/api": SOUND}}, 'packs."openai/api": openai/api comes with Gapura; give a list of your'),
        ({"packs": {"acme/api": SOUND}}, 'packs."acme/api": no policy applies this list; write [[policies]] with pack'),
        (
            {"packs": {"acme/api": SOUND}, "policies": [{"pack": "acme/app"}]},
            "policies[0].pack: no pack is called 'acme/app'; did you mean acme/api?",
        ),
    ],
)
def test_a_mistake_about_lists(document: dict[str, Any], message: str) -> None:
    with pytest.raises(BadDocument) as caught:
        read_policies(document, ["openai"])
    assert str(caught.value).startswith(message)
