"""`gapura atlas` with and without a keeper, on data that were made for the test."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.atlas.place_data import archive, files, folder, texts

from gapura.atlas import builds
from gapura.cli import ending, gapura

PLACES = {"8.8.0.0/16": "US", "9.9.0.0/16": "SG", "2a00::/32": "SG"}
MOVED = {**PLACES, "9.9.0.0/24": "CN"}
UNTIL = ("--reason", "our office", "--owner", "ops", "--until", "2999-01-01T00:00:00Z")


def ordered(places: dict[str, str]) -> dict[str, str]:
    """A prefix within another cuts it: written as ranges without overlap."""
    return {"8.8.0.0/16": "US", "9.9.0.0/24": "CN", "9.9.1.0/24": "SG", "9.9.2.0/23": "SG", "9.9.4.0/22": "SG",
            "9.9.8.0/21": "SG", "9.9.16.0/20": "SG", "9.9.32.0/19": "SG", "9.9.64.0/18": "SG", "9.9.128.0/17": "SG",
            "2a00::/32": "SG"} if places == MOVED else places  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With data of its own."""
    folder(tmp_path / "gapura-data" / "atlas", files(PLACES, "2020-06-25"))
    (tmp_path / "gapura-data").chmod(0o700)
    return tmp_path / "gapura-data"


@pytest.fixture
def new(tmp_path: Path) -> Path:
    """A newer build, in which a few addresses of Singapore are in China."""
    return folder(tmp_path / "new", files(ordered(MOVED)))


def data(result: Any, code: int = ending.OK) -> Any:
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)["data"]


def place(run: Any, address: str) -> str:
    (found,) = data(run("atlas", "lookup", address, "--json"))["items"]
    return str(found["located"]["territory"])


@pytest.mark.usefixtures("home")
class TestWithoutAKeeper:
    def test_show_tells_each_source_with_its_terms(self, run: Any) -> None:
        found = data(run("atlas", "show", "--json"))
        (source,) = found["sources"]
        assert (source["name"], source["origin"], source["as_of"]) == ("made", "home", "2020-06-25")
        assert source["licence"] == "CC0-1.0" and found["corrections"] == 0 and not found["former"]
        told = run("atlas", "show").stdout
        assert "CC0-1.0 (https://place.example/licence)" in told

    def test_addresses_come_from_standard_input_too(self) -> None:
        given = "8.8.8.8\n# a comment\n\n ::ffff:9.9.9.9\n10.0.0.1"
        found = data(CliRunner().invoke(gapura, ["atlas", "lookup", "-", "--json"], given))["items"]
        assert [(one["located"]["territory"], one["name"]) for one in found] == [
            ("US", "United States"), ("SG", "Singapore"), ("", ""),
        ]  # fmt: skip
        assert [one["because"] for one in found] == [
            "made says so", "made says so, of the IPv4 address in it (mapped)", "no place: private",
        ]  # fmt: skip

    def test_what_is_no_address_is_an_answer_of_no(self, run: Any) -> None:
        found = data(run("atlas", "lookup", "8.8.8.8", "nowhere", "--json"), ending.NO)
        assert found["items"][1]["located"]["kind"] == "malformed"

    def test_an_update_is_a_rehearsal_until_its_name_is_given(self, run: Any, new: Path) -> None:
        found = data(run("atlas", "update", new, "--json"))
        assert (found["applied"], found["source"], found["as_of"]) == (False, "made", "2026-10-25")
        assert found["comparison"]["moved"] == [{"before": "SG", "after": "CN", "ipv4": 256, "ipv6": 0}]
        assert place(run, "9.9.0.1") == "SG"
        assert run("atlas", "update", new, "--confirm", "old").exit_code == ending.USAGE
        assert data(run("atlas", "update", new, "--confirm", "new", "--json"))["applied"]
        assert place(run, "9.9.0.1") == "CN"
        assert data(run("atlas", "show", "--json"))["sources"][0]["origin"] == "build"
        actions = [entry["action"] for entry in data(run("audit", "list", "--json"))]
        assert actions == ["atlas.update"]

    def test_it_is_taken_back_and_done_again(self, run: Any, new: Path) -> None:
        assert run("atlas", "update", "--back").exit_code == ending.FAILED
        run("atlas", "update", new, "--confirm", "new")
        assert not data(run("atlas", "update", "--back", "--json"))["applied"] and place(run, "9.9.0.1") == "CN"
        assert data(run("atlas", "update", "--back", "--confirm", "back", "--json"))["applied"]
        assert place(run, "9.9.0.1") == "SG"
        run("atlas", "update", "--back", "--confirm", "back")
        assert place(run, "9.9.0.1") == "CN"

    def test_what_is_objected_to_needs_force_and_a_reason(self, run: Any, tmp_path: Path) -> None:
        strange = folder(tmp_path / "strange", files({"8.8.0.0/16": "US", "9.9.0.0/16": "CN", "2a00::/32": "CN"}))
        found = data(run("atlas", "update", strange, "--confirm", "strange", "--json"), ending.NO)
        assert not found["applied"] and {one["check"] for one in found["objections"]} == {"moves", "vanishes"}
        assert place(run, "9.9.0.1") == "SG"
        assert run("atlas", "update", strange, "--confirm", "strange", "--force").exit_code == ending.USAGE
        forced = ("atlas", "update", strange, "--confirm", "strange", "--force", "--reason", "was asked", "--json")
        assert data(run(*forced))["applied"] and place(run, "9.9.0.1") == "CN"

    def test_older_data_are_objected_to_and_the_same_are_nothing_to_do(self, run: Any, tmp_path: Path) -> None:
        older = folder(tmp_path / "older", files(ordered(MOVED), "2020-06-24"))
        assert data(run("atlas", "update", older, "--json"), ending.NO)["objections"][0]["check"] == "older"
        same = folder(tmp_path / "same", files(PLACES, "2020-06-25"))
        found = data(run("atlas", "update", same, "--confirm", "same", "--json"))
        assert found["same"] and not found["applied"]
        assert run("atlas", "update", "--back").exit_code == ending.FAILED

    def test_debians_texts_and_an_archive_are_taken(self, run: Any, tmp_path: Path) -> None:
        path = tmp_path / "texts.tar.gz"
        path.write_bytes(archive(texts(ordered(MOVED))))
        assert data(run("atlas", "update", path, "--confirm", "texts.tar.gz", "--json"))["applied"]
        assert place(run, "9.9.0.1") == "CN"

    def test_a_hash_is_held_against_the_file(self, run: Any, tmp_path: Path) -> None:
        path, beside = tmp_path / "new.tar.gz", tmp_path / "new.tar.gz.sha256"
        path.write_bytes(archive(files(ordered(MOVED))))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert "no hash was given" in run("atlas", "update", path).stderr
        assert "no hash" not in run("atlas", "update", path, "--sha256", digest.upper()).stderr
        refused = run("atlas", "update", path, "--sha256", "0" * 64, "--confirm", path.name, "--json")
        assert refused.exit_code == ending.FAILED and json.loads(refused.stderr)["error"]["code"] == "wrong_hash"
        beside.write_text(f"{digest}  new.tar.gz\n")
        assert run("atlas", "update", path).stderr.count("note") == 1
        beside.write_text(f"{'1' * 64} *new.tar.gz\n")
        assert "1111" in run("atlas", "update", path, "--confirm", path.name).stderr
        beside.write_text(f"{digest}  other.tar.gz\n")
        assert "says nothing of new.tar.gz" in run("atlas", "update", path).stderr
        assert place(run, "9.9.0.1") == "SG"

    def test_in_a_folder_sums_vouch(self, run: Any, new: Path) -> None:
        (new / "SHA256SUMS").write_text(f"{'2' * 64}  ranges.xz\n")
        assert "ranges.xz has the SHA-256" in run("atlas", "update", new, "--confirm", "new").stderr
        assert place(run, "9.9.0.1") == "SG"

    def test_damaged_data_leave_nothing_behind(self, run: Any, new: Path, home: Path) -> None:
        (new / "ranges.xz").write_bytes(b"\0" * 100)
        refused = run("atlas", "update", new, "--confirm", "new", "--json")
        assert refused.exit_code == ending.FAILED
        assert "ranges.xz is not the file that meta.json describes" in json.loads(refused.stderr)["error"]["message"]
        assert place(run, "9.9.0.1") == "SG"
        assert {path for path in (home / "atlas").rglob("*") if path.is_file()} == {
            home / "atlas" / name for name in ("meta.json", "ranges.xz")
        }
        assert not list(home.glob(".upload*"))

    def test_an_mmdb_needs_a_source_of_its_name(self, run: Any, tmp_path: Path) -> None:
        from tests.atlas.mmdb_writer import mmdb  # noqa: PLC0415 - for this test alone

        configured, given = tmp_path / "City.mmdb", tmp_path / "handed" / "City.mmdb"
        given.parent.mkdir()
        for path, code in ((configured, "US"), (given, "SG")):
            path.write_bytes(mmdb({"8.8.0.0/16": {"country": {"iso_code": code}}}))
        assert "names no source City.mmdb; it names no .mmdb at all" in run("atlas", "update", given).stderr
        (tmp_path / "gapura.toml").write_text('[atlas]\nsources = [{ file = "City.mmdb" }, "shipped"]\n')
        (before,) = data(run("atlas", "lookup", "8.8.8.8", "--json"))["items"]
        assert [answer[1] for answer in before["located"]["answers"]] == ["US", "US"]
        done = ("atlas", "update", given, "--confirm", "City.mmdb", "--force", "--reason", "a test", "--json")
        assert data(run(*done))["replaces"] == "City.mmdb"
        (after,) = data(run("atlas", "lookup", "8.8.8.8", "--json"))["items"]
        assert [answer[1] for answer in after["located"]["answers"]] == ["SG", "US"]
        assert after["because"] == "the sources disagree" and configured.read_bytes() != given.read_bytes()
        run("atlas", "update", "--back", "--confirm", "back")
        assert place(run, "8.8.8.8") == "US"

    def test_verify_tells_what_is_stale_and_what_is_damaged(self, run: Any, home: Path, new: Path) -> None:
        states = {one["what"]: one["state"] for one in data(run("atlas", "verify", "--json"), ending.NO)["findings"]}
        assert states == {"builds": "ok", "shipped": "stale", "corrections": "ok"}
        run("atlas", "update", new, "--confirm", "new")
        build = home / "atlas" / "builds" / builds.pointer(home).now.build / "ranges.xz"
        build.write_bytes(build.read_bytes()[:-1] + b"\0")
        (home / "atlas" / "corrections.json").write_text("[")
        found = {one["what"]: one for one in data(run("atlas", "verify", "--json"), ending.NO)["findings"]}
        assert (found["shipped"]["state"], found["corrections"]["state"]) == ("damaged", "damaged")
        assert "not the file that meta.json describes" in found["shipped"]["found"]

    def test_a_correction_needs_a_place_an_owner_and_an_end(self, run: Any) -> None:
        refused = run("atlas", "correct", "9.9.0.0/24", "--reason", "x")
        assert refused.exit_code == ending.USAGE and "TERRITORY, --owner, --until" in refused.stderr
        refused = run("atlas", "correct", "9.9.0.0/24", "Chinna", *UNTIL)
        assert refused.exit_code == ending.FAILED and "did you mean China" in refused.stderr
        refused = run("atlas", "correct", "2002::/16", "CN", *UNTIL)
        assert refused.exit_code == ending.FAILED and "IPv4 addresses in them" in refused.stderr

    def test_a_correction_outlasts_an_update_and_is_taken_back(self, run: Any, new: Path) -> None:
        made = data(run("atlas", "correct", "9.9.0.0/25", "Hong Kong", *UNTIL, "--json"))
        assert (made["correction"]["prefix"], made["correction"]["territory"]) == ("9.9.0.0/25", "HK")
        (told,) = data(run("atlas", "lookup", "9.9.0.1", "--json"))["items"]
        assert (told["because"], told["correction"]["owner"]) == ("corrected: our office", "ops")
        run("atlas", "update", new, "--confirm", "new")
        assert (place(run, "9.9.0.1"), place(run, "9.9.0.129")) == ("HK", "CN")
        (listed,) = data(run("atlas", "corrections", "--json"))
        assert listed["state"] == "in force"
        run("atlas", "correct", "9.9.0.0/25", "--remove", "--reason", "over")
        assert place(run, "9.9.0.1") == "CN"
        assert run("atlas", "correct", "9.9.0.0/25", "--remove", "--reason", "over").exit_code == ending.FAILED


def test_a_keeper_does_the_same(run: Any, home: Path, new: Path, keeper: int) -> None:
    assert place(run, "9.9.0.1") == "SG"
    run("atlas", "correct", "8.8.8.0/24", "HK", *UNTIL)
    assert data(run("atlas", "update", new, "--confirm", "new", "--json"))["applied"]
    assert (place(run, "9.9.0.1"), place(run, "8.8.8.8")) == ("CN", "HK")
    assert builds.pointer(home).now.build and keeper
