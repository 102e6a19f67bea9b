"""The record, usage, the audit and backups: what leaves the store in bulk."""

import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gapura.clock import SECOND
from gapura.store import records
from gapura.store.journal import Frame, Position
from gapura.terms import ids
from gapura.terms.place import SourceAnswer
from gapura.terms.record import Context, Ended, Entry, Opened
from gapura.terms.usage import Usage
from gapura.terms.verdict import Verdict


def written(home: Any, organisations: Sequence[str]) -> list[str]:
    """One answered request a name, a second apart, as a gate's journal tells of them."""
    names: list[str] = []
    frames: list[Entry] = []
    for n, organisation in enumerate(organisations):
        at = home.clock() + n * SECOND
        name = ids.new("req", at)
        context = Context(
            f"acc_{organisation}", f"key_{organisation}", organisation, "gpt-4o-mini", False, False, "SG", "certain",
            "peer", "203.0.113.9", "203.0.113.9", "", ids.beside("dec", name), "v1", "allow",
            (Verdict("openai/gpt-4o-mini", "allow", "openai/api", "coverage", "covers SG"),),
            (SourceAnswer("ipfire", "SG", "2026-06-25"),),
        )  # fmt: skip
        opened = Opened(name, at, 1, "openai", "gpt-4o-mini", 0, "", context=context)
        frames += [opened, Ended(name, at, "complete", 200, Usage(10, 5))]
        names.append(name)

    def work(db: Any) -> None:
        records.begin(db, "inc", "boot", home.clock())
        records.take_in(db, "inc", [Frame(n, one) for n, one in enumerate(frames, 1)], Position(1, 1))

    home.store.write(work).result()
    return names


def lines(reply: Any) -> list[str]:
    return [json.loads(line)["id"] for line in reply.raw.splitlines()]


def test_the_record_is_one_request_a_line(home: Any) -> None:
    names = written(home, ["org-a", "org-b"] * 300)
    whole = home.ask("GET", "/records")
    assert whole.headers["content-type"] == "application/x-ndjson" and lines(whole) == names
    first = json.loads(whole.raw.splitlines()[0])
    assert first["outcome"] == "complete" and len(first["attempts"]) == 1
    assert lines(home.ask("GET", "/records?limit=3")) == names[:3]
    assert lines(home.ask("GET", f"/records?after={names[1]}&limit=2")) == names[2:4]
    between = "from=2026-11-22T12:00:01Z&to=2026-11-22T12:00:03Z"
    assert lines(home.ask("GET", f"/records?{between}")) == names[1:3]
    assert lines(home.ask("GET", "/records?from=2026-11-22T12:09:59Z&limit=500")) == names[599:]


def test_an_organisation_sees_its_own_record(home: Any) -> None:
    names = written(home, ["org-a", "org-b"])
    operator = home.token("operator", "org-b")
    assert lines(home.ask_tcp(operator, "GET", "/records")) == names[1:]
    assert home.ask_tcp(operator, "GET", f"/decisions/{ids.beside('dec', names[1])}").status == 200
    assert home.ask_tcp(operator, "GET", f"/decisions/{ids.beside('dec', names[0])}").status == 404
    usage = home.ask_tcp(home.token("account", "org-a"), "GET", "/usage").json["items"]
    assert [row["account"] for row in usage] == ["acc_org-a"]


def test_usage_is_one_row_a_key_and_model(home: Any) -> None:
    written(home, ["org-a", "org-a", "org-b"])
    a, b = home.ask("GET", "/usage").json["items"]
    assert (a["requests"], a["input_tokens"], a["output_tokens"], a["estimated"]) == (2, 20, 10, 0)
    assert (b["model"], b["provider"]) == ("gpt-4o-mini", "openai")
    assert home.ask("GET", "/usage?account=acc_org-b").json["items"] == [b]
    assert home.ask("GET", "/usage?key=key_org-a").json["items"] == [a]
    assert home.ask("GET", "/usage?to=2026-11-22T12:00:00Z").json["items"] == []


def test_a_decision_is_told_by_its_id(home: Any) -> None:
    (name,) = written(home, ["org-a"])
    found = home.ask("GET", f"/decisions/{ids.beside('dec', name)}").json["record"]
    assert found["verdicts"][0][4] == "covers SG" and found["answers"][0][:3] == ["ipfire", "SG", "2026-06-25"]
    assert home.ask("GET", "/decisions/dec_9").status == 404


def test_the_audit_tells_who_and_notices_who_lies(home: Any) -> None:
    token = home.token("operator")
    name = home.ask_tcp(token, "GET", "/principals/self").json["id"]
    home.ask_tcp(token, "POST", "/accounts", {"external_id": "acme"})
    entry = home.ask("GET", "/audit").json["items"][-1]
    assert (entry["actor"], entry["action"]) == (name, "account.upsert") and "acme" in entry["detail"]
    assert home.ask("GET", f"/audit?after={entry['seq']}").json == {"items": [], "next": 0}
    found = home.ask("GET", "/audit/verify").json
    assert (found["sound"], found["problem"]) == (True, None)
    assert (found["seq"], found["hash"]) == (entry["seq"], entry["hash"].lower())
    home.store.write(lambda db: db.execute("UPDATE audit SET actor = 'prn_other' WHERE seq = 2")).result()
    assert home.ask("GET", "/audit/verify").json["problem"]["seq"] == 2


def test_a_backup_is_the_whole_store(home: Any, tmp_path: Path) -> None:
    home.ask("POST", "/accounts", {"external_id": "acme"})
    taken = home.ask_tcp(home.token("operator"), "POST", "/backup", b"")
    (tmp_path / "copy.db").write_bytes(taken.raw)
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("SELECT external_id FROM account").fetchall() == [("acme",)]
        assert copy.execute("SELECT action FROM audit ORDER BY seq DESC LIMIT 1").fetchall() == [("backup",)]
    copy.close()
    assert list(tmp_path.glob(".backup-*")) == []


def test_probes_need_no_token(home: Any) -> None:
    assert home.ask_tcp("", "GET", "/livez").raw == b"alive\n"
    assert home.ask_tcp("", "GET", "/readyz").status == 200
    home.ready = False
    assert home.ask_tcp("", "GET", "/readyz").status == 503
    metrics = home.ask_tcp("", "GET", "/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'gapura_requests_total{status="200"} 3\n' in metrics.raw
    assert home.ask("GET", "/status").json["serving"] is True
