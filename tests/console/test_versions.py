"""Policy versions over the API: proposed, tested, compared, put in force and taken back; and one in shadow."""

import json
from typing import Any

import pytest

from gapura.clock import instant
from gapura.store import records, rulebooks
from gapura.store.journal import Frame, Position
from gapura.terms import ids
from gapura.terms.place import SourceAnswer
from gapura.terms.record import Context, Refused
from gapura.terms.verdict import Shadowed, Verdict

LATER = "2027-01-20T00:00:00+08:00"
WARN, BLOCK = '{ effect = "warn", from = 2026-11-01T00:00:00+08:00 }', f'{{ effect = "block", from = {LATER} }}'
FIRST = f'# the first\n[[policies]]\npack = "openai/api"\nphases = [{WARN}, {BLOCK}]\n'
HONGKONG = '[[tests]]\nterritory = "Hong Kong"\nmodel = "openai/gpt-4o"\nat = 2027-01-20T00:00:00+08:00\n'
TESTED = FIRST + HONGKONG + 'expect = "block"\nrule = "coverage"\n'
FAILING = FIRST + HONGKONG + 'name = "ours"\nexpect = "allow"\n'
SHORT = '[[policies]]\npack = "openai/api"\nphases = [{ effect = "block", from = 2027-01-20T00:00:00+08:00 }]\n'
YAML = b"policies:\n  - pack: openai/api\n    on_unknown: warn\n"


@pytest.fixture(autouse=True)
def no_policies_in_the_file(home: Any) -> None:
    del home.documents["policies"]
    home.ask("POST", "/policies/reload", b"")


def propose(home: Any, document: str | bytes, written_in: str = "toml", **headers: str) -> Any:
    raw = document.encode() if isinstance(document, str) else document
    path = f"/policies/versions?format={written_in}&reason=because"
    return home.ask("POST", path, raw, **headers).json


def version(home: Any, document: str | bytes, written_in: str = "toml") -> str:
    return str(propose(home, document, written_in)["version"]["id"])


def activate(home: Any, name: str, confirm: str = "", reason: str = "it is time", **headers: str) -> Any:
    body = {"confirm": confirm or name, "reason": reason}
    return home.ask("POST", f"/policies/versions/{name}/activate", body, **headers)


def effect(home: Any, place: str = "HK", at: str = "2026-12-01T00:00:00Z") -> str:
    found = home.ask("GET", f"/policies/explain?place={place}&model=openai/gpt-4o&at={at}").json
    return str(found["explanations"][0]["verdict"][1])


def test_a_document_is_kept_as_it_was_written(home: Any) -> None:
    kept = propose(home, FIRST)["version"]
    assert kept["state"] == "proposed" and kept["reason"] == "because" and kept["actor"].startswith("local:")
    assert kept["id"] == rulebooks.digest(FIRST, "toml")[:16]
    shown = home.ask("GET", f"/policies/versions/{kept['id'][:6]}").json
    assert shown["document"] == FIRST and [step["state"] for step in shown["history"]] == ["proposed"]
    assert version(home, FIRST) == kept["id"] and version(home, YAML, "yaml") != kept["id"]
    listed = home.ask("GET", "/policies/versions").json
    assert len(listed["items"]) == 2 and (listed["decides"], listed["shadow"]) == ("default", "")
    assert effect(home) == "block"  # nothing is in force yet


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("routes = {}\npolicies = []", "routes"),
        ("polices = []", "polices"),
        ("", "policies"),
        ("[[policies", "document"),
        ('[[policies]]\npack = "openai/apy"', "policies[0].pack"),
        ("policies = []\n[[tests]]\nexpect = 'block'", "tests[0]"),
        ("policies = []\n[lints]\nminimum = 3", "lints.minimum"),
        ("policies = []\n[[tests]]\nexpect = 'block'\nterritory = 'SG'\nproduct = 'openai/api'", "tests[0].product"),
    ],
)
def test_what_cannot_be_meant_is_not_kept(home: Any, document: str, field: str) -> None:
    refused = home.ask("POST", "/policies/versions?reason=x", document.encode())
    assert (refused.status, refused.error["field"]) == (422, field)
    assert home.ask("GET", "/policies/versions").json["items"] == []


def test_a_reason_is_asked_for(home: Any) -> None:
    assert home.ask("POST", "/policies/versions", FIRST.encode()).error["field"] == "reason"
    name = version(home, FIRST)
    assert activate(home, name, reason=" ").error["field"] == "reason"
    assert home.ask("POST", "/policies/shadow", {"version": name}).error["field"] == "reason"


def test_it_is_a_rehearsal_until_it_is_confirmed(home: Any) -> None:
    name = version(home, TESTED)
    told = home.ask("POST", f"/policies/versions/{name}/activate", {}).json
    assert (told["dry_run"], told["former"], told["against"]) == (True, "default", [])
    assert "block → warn" in told["compared"]["words"][1] and effect(home) == "block"
    assert activate(home, name, confirm="another").error["field"] == "confirm"
    assert home.ask("GET", "/policies/versions").json["items"][0]["state"] == "proposed"


def test_it_is_put_in_force_and_the_former_is_the_way_back(home: Any) -> None:
    first, second = version(home, TESTED), version(home, YAML, "yaml")
    assert activate(home, first).json["former"] == "default"
    assert (effect(home), effect(home, at="2027-01-20T00:00:00%2B08:00")) == ("warn", "block")
    assert activate(home, second).json["former"] == first
    assert effect(home) == "block"
    assert activate(home, first).json["former"] == second
    assert effect(home) == "warn"
    assert activate(home, "default").json["former"] == first
    assert effect(home) == "block"
    states = {one["id"]: one["state"] for one in home.ask("GET", "/policies/versions").json["items"]}
    assert states == {first: "retired", second: "retired"}
    done = [(one["action"], one["subject"], one["reason"]) for one in home.ask("GET", "/audit?limit=100").json["items"]]
    assert done[-4:] == [("policy.activate", name, "it is time") for name in (first, second, first, "default")]


def test_in_the_record_a_rulebooks_version_leads_to_its_document(home: Any) -> None:
    name = version(home, FIRST)
    rulebook = activate(home, name).json["rulebook"]
    assert rulebook == home.rules.book.version
    assert home.ask("GET", f"/policies/versions/{rulebook}").json["version"]["id"] == name


def test_doing_it_twice_does_it_once(home: Any) -> None:
    first, second = version(home, FIRST), version(home, YAML, "yaml")
    assert activate(home, first, idempotency_key="one").status == 200
    assert activate(home, second).status == 200
    again = activate(home, first, idempotency_key="one")
    assert again.status == 200 and home.ask("GET", "/policies/versions").json["decides"] == second
    assert effect(home) == "block"  # the second's: what has happened since is not undone
    assert activate(home, second).json["former"] == second  # is in force already
    assert len(home.ask("GET", f"/policies/versions/{second}").json["history"]) == 2


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (FAILING, "a test fails: tests[0] ours: allow was expected, and it is block by coverage"),
        (SHORT, "blocks from 2027-01-19T16:00:00Z without a phase that warns before it"),
    ],
)
def test_what_speaks_against_it_refuses_it(home: Any, document: str, why: str) -> None:
    proposed = propose(home, document)
    assert not proposed["findings"]["stands"]
    name = proposed["version"]["id"]
    rehearsed = home.ask("POST", f"/policies/versions/{name}/activate", {}).json
    assert len(rehearsed["against"]) == 1 and why in rehearsed["against"][0]
    refused = activate(home, name)
    assert (refused.status, refused.error["code"]) == (409, "policy_refused") and why in refused.error["message"]
    assert effect(home) == "block" and home.ask("GET", "/policies/versions").json["decides"] == "default"


def test_what_is_accepted_by_name_is_not_refused(home: Any) -> None:
    accepted = SHORT + '[lints]\naccept = [{ lint = "short-notice", reason = "everybody was called" }]\n'
    assert activate(home, version(home, accepted)).status == 200


def test_where_the_file_decides_nothing_else_does(home: Any) -> None:
    name = version(home, FIRST)
    activate(home, name)
    home.documents["policies"] = []
    home.ask("POST", "/policies/reload", b"")
    assert home.ask("GET", "/policies/versions").json["decides"] == "file" and effect(home) == "allow"
    refused = activate(home, version(home, TESTED))
    assert refused.status == 409 and "gapura.toml has policies of its own" in refused.error["message"]


def test_tests_are_run_without_keeping_anything(home: Any) -> None:
    for document, passed in ((TESTED, True), (FAILING, False)):
        (outcome,) = home.ask("POST", "/policies/test", document.encode()).json["tests"]
        assert outcome["passed"] is passed and outcome["verdict"][1] == "block"
    whole = f'port = 9000\n[routes.m]\ntargets = ["qwen/qwen-plus"]\n{FAILING.replace("openai/gpt-4o", "m")}'
    assert home.ask("POST", "/policies/test", whole.encode()).json["tests"][0]["passed"]  # of a gapura.toml, its routes
    (outcome,) = home.ask("POST", f"/policies/versions/{version(home, FAILING)}/test").json["tests"]
    assert not outcome["passed"]
    checked = home.ask("POST", "/policies/check", FAILING.encode()).json
    assert checked["sound"] and not checked["findings"]["stands"]


def test_two_sides_are_compared(home: Any) -> None:
    name = version(home, FIRST)

    def compared(before: Any, after: Any, at: str = "") -> Any:
        return home.ask("POST", "/policies/diff", {"before": before, "after": after, "at": at})

    current, other = {"version": "current"}, {"version": name}
    assert compared(current, {"version": "default"}).json["words"] == ["no policy changes"]
    found = compared(current, other).json
    assert [moment["at"] for moment in found["difference"]["moments"]] == [home.clock(), instant(LATER)]
    late = compared(current, {"document": YAML.decode(), "format": "yaml"}, LATER).json
    assert late["words"] == [
        "no territory gains or loses anything", "policy openai/api: changed", "  ~ on_unknown: deny → warn",
    ]  # fmt: skip
    for body, field in (({}, "after"), ({"version": "x", "document": "y"}, "after"), ({"version": "none"}, "version")):
        assert compared(current, body).error["field"] == field
    assert compared(current, other, "tomorrow").error["field"] == "at"


def test_one_runs_in_shadow(home: Any) -> None:
    name = version(home, FIRST)
    assert home.ask("GET", "/policies/shadow").json["version"] is None
    off = {"version": "off", "reason": "x"}
    assert home.ask("POST", "/policies/shadow", off).status == 404
    begun = home.ask("POST", "/policies/shadow", {"version": name, "reason": "to see"}).json
    assert begun["version"]["id"] == name and begun["rulebook"] == home.shadow.book.version
    found = home.ask("GET", "/policies/explain?place=HK&model=openai/gpt-4o&at=2026-12-01T00:00:00Z").json
    (one,) = found["explanations"]
    assert (one["verdict"][1], one["next"]["verdict"][1]) == ("block", "warn")
    activate(home, name)
    assert home.ask("POST", "/policies/shadow", {"version": name, "reason": "x"}).status == 409
    second = version(home, TESTED)
    home.ask("POST", "/policies/shadow", {"version": second, "reason": "to see"})
    assert home.ask("POST", "/policies/shadow", off).json["version"] is None and home.shadow is None


def test_what_was_counted_and_recorded_is_told(home: Any) -> None:
    name = version(home, FIRST)
    rulebook = home.ask("POST", "/policies/shadow", {"version": name, "reason": "x"}).json["rulebook"]

    def series(**labels: str) -> str:
        told = {"live": "block", "moved": "1", "next": "warn", "territory": "HK", "version": rulebook} | labels
        return f"gapura_shadow_decisions_total{{{','.join(f'{key}={json.dumps(told[key])}' for key in sorted(told))}}}"

    home.series |= {
        series(): 3.0,
        series(live="allow", next="allow", moved="0", territory="SG"): 39.0,
        series(version="another"): 1000.0,
    }
    written(home, "req_1", Shadowed("warn", rulebook))
    written(home, "req_2", None)
    written(home, "req_3", Shadowed("warn", "another"))
    report = home.ask("GET", "/policies/shadow").json
    assert (report["compared"], report["differing"]) == (42, 3)
    assert report["counts"][0] == {"live": "block", "next": "warn", "moved": True, "territory": "HK", "requests": 3}
    (sample,) = report["samples"]
    assert (sample["request"], sample["effect"], sample["next_effect"]) == ("req_1", "block", "warn")
    assert sample["next_verdicts"][0][:2] == ["openai/gpt-4o", "warn"] and "does not cover" in sample["verdicts"][0][4]
    assert home.ask("GET", "/policies/shadow?limit=0").json["samples"] == []
    assert home.ask("GET", "/decisions/dec_1").json["record"]["shadow_effect"] == "warn"


def written(home: Any, name: str, shadow: Shadowed | None) -> None:
    """A refused request, as a gate's journal tells it."""
    verdicts = (Verdict("openai/gpt-4o", "block", "openai/api", "coverage", "does not cover HK"),)
    context = Context(
        "acc_none", "key_1", "default", "openai/gpt-4o", False, False, "HK", "certain", "peer", "202.45.84.58", "::1",
        "", ids.beside("dec", name), "v1", "block", verdicts, (SourceAnswer("ipfire", "HK", "2026-06-25"),),
        shadow=shadow,
    )  # fmt: skip
    refused = Refused(name, home.clock(), 403, "unsupported_country_region_territory", context)

    def work(db: Any) -> None:
        records.begin(db, f"inc_{name}", "boot", home.clock())
        records.take_in(db, f"inc_{name}", [Frame(1, refused)], Position(1, 10))

    home.store.write(work).result()
