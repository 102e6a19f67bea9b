"""Policy versions by command, on a home without a keeper: what is said, and how it ends."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from click.testing import Result
from tests.app import running
from tests.app.running import Ended

from gapura.cli import ending
from gapura.store import rulebooks

Run = Callable[..., Result]

POLICY = '[[policies]]\npack = "openai/api"\n'
WARNS = POLICY + 'phases = [{ effect = "warn", from = 2026-01-01T00:00:00Z }]\n'
SHORT = POLICY + 'phases = [{ effect = "block", from = 9999-01-01T00:00:00Z }]\n'
TEST = '[[tests]]\nname = "HK"\nterritory = "HK"\nproduct = "openai/api"\nexpect = "warn"\n'


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    (tmp_path / "warns.toml").write_text(WARNS + TEST)
    (tmp_path / "blocks.toml").write_text(POLICY + TEST)
    (tmp_path / "short.toml").write_text(SHORT)
    (tmp_path / "blocks.yaml").write_text("policies:\n  - pack: openai/api\n    on_unknown: warn\n")


def data(run: Run, *args: str) -> Any:
    done = run(*args, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)["data"]


def propose(run: Run, file: str) -> str:
    return str(data(run, "policy", "propose", file, "--reason", "because")["version"]["id"])


def serve(folder: Path) -> Ended:
    """In a process of its own: it ends by itself, or the test fails."""
    with running.runtime_folder() as runtime:
        return running.run(folder, running.environment(folder, runtime, OPENAI_API_KEY="sk-test"), "serve")


def effect(run: Run) -> str:
    return str(data(run, "policy", "explain", "HK", "--model", "openai/gpt-4o")["explanations"][0]["verdict"][1])


def test_from_a_draft_to_the_way_back(run: Run) -> None:
    assert "the packs as they stand" in run("policy", "list").stdout
    tested = run("policy", "test", "warns.toml")
    assert tested.exit_code == 0 and "1 of 1 hold" in tested.stdout
    first, second = propose(run, "warns.toml"), propose(run, "blocks.yaml")
    assert run("policy", "diff", "current", first).stdout.count("block → warn, so gained by") == 1
    rehearsed = run("policy", "activate", first)
    assert rehearsed.exit_code == 0 and f"--confirm {first}" in rehearsed.stdout and effect(run) == "block"
    for version, then in ((first, "warn"), (second, "block"), (first, "warn"), ("default", "block")):
        done = run("policy", "activate", version, "--confirm", version, "--reason", "it is time")
        assert done.exit_code == 0 and "is in force in the place of" in done.stdout and effect(run) == then
    assert run("policy", "activate", first, "--confirm", second).exit_code == ending.USAGE
    assert run("policy", "activate", first, "--confirm", first).exit_code == ending.FAILED  # no reason


def test_a_version_is_shown_as_it_was_written(run: Run) -> None:
    version = propose(run, "warns.toml")
    assert run("policy", "show", version, "--document").stdout == WARNS + TEST
    told = run("policy", "show", version[:8])
    assert "proposed" in told.stdout and "because" in told.stdout and WARNS in told.stdout
    assert run("policy", "show", "--document").exit_code == ending.USAGE
    assert run("policy", "show", "nothing").exit_code == ending.FAILED
    assert "openai/api" in run("policy", "show").stdout


def test_a_test_that_fails_ends_with_three_and_refuses(run: Run) -> None:
    failed = run("policy", "test", "blocks.toml")
    assert failed.exit_code == ending.NO and "warn was expected, and it is block" in failed.stdout
    checked = run("policy", "check", "blocks.toml")
    assert checked.exit_code == ending.NO and "a test fails: tests[0] HK" in checked.stderr
    version = propose(run, "blocks.toml")
    assert run("policy", "test", version).exit_code == ending.NO
    assert run("policy", "activate", version).exit_code == ending.NO
    done = run("policy", "activate", version, "--confirm", version, "--reason", "x")
    assert done.exit_code == ending.FAILED and "a test fails: tests[0] HK" in done.stderr
    assert data(run, "policy", "list")["decides"] == "default"


def test_a_lint_refuses_a_version_and_is_only_told_of_gapura_toml(run: Run, tmp_path: Path) -> None:
    refused = run("policy", "check", "short.toml")
    assert refused.exit_code == ending.NO and "[short-notice]; it keeps the document from" in refused.stderr
    (tmp_path / "whole.toml").write_text("port = 9000\n" + SHORT)
    told = run("policy", "check", "whole.toml")
    assert told.exit_code == 0 and told.stdout.startswith("sound") and "[short-notice]\n" in told.stderr


def test_files_and_versions_are_compared(run: Run) -> None:
    version = propose(run, "warns.toml")
    assert run("policy", "diff", "warns.toml", version).stdout == "no policy changes\n"
    found = data(run, "policy", "diff", "warns.toml", "blocks.yaml", "--at", "2027-01-01T00:00:00Z")
    assert found["difference"]["moments"][0]["changes"][0]["after"] == "block"
    assert run("policy", "diff", "current", "missing.toml").exit_code == ending.FAILED


def test_one_runs_in_shadow(run: Run) -> None:
    version = propose(run, "warns.toml")
    assert run("policy", "shadow").stdout == "no version runs in shadow\n"
    assert run("policy", "shadow", version).exit_code == ending.FAILED  # no reason
    assert version in run("policy", "shadow", version, "--reason", "to see").stdout
    told = run("policy", "explain", "HK", "--model", "openai/gpt-4o").stdout
    assert "the version in shadow: warn, because" in told
    assert run("policy", "shadow", "off", "--reason", "seen").exit_code == 0


def test_what_comes_next_is_told_by_date(run: Run, tmp_path: Path) -> None:
    block = (
        ', { effect = "block", from = 9998-01-01T00:00:00+08:00 }, { effect = "warn", from = 9999-01-01T00:00:00Z }]'
    )
    (tmp_path / "later.toml").write_text(WARNS.replace(" }]", " }" + block))
    version = propose(run, "later.toml")
    run("policy", "activate", version, "--confirm", version, "--reason", "x")
    told = run("policy", "explain", "HK", "--model", "openai/gpt-4o").stdout
    assert told.index("from 9997-12-31T16:00:00Z: block") < told.index("from 9999-01-01T00:00:00Z: warn")
    assert data(run, "policy", "explain", "HK", "--product", "openai/api")["explanations"][0]["verdict"][1] == "warn"
    wrong = run("policy", "explain", "HK", "--product", "openai/apy")
    assert wrong.exit_code == ending.FAILED and "did you mean openai/api?" in wrong.stderr


def test_a_damaged_version_is_never_passed_over_and_there_is_a_way_out(run: Run, tmp_path: Path) -> None:
    first, second = propose(run, "warns.toml"), propose(run, "blocks.yaml")
    run("policy", "activate", second, "--confirm", second, "--reason", "x")
    with apsw.Connection(str(tmp_path / "gapura-data" / "gapura.db")) as db:
        db.execute("DROP TRIGGER policy_version_is_never_changed")
        db.execute("UPDATE policy_version SET document = 'policies = []' WHERE id = ?", (second,))
    done = run("policy", "explain", "HK")
    assert done.exit_code == ending.FAILED and f"policy version {second} is damaged" in done.stderr
    started = serve(tmp_path)
    assert started.code == ending.FAILED and f"policy version {second} is damaged" in started.err
    assert any("is damaged" in line for line in run("doctor").stdout.splitlines())
    assert "is damaged" in run("policy", "activate", first).stdout
    done = run("policy", "activate", first, "--confirm", first, "--reason", "the other one is damaged")
    assert done.exit_code == 0 and effect(run) == "warn"


def test_a_version_that_cannot_be_read_any_more_stops_the_start(run: Run, tmp_path: Path) -> None:
    """As after a pack was renamed: what would hold in its place is laxer, or not what was chosen."""
    version = propose(run, "warns.toml")
    run("policy", "activate", version, "--confirm", version, "--reason", "x")
    with apsw.Connection(str(tmp_path / "gapura-data" / "gapura.db")) as db:
        text = WARNS.replace("openai/api", "openai/gone")
        found = rulebooks.digest(text, "toml")
        db.execute("DROP TRIGGER policy_version_is_never_changed; DROP TRIGGER policy_state_is_never_changed")
        db.execute("PRAGMA foreign_keys = 0; UPDATE policy_state SET version = ?", (found[:16],))
        db.execute("UPDATE policy_version SET document = ?, digest = ?, id = ?", (text, found, found[:16]))
    started = serve(tmp_path)
    assert started.code == ending.FAILED and "which is in force, cannot be read: policies[0].pack" in started.err
    (tmp_path / "gapura.toml").write_text("policies = []\n")
    assert effect(run) == "allow"  # the file decides now
