"""`gapura audit`: files that prove what was done, checked without any gateway."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Run

from gapura.settings import Settings
from gapura.store import facts
from gapura.store.base import Connection
from gapura.store.sqlite import Store


@pytest.fixture
def acme(run: Run, tmp_path: Path) -> str:
    """An account with a history: warned, excepted, an objection decided, and a notice that is sealed."""
    (tmp_path / "gapura.toml").write_text('[[policies]]\npack = "openai/api"\n')
    account = said(run("account", "add", "acme", "--contact", "legal=law@acme.test", "--json"))["id"]
    run("account", "warn", "acme", "--reason", "seen <b>elsewhere</b>")
    add = ("exception", "add", "acme", "--policy", "openai/api", "--reason", "contract")
    assert run(*add, "--confirm", "acme").exit_code == 0
    name = said(run("appeal", "file", "acme", "--policy", "openai/api", "--reason", "a trip", "--json"))["appeal"]["id"]
    run("appeal", "take", name)
    assert run("appeal", "decide", name, "--deny", "--reason", "it was none", "--confirm", name).exit_code == 0
    settings = Settings.load({}, {}, cwd=tmp_path)
    store = Store.open(settings.database_path)

    def work(db: Connection) -> None:
        body = {"stage": "T-7", "state": "delivered", "attempts": 1, "code": 250, "sha256": "ab" * 32}
        facts.put(db, "notice", account, "1.1.deliver", body, 1_700_000_000_000_000)
        facts.seal(db, store.secret, 1_700_000_000_000_001)

    store.write(work).result()
    store.close()
    return str(account)


def said(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["data"]


def test_an_export_is_verified_alone(run: Run, acme: str, tmp_path: Path) -> None:
    whole = said(run("audit", "verify", "--json"))
    assert whole["sound"] and whole["faults"] == []
    assert "bytes" in run("audit", "export", "-o", "audit.jsonl").stdout
    path = tmp_path / "audit.jsonl"
    assert path.stat().st_mode & 0o077 == 0
    assert run("audit", "export", "-o", "audit.jsonl").exit_code == 1, "one that is there is not written over"
    found = said(run("audit", "verify", "--file", path, "--expect", whole["hash"], "--json"))
    assert (found["hash"], found["seq"]) == (whole["hash"], whole["seq"])
    other = run("audit", "verify", "--file", path, "--expect", "00")
    assert other.exit_code == 3 and "and not 00" in other.stdout
    lines = run("audit", "export", "--after", "3").stdout.splitlines()
    assert json.loads(lines[0])["after"] == 3
    path.write_bytes(path.read_bytes().replace(b"contract", b"kontract"))
    broken = run("audit", "verify", "--file", path)
    assert broken.exit_code == 3 and "another text than was written" in broken.stdout
    path.write_bytes(b"")
    assert "cut off" in run("audit", "verify", "--file", path).stdout


def test_an_accounts_evidence_is_whole_and_can_be_checked(run: Run, acme: str, tmp_path: Path) -> None:
    run("audit", "export", "-o", "audit.jsonl")
    made = said(run("audit", "evidence", "acme", "-o", "pack", "--json"))
    pack = json.loads(Path(made["json"]).read_text())
    assert [one["line"]["action"] for one in pack["entries"]] == [
        "account.status", "exception.add", "appeal.file", "appeal.take", "appeal.deny", "facts.seal",
    ]  # fmt: skip
    assert pack["appeals"][0]["texts"] == {"reason": "a trip", "evidence": None, "decision": "it was none"}
    assert pack["facts"][0]["entry"] == pack["entries"][-1]["line"]["seq"]
    page = Path(made["html"]).read_text()
    for told in (
        "law@acme.test",
        "seen &lt;b&gt;elsewhere&lt;/b&gt;",
        "a trip",
        "it was none",
        "contract",
        "ab" * 32,
        pack["hash"],
    ):
        assert told in page, told
    assert "<script" not in page and "http" not in page.replace("HTTP", "")
    check = ("audit", "verify", "--evidence", made["json"], "--file", "audit.jsonl")
    assert run(*check).exit_code == 0
    listed = run("audit", "list").stdout
    assert listed.count("audit.evidence") == 1, "that it was made stands in the audit"
    spoilt = tmp_path / "spoilt.json"
    for old, new, told in (
        ("contract", "kontract", "another text"),
        ("account.status", "account.statuz", "was altered"),
        ("delivered", "refused..", "is not among those"),
        (pack["entries"][0]["line"]["hash"], "0" * 64, "was altered"),
    ):
        spoilt.write_text(Path(made["json"]).read_text().replace(old, new))
        broken = run("audit", "verify", "--evidence", spoilt)
        assert broken.exit_code == 3 and told in broken.stdout, old


def test_evidence_of_another_home_does_not_stand_in_the_export(
    run: Run, acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = said(run("audit", "evidence", "acme", "-o", "pack", "--json"))
    monkeypatch.setenv("GAPURA_HOME", str(tmp_path / "another"))
    run("account", "add", "acme")
    run("audit", "export", "-o", "other.jsonl")
    found = run("audit", "verify", "--evidence", made["json"], "--file", "other.jsonl")
    assert found.exit_code == 3 and "does not stand in the export" in found.stdout


def test_who_may_not(run: Run) -> None:
    gone = run("audit", "evidence", "nobody", "-o", "pack", "--json")
    assert gone.exit_code == 1 and json.loads(gone.stderr)["error"]["code"] == "not_found"
    assert not Path("pack.json").exists()
