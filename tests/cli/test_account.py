"""Commands that change something: rehearsed, refused, confirmed; with a keeper and without."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gapura.cli import ending


def data(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


@pytest.fixture
def acme(run: Any) -> str:
    found: str = data(run("account", "add", "acme", "--contact", "billing=ap@acme.example", "--json"))["id"]
    return found


def status(run: Any) -> str:
    found: str = data(run("account", "show", "acme", "--json"))["status"]
    return found


def test_adding_states_what_is_given_and_no_more(run: Any, acme: str) -> None:
    run("account", "add", "acme", "--name", "Acme", "--rpm", 5, "--data-may-go-to", "SG")
    found = data(run("account", "show", acme, "--json"))
    assert (found["name"], found["requests_per_minute"], found["data_may_go_to"]) == ("Acme", 5, ["SG"])
    assert found["contacts"] == {"billing": "ap@acme.example"}
    assert run("account", "add", "acme", "--contact", "billing").exit_code == ending.USAGE
    assert "nothing changed" in run("account", "add", "acme", "--name", "Acme").stderr


def test_suspending_is_a_rehearsal_until_it_is_confirmed(run: Any, acme: str) -> None:
    refused = run("account", "reinstate", "acme")
    assert refused.exit_code == ending.FAILED and "can become suspended or warned" in refused.stderr
    assert run("account", "warn", "acme").exit_code == 0
    tried = run("account", "suspend", "acme")
    assert tried.exit_code == 0 and "warned → suspended" in tried.stdout and "--confirm acme" in tried.stderr
    assert status(run) == "warned"
    for options in (["--confirm", "acne", "--reason", "x"], ["--confirm", "acme"]):
        assert run("account", "suspend", "acme", *options).exit_code == ending.USAGE
    assert status(run) == "warned"
    assert run("account", "suspend", "acme", "--reason", "place", "--confirm", "acme").exit_code == 0
    assert status(run) == "suspended"
    assert run("account", "reinstate", "acme").exit_code == 0 and status(run) == "active"


def test_importing_is_a_rehearsal_until_it_is_confirmed(run: Any, tmp_path: Path) -> None:
    (tmp_path / "customers.csv").write_text("external_id,name\na,A\nb,B\n")
    tried = run("account", "import", "customers.csv")
    assert tried.exit_code == 0 and "created    2" in tried.stdout and "--confirm customers.csv" in tried.stderr
    assert data(run("account", "list", "--json")) == []
    assert run("account", "import", "customers.csv", "--confirm", "customers.csv").exit_code == 0
    assert {one["external_id"] for one in data(run("account", "list", "--json"))} == {"a", "b"}
    (tmp_path / "bad.csv").write_text("external_id,budget\na,much\n")
    bad = run("account", "import", "bad.csv")
    assert bad.exit_code == ending.FAILED and "line 2" in bad.stderr


def test_limits(run: Any, acme: str) -> None:
    found = data(run("account", "limit", "acme", "--rpm", 7, "--budget", 100, "--json"))
    assert (found["requests_per_minute"], found["budget"], found["tokens_per_minute"]) == (7, 100, 0)
    assert data(run("account", "show", acme, "--json"))["tokens"]["left"] == 100


def test_a_key_from_its_making_to_its_end(run: Any, acme: str) -> None:
    scope = ["--models", "gpt-4o*", "--models", "qwen-plus", "--cidrs", "10.0.0.0/8", "--assert-origin"]
    expiry = ["--expires", "2100-01-01T00:00:00+08:00"]
    made = data(run("key", "create", "--account", "acme", "--name", "ci", *scope, *expiry, "--json"))
    key = made["key"]
    assert key["models"] == ["gpt-4o*", "qwen-plus"] and key["may_assert_origin"] and key["cidrs"] == ["10.0.0.0/8"]
    assert data(run("key", "list", "--account", "acme", "--json")) == [key]
    assert "2099-12-31T16:00:00Z" in run("key", "list").stdout
    tried = run("key", "revoke", key["id"])
    assert tried.exit_code == 0 and not data(run("key", "list", "--json"))[0]["revoked"]
    assert run("key", "revoke", key["id"], "--confirm", key["id"]).exit_code == ending.USAGE
    assert run("key", "revoke", key["id"], "--reason", "leaked", "--confirm", key["id"]).exit_code == 0
    assert data(run("key", "list", "--json"))[0]["revoked"]
    entries = data(run("audit", "list", "--json"))
    assert entries[-1]["reason"] == "leaked" and [entry["seq"] for entry in entries] == [1, 2, 3]
    assert data(run("audit", "list", "--after", 2, "--json")) == entries[2:]


def test_a_secret_is_not_printed_into_a_pipe(run: Any, acme: str, tmp_path: Path) -> None:
    made = run("key", "create", "--account", "acme")
    assert made.exit_code == 0 and "sk-gp-" not in made.output
    (file,) = tmp_path.glob("key_*.secret")
    assert file.read_text().startswith("sk-gp-") and file.stat().st_mode & 0o777 == 0o600
    assert str(file) in made.stdout


def test_principals(run: Any) -> None:
    made = data(run("principal", "create", "--role", "auditor", "--name", "Siti", "--json"))
    assert made["token"].startswith("gt-")
    name = made["principal"]["id"]
    assert run("principal", "revoke", name, "--reason", "left", "--confirm", name).exit_code == 0
    assert data(run("principal", "list", "--json"))[0]["revoked"]
    assert run("principal", "create", "--role", "account", "--name", "x").exit_code == ending.FAILED


def test_a_backup_is_put_back(run: Any, acme: str, tmp_path: Path) -> None:
    assert run("backup", "copy.db").exit_code == 0
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert run("backup", "copy.db").exit_code == ending.FAILED
    run("account", "add", "globex")
    assert run("restore", "copy.db").exit_code == 0 and len(data(run("account", "list", "--json"))) == 2
    assert run("restore", "copy.db", "--confirm", "copy.db").exit_code == 0
    assert [one["id"] for one in data(run("account", "list", "--json"))] == [acme]
    assert (tmp_path / "gapura-data" / "gapura.db.old").exists()


def test_a_running_gateway_is_backed_up_and_not_restored(keeper: int, run: Any, acme: str) -> None:
    assert run("backup", "copy.db").exit_code == 0
    copy = sqlite3.connect("copy.db")
    assert copy.execute("SELECT id FROM account").fetchall() == [(acme,)]
    copy.close()
    refused = run("restore", "copy.db", "--confirm", "copy.db")
    assert refused.exit_code == ending.FAILED and "in use by process" in refused.stderr


def test_an_altered_audit_is_a_no(run: Any, acme: str, tmp_path: Path) -> None:
    assert run("audit", "verify").exit_code == 0
    db = sqlite3.connect(tmp_path / "gapura-data" / "gapura.db")
    db.execute("UPDATE audit SET subject = 'nothing'")
    db.commit()
    db.close()
    result = run("audit", "verify")
    assert result.exit_code == ending.NO and "entry 1 was altered" in result.stdout
    assert run("doctor").exit_code == ending.NO
