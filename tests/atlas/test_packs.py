"""The packs say what the vendors' lists say."""

import csv
from hashlib import sha256
from pathlib import Path

import pytest

from gapura.atlas import packs
from gapura.atlas.territories import CODES
from gapura.terms.rulebook import Coverage

ROOT = Path(__file__).parents[2]
REGIONS = ROOT.parent / "shared/facts/regions.csv"

ROWS = {
    "anthropic/api": ("anthropic", "api-docs-page"),
    "cohere/api": ("cohere", "api"),
    "google/gemini-api": ("google", "gemini-api"),
    "mistral/api": ("mistral", "api"),
    "openai/api": ("openai", "api"),
    "openai/chatgpt": ("openai", "api"),
    "z.ai/api": ("z.ai", "api (international)"),
}


def test_the_packs_that_are_there() -> None:
    assert packs.names() == sorted(ROWS)


@pytest.mark.skipif(not REGIONS.is_file(), reason="the table of vendors' lists is not there")
@pytest.mark.parametrize("name", ROWS)
def test_a_pack_has_exactly_the_codes_of_its_list(name: str) -> None:
    with REGIONS.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if (row["provider"], row["product"]) == ROWS[name]]
    said = {status: {row["iso2"] for row in rows if row["status"] == status} for status in ("supported", "excluded")}
    pack = packs.pack(name)
    excepted = {row["iso2"] for row in rows if row["iso2"] == "UA" and row["exceptions"]}
    mentioned = {"UA" for row in rows if "Donetsk" in row["exceptions"]}
    assert pack.partial.keys() == excepted | mentioned
    if pack.kind == "allow":
        assert pack.supported | pack.partial.keys() == said["supported"]
        assert not pack.excluded
    else:
        assert pack.excluded == said["excluded"]
        assert not pack.supported


DIGESTS = {
    "anthropic/api": "259cc2decc63",
    "cohere/api": "8be109314fc8",
    "google/gemini-api": "5aa754434c83",
    "mistral/api": "958fa2ee79c5",
    "openai/api": "9d1168695cd4",
    "openai/chatgpt": "9d1168695cd4",
    "z.ai/api": "27615b324ae5",
}
"""Of the codes as they were compared with the vendors' lists: what is changed by accident is seen without the table."""


@pytest.mark.parametrize("name", ROWS)
def test_a_pack_has_the_codes_that_were_compared(name: str) -> None:
    pack = packs.pack(name)
    codes = [*sorted(pack.supported | pack.excluded), "partial", *sorted(pack.partial), *sorted(pack.excepted)]
    assert sha256(" ".join(codes).encode()).hexdigest()[:12] == DIGESTS[name]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("anthropic/api", {"UA-09", "UA-14", "UA-40", "UA-43"}),
        ("openai/api", {"UA-09", "UA-14", "UA-40", "UA-43"}),
        ("openai/chatgpt", {"UA-09", "UA-14", "UA-40", "UA-43"}),
        ("mistral/api", {"UA-09", "UA-14", "UA-40", "UA-43"}),
        ("z.ai/api", {"UA-14", "UA-23", "UA-40", "UA-43"}),
        ("google/gemini-api", set()),
    ],
)
def test_the_parts_of_ukraine_that_a_list_excepts(name: str, parts: set[str]) -> None:
    pack = packs.pack(name)
    assert pack.excepted == parts
    assert {part: pack.coverage("UA", part) for part in parts} == dict.fromkeys(parts, "not_listed")
    assert pack.coverage("UA", "UA-30") == "supported"
    assert pack.coverage("UA") == ("partial" if parts else "supported")


@pytest.mark.parametrize("name", ROWS)
def test_a_pack_is_whole(name: str) -> None:
    pack = packs.pack(name)
    assert pack.name == name
    assert pack.as_of[:4] == "2026" and pack.source.startswith("https://")
    assert len(pack.guards) == 1
    assert pack.supported | pack.excluded | pack.partial.keys() <= CODES
    assert not pack.partial.keys() & (pack.supported | pack.excluded)
    assert all(sentence.endswith(".") for sentence in pack.partial.values())


@pytest.mark.parametrize(
    ("name", "territory", "coverage"),
    [
        ("openai/api", "SG", "supported"),
        ("openai/api", "CN", "not_listed"),
        ("openai/api", "HK", "not_listed"),
        ("openai/api", "PR", "not_listed"),
        ("openai/api", "UA", "partial"),
        ("openai/chatgpt", "CN", "not_listed"),
        ("anthropic/api", "UA", "partial"),
        ("anthropic/api", "AF", "not_listed"),
        ("google/gemini-api", "PR", "supported"),
        ("google/gemini-api", "UA", "supported"),
        ("google/gemini-api", "HK", "not_listed"),
        ("mistral/api", "CN", "supported"),
        ("mistral/api", "IR", "not_listed"),
        ("cohere/api", "HK", "not_listed"),
        ("cohere/api", "UA", "supported"),
        ("z.ai/api", "CN", "supported"),
        ("z.ai/api", "KP", "not_listed"),
        ("z.ai/api", "UA", "partial"),
    ],
)
def test_coverage(name: str, territory: str, coverage: Coverage) -> None:
    assert packs.pack(name).coverage(territory) == coverage


def test_an_unknown_pack_is_named_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match=r"'openai/apis'; did you mean openai/api\?"):
        packs.pack("openai/apis")
    with pytest.raises(ValueError, match="there are anthropic/api, cohere/api"):
        packs.pack("#")
    own = {"acme/api": packs.pack("openai/api")}
    assert packs.pack("acme/api", own) is own["acme/api"]
    with pytest.raises(ValueError, match=r"did you mean acme/api\?"):
        packs.pack("acme/apis", own)


@pytest.mark.parametrize(
    ("provider", "host", "expected"),
    [
        ("openai", "api.openai.com", ["openai/api"]),
        ("openai", "llm.internal", ["openai/api"]),
        ("glm", "api.z.ai", ["z.ai/api"]),
        ("glm", "API.Z.AI", ["z.ai/api"]),
        ("glm", "open.bigmodel.cn", []),
        ("qwen", "dashscope.aliyuncs.com", []),
        ("ernie", "qianfan.baidubce.com", []),
    ],
)
def test_which_packs_guard_whom_unasked(provider: str, host: str, expected: list[str]) -> None:
    assert packs.guarding(provider, host) == expected


def test_the_reference_page_tells_every_pack_and_its_date() -> None:
    page = (ROOT / "docs/reference/packs.md").read_text()
    for name in packs.names():
        pack = packs.pack(name)
        assert f"| `{name}` | {pack.as_of} |" in page
        assert pack.note in page
