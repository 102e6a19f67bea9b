from typing import Any

GATEWAY = b"""
port = 9000
[routes."gpt-4o-mini"]
targets = ["qwen/qwen-plus"]
[[policies]]
pack = "openai/api"
"""


def test_what_is_in_force_is_shown_with_its_version(home: Any) -> None:
    shown = home.ask("GET", "/policies").json
    assert shown["version"] == home.rules.book.version
    assert [policy["pack"]["name"] for policy in shown["policies"]] == ["openai/api"]
    assert shown["policies"][0]["pack"]["supported"] == sorted(shown["policies"][0]["pack"]["supported"])
    assert any("GAPURA_EGRESS_TERRITORY" in problem for problem in shown["problems"])


def test_a_document_is_checked_and_not_put_in_force(home: Any) -> None:
    before = home.rules.book.version
    checked = home.ask("POST", "/policies/check", GATEWAY).json
    assert checked["sound"] and checked["changed"] and checked["version"] != before
    assert home.ask("GET", "/policies").json["version"] == before


def test_each_mistake_is_told_with_its_field(home: Any) -> None:
    for document, field in (
        (b"[routes", "document"),
        (b"\xff", "document"),
        (b"[rotues]\n", "rotues"),
        (b'[routes."m"]\ntargets = ["opnai/x"]', "routes.m.targets[0]"),
        (
            b'[[policies]]\npack = "openai/api"\nphases = [{effect="block", from="2026-07-09"}]',
            "policies[0].phases[0].from",
        ),
    ):
        checked = home.ask("POST", "/policies/check", document).json
        assert (checked["sound"], checked["field"]) == (False, field) and checked["message"]


def test_a_bad_file_changes_nothing(home: Any) -> None:
    home.documents["broken"] = True
    refused = home.ask("POST", "/policies/reload", b"")
    assert (refused.status, refused.error["field"]) == (422, "routes")
    del home.documents["broken"]
    home.documents["policies"] = []
    shown = home.ask("POST", "/policies/reload", b"").json
    assert shown["policies"] == []
    last = home.ask("GET", "/audit").json["items"][-1]
    assert (last["action"], last["subject"]) == ("rulebook.reload", shown["version"])


def explained(home: Any, query: str) -> dict[str, str]:
    found = home.ask("GET", f"/policies/explain?{query}").json
    return {one["verdict"][0]: one["verdict"][1] for one in found["explanations"]}


def test_a_place_is_explained_for_each_provider(home: Any) -> None:
    assert explained(home, "place=China") == {"openai/": "block", "qwen/": "allow"}
    assert explained(home, "place=SG") == {"openai/": "allow", "qwen/": "allow"}
    assert explained(home, "place=CN&model=gpt-4o-mini") == {"openai/gpt-4o-mini": "block", "qwen/qwen-plus": "allow"}
    assert explained(home, "place=CN&model=openai/gpt-9") == {"openai/gpt-9": "block"}


def test_an_address_is_explained_with_its_sources(home: Any) -> None:
    found = home.ask("GET", "/policies/explain?place=8.8.8.8").json
    assert found["origin"]["territory"] == "US" and found["origin"]["answers"][0][1] == "US"
    private = home.ask("GET", "/policies/explain?place=10.0.0.1").json
    assert private["origin"]["certainty"] == "absent" and private["explanations"][0]["verdict"][1] == "block"


def test_what_was_passed_over_is_told_and_the_instant_counts(home: Any) -> None:
    home.documents["policies"] = [
        {
            "pack": "openai/api",
            "phases": [{"effect": "warn", "from": "2027-01-01T00:00:00+08:00"}],
            "exceptions": [{"account": "acme", "reason": "contract", "until": "2027-02-01T00:00:00Z"}],
        }
    ]
    home.ask("POST", "/policies/reload", b"")
    account = home.ask("POST", "/accounts", {"external_id": "acme"}).json["accounts"][0]["id"]
    before, after = "place=CN&at=2026-12-31T23:59:59%2B08:00", "place=CN&at=2027-01-01T00:00:00%2B08:00"
    assert explained(home, before)["openai/"] == "allow" and explained(home, after)["openai/"] == "warn"
    assert explained(home, f"{after}&account=acme")["openai/"] == "allow"
    late = "place=CN&at=2027-03-01T00:00:00Z"
    assert explained(home, f"{late}&account={account}")["openai/"] == "warn"
    passed = home.ask("GET", f"/policies/explain?{late}&account=acme").json["explanations"][0]["opinions"][0]
    assert passed["ruling"]["passed"] == [{"rule": "exception", "why": "ended 2027-02-01T00:00:00Z"}]
    assert home.ask("GET", "/policies/explain?place=CN&account=nobody").status == 404


def test_a_route_is_tried_without_sending_anything(home: Any) -> None:
    def tried(place: str, model: str = "gpt-4o-mini") -> Any:
        return home.ask("GET", f"/routes/try?model={model}&place={place}").json

    assert tried("SG")["tries"] == ["openai/gpt-4o-mini", "qwen/qwen-plus"]
    assert tried("CN")["tries"] == ["qwen/qwen-plus"] and "does not cover CN" in tried("CN")["verdicts"][0][4]
    refused = tried("CN", "gpt-4o")
    assert (refused["tries"], refused["error"]) == ([], "unsupported_country_region_territory")
    assert [route["model"] for route in home.ask("GET", "/routes").json["routes"]] == [
        "gpt-4o",
        "gpt-4o-mini",
        "qwen-plus",
    ]
