"""`gapura exception` and `gapura appeal`: rehearsals until confirmed, and what people read."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run


@pytest.fixture(autouse=True)
def acme(run: Run, tmp_path: Path) -> None:
    (tmp_path / "gapura.toml").write_text('[[policies]]\npack = "openai/api"\n')
    run("account", "add", "acme")


def said(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


def test_an_exception_from_adding_to_its_end(run: Run) -> None:
    add = ("exception", "add", "acme", "--policy", "openai/api", "--reason", "contract")
    tried = run(*add)
    assert tried.exit_code == 0 and "nothing was changed" in tried.stderr
    assert run("exception", "list").stdout.strip() == "none"
    made = said(run(*add, "--until", "2999-01-01T00:00:00Z", "--confirm", "acme", "--json"))["exception"]
    assert made["ends"] and made["state"] == "in force"
    listed = run("exception", "list", "--account", "acme").stdout
    assert "contract" in listed and "2999-01-01" in listed
    assert run("exception", "list", "--due").stdout.strip() == "none"
    assert "no end" in run("exception", "review", made["id"], "--reason", "seen", "--until", "never").stdout
    end = ("exception", "end", made["id"], "--reason", "left")
    assert "nothing was changed" in run(*end).stderr
    assert "ended" in run(*end, "--confirm", made["id"]).stdout
    assert run(*end, "--confirm", "another").exit_code == 2


def test_an_objection_is_read_and_decided(run: Run) -> None:
    words = ("--reason", "a trip\x1b[2J", "--language", "id")
    made = said(run("appeal", "file", "acme", "--policy", "openai/api", *words, "--json"))["appeal"]
    name = made["id"]
    assert "acme" in run("appeal", "list", "--state", "received").stdout
    assert run("appeal", "list", "--overdue").stdout.strip() == "none"
    assert "under_review" in run("appeal", "take", name).stdout
    assert run("appeal", "decide", name, "--reason", "r").exit_code == 2
    decide = ("appeal", "decide", name, "--grant", "--reason", "it was a trip")
    assert "nobody told" in run(*decide).stderr
    assert "granted" in run(*decide, "--confirm", name).stdout
    shown = run("appeal", "show", name).stdout
    assert "a trip" in shown and "it was a trip" in shown and "\x1b" not in shown
    again = run(*decide, "--confirm", name, "--json")
    assert again.exit_code == 1 and "nothing" in json.loads(again.stderr)["error"]["message"]
    assert said(run("appeal", "list", "--account", "acme", "--json"))[0]["exception"].startswith("exc_")


def test_an_account_may_withdraw(run: Run) -> None:
    filed = said(run("appeal", "file", "acme", "--policy", "openai/api", "--reason", "r", "--json"))["appeal"]
    assert "withdrawn" in run("appeal", "withdraw", filed["id"]).stdout


def test_a_link_for_who_has_no_letter(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = run("appeal", "link", "acme", "--reason", "by phone", "--json")
    assert refused.exit_code == 1 and "GAPURA_PUBLIC_URL" in json.loads(refused.stderr)["error"]["message"]
    monkeypatch.setenv("GAPURA_PUBLIC_URL", "https://notice.example.com")
    made = said(run("appeal", "link", "acme", "--reason", "by phone", "--days", "3", "--read-only", "--json"))
    assert made["url"].startswith("https://notice.example.com/enter/see.") and made["kind"] == "see"
    assert "/enter/" not in run("appeal", "link", "acme", "--reason", "again").stdout, "not into a pipe"
    (kept,) = tmp_path.glob("acc_*.link.secret")
    assert kept.read_text().startswith("https://notice.example.com/enter/object.")
    listed = run("audit", "list", "--json").stdout
    assert "by phone" in listed and "/enter/" not in listed
    other = run("appeal", "revoke-link", "globex", "--link", made["url"], "--reason", "forwarded")
    assert other.exit_code != 0, "it is another account's"
    assert run("appeal", "revoke-link", "acme", "--reason", "forwarded").exit_code == 2
    revoked = run("appeal", "revoke-link", "acme", "--link", made["url"], "--reason", "forwarded")
    assert revoked.stdout == "this link opens nothing any more\n"
    assert "every link" in run("appeal", "revoke-link", "acme", "--all", "--reason", "forwarded").stdout
