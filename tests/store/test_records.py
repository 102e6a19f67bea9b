"""Entries to rows: each once, whatever is delivered twice, and none that nobody sees."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from gapura.store import records, steps
from gapura.store.base import Connection
from gapura.store.journal import Frame, Position
from gapura.store.records import Intake
from gapura.terms.place import SourceAnswer
from gapura.terms.record import Context, Ended, Entry, Marked, Opened, Outcome, Progress, Refused
from gapura.terms.usage import Usage
from gapura.terms.verdict import Verdict

VERDICT = Verdict("openai/gpt", "block", "openai", "coverage", "CN is not listed")
ANSWER = SourceAnswer("ipfire", "CN", "2026-06-01")


def context(decision: str = "dec_1", organisation: str = "org_1") -> Context:
    return Context(
        "acc_1", "key_1", organisation, "gpt", True, False, "CN", "certain", "peer", "198.51.100.7", "203.0.113.9",
        "SG", decision, "v1", "allow", (VERDICT,), (ANSWER,),
    )  # fmt: skip


def opened(
    name: str, attempt: int = 1, hold: int = 50, purse: str = "tok:acc_1", organisation: str = "org_1"
) -> Opened:
    return Opened(
        name,
        10 * attempt,
        attempt,
        "qwen" if attempt > 1 else "glm",
        "qwen-plus" if attempt > 1 else "glm-4.6",
        hold,
        purse,
        ("seed",),
        "upstream_failed" if attempt > 1 else "",
        context(f"dec_{name}", organisation) if attempt == 1 else None,
    )


def ended(name: str, outcome: Outcome = "complete", usage: Usage = Usage(11, 22)) -> Ended:  # noqa: B008 - frozen
    return Ended(name, 99, outcome, 200, usage)


@pytest.fixture
def db() -> Iterator[Connection]:
    db = Connection(":memory:")
    steps.upgrade(db)
    records.begin(db, "inc_1", "boot_1", 5)
    yield db
    db.close()


def take_in(db: Connection, *entries: Entry, first: int = 1) -> Intake:
    frames = [Frame(number, entry) for number, entry in enumerate(entries, first)]
    return records.take_in(db, "inc_1", frames, Position(1, 1000 * (first + len(entries))))


def only(db: Connection) -> dict[str, Any]:
    (row,) = records.export(db)
    return row


def test_a_request_from_open_to_end(db: Connection) -> None:
    assert take_in(db, opened("req_1")) == Intake(entries=1)
    assert (only(db)["outcome"], only(db)["ended_at"]) == ("open", None)
    assert take_in(db, ended("req_1"), first=2) == Intake(entries=1, spends={"tok:acc_1": {"input": 11, "output": 22}})
    row = only(db)
    assert msgspec.json.decode(msgspec.json.encode(row)) == row
    assert row["attempts"] == [
        {"attempt": 1, "provider": "glm", "model": "glm-4.6", "hold": 50, "losses": ["seed"], "opened_at": 10,
         "ended_at": 99, "failure": ""}
    ]  # fmt: skip
    wanted = {"outcome": "complete", "status": 200, "input": 11, "output": 22, "charged": 33, "estimated": False}
    assert wanted.items() <= row.items()
    assert (row["account"], row["key"], row["model"], row["served_model"]) == ("acc_1", "key_1", "gpt", "glm-4.6")
    assert (row["address"], row["peer"], row["territory"]) == ("198.51.100.7", "203.0.113.9", "CN")


def test_a_fall_over_is_two_attempts_of_one_request(db: Connection) -> None:
    take_in(db, opened("req_1"), opened("req_1", 2, hold=40), ended("req_1"))
    row = only(db)
    assert [(a["provider"], a["ended_at"], a["failure"]) for a in row["attempts"]] == [
        ("glm", 20, "upstream_failed"),
        ("qwen", 99, ""),
    ]
    assert (row["provider"], row["served_model"], row["hold"], row["charged"]) == ("qwen", "qwen-plus", 40, 33)


@pytest.mark.parametrize(
    ("hold", "purse", "outcome", "usage", "charged"),
    [
        (50, "tok:acc_1", "complete", Usage(11, 22), {"input": 11, "output": 22}),
        (30, "tok:acc_1", "complete", Usage(11, 22), {"input": 11, "output": 19}),
        (50, "gr:g_1", "complete", Usage(11, 22, 3, 9), {"input": 8, "cached": 3, "output": 13, "reasoning": 9}),
        (50, "", "complete", Usage(11, 22), {}),
        (50, "tok:acc_1", "cut", Usage(11, 5, estimated=True), {"input": 11, "output": 5}),
        (50, "tok:acc_1", "failed", Usage(11, 5), {}),
    ],
)
def test_what_is_charged(
    db: Connection, hold: int, purse: str, outcome: Outcome, usage: Usage, charged: dict[str, int]
) -> None:
    intake = take_in(db, opened("req_1", hold=hold, purse=purse), ended("req_1", outcome, usage))
    assert only(db)["charged"] == sum(charged.values())
    assert intake.spends == ({purse: charged} if charged else {})


def test_spends_of_a_batch_are_summed(db: Connection) -> None:
    entries = [entry for n in range(5) for entry in (opened(f"req_{n}"), ended(f"req_{n}"))]
    assert take_in(db, *entries).spends == {"tok:acc_1": {"input": 55, "output": 110}}


def test_what_is_delivered_twice_counts_once(db: Connection) -> None:
    entries = opened("req_1"), ended("req_1")
    take_in(db, *entries)
    before = records.export(db)
    assert take_in(db, *entries) == Intake()
    assert take_in(db, *entries, opened("req_2")).entries == 1
    assert records.export(db, limit=1) == before


def test_a_gap_is_counted_and_kept(db: Connection) -> None:
    assert take_in(db, opened("req_1"), first=4).missing == 3
    assert take_in(db, ended("req_1"), first=7).missing == 2
    assert records.alarms(db) == (5, 0)


def test_the_first_end_is_the_end(db: Connection) -> None:
    intake = take_in(db, opened("req_1"), ended("req_1"), ended("req_1", "failed"), ended("unknown"), opened("req_1"))
    assert (intake.strange, intake.spends) == (4, {"tok:acc_1": {"input": 11, "output": 22}})
    assert records.alarms(db) == (0, 4)
    assert only(db)["outcome"] == "complete"


def test_a_closed_incarnation_takes_nothing_in(db: Connection) -> None:
    records.close(db, "inc_1", 3, 50)
    assert take_in(db, opened("req_1")) == Intake()
    mark = records.watermark(db, "inc_1")
    assert mark is not None and mark.closed and mark.boot == "boot_1"
    assert records.live(db) == []
    assert records.watermark(db, "inc_2") is None


def test_a_refusal_is_recorded_with_its_reasons(db: Connection) -> None:
    take_in(db, Refused("req_1", 7, 403, "unsupported_country_region_territory", context("dec_1")))
    row = records.find_decision(db, "dec_1")
    assert row is not None
    wanted = {"outcome": "refused", "status": 403, "error": "unsupported_country_region_territory", "attempts": []}
    assert wanted.items() <= row.items()
    assert row["verdicts"] == [["openai/gpt", "block", "openai", "coverage", "CN is not listed", True]]
    assert row["answers"] == [list(msgspec.structs.astuple(ANSWER))]
    db.execute("DELETE FROM request_place")
    row = records.find_decision(db, "dec_1")
    assert row is not None and row["verdicts"] is row["address"] is None
    assert records.find_decision(db, "dec_8") is None


def test_what_a_dead_gate_left_open_is_ended(db: Connection) -> None:
    take_in(
        db,
        opened("req_1"),
        opened("req_2", hold=20),
        opened("req_3"),
        opened("req_4", purse=""),
        ended("req_5"),
        Progress(60, (("req_1", 5, 3), ("req_2", 5, 30), ("req_4", 1, 1))),
        Progress(70, (("req_1", 5, 7),)),
    )
    assert records.end_abandoned(db, "inc_1") == ({"cut": 3, "failed": 1}, {"tok:acc_1": {"input": 10, "output": 22}})
    assert records.end_abandoned(db, "inc_1") == ({"cut": 0, "failed": 0}, {})
    fields = ("outcome", "input", "output", "estimated", "charged", "ended_at", "error")
    assert [tuple(row[field] for field in fields) for row in records.export(db)] == [
        ("cut", 5, 7, True, 12, 70, "gate_lost"),
        ("cut", 5, 30, True, 20, 60, "gate_lost"),
        ("failed", 0, 0, True, 0, 10, "gate_lost"),
        ("cut", 1, 1, True, 0, 60, "gate_lost"),
    ]


def test_the_last_mark_is_kept(db: Connection) -> None:
    take_in(db, Marked(5, {"tok:acc_1": 9}), Marked(6, {}))
    assert db.execute("SELECT marked_at, marked FROM incarnation").fetchone() == (6, "{}")


def test_usage_counts_what_was_answered(db: Connection) -> None:
    take_in(
        db,
        opened("req_1"), ended("req_1"),
        opened("req_2"), ended("req_2", "cut", Usage(1, 2, estimated=True)),
        opened("req_3"), ended("req_3", "failed", Usage(5, 5)),
        opened("req_4"), opened("req_4", 2), ended("req_4", usage=Usage(11, 22, images=2, seconds=3, characters=4)),
        opened("req_5"),
        opened("req_6", organisation="org_2"), ended("req_6"),
        Refused("req_7", 1, 403, "x", context()),
    )  # fmt: skip
    rows = records.usage_rows(db, "org_1")
    assert [tuple(row.values()) for row in rows] == [
        ("acc_1", "key_1", "glm-4.6", "glm", 2, 12, 24, 1, 0, 0, 0),
        ("acc_1", "key_1", "qwen-plus", "qwen", 1, 11, 22, 0, 2, 3, 4),
    ]
    assert list(rows[0]) == [
        "account",
        "key",
        "model",
        "provider",
        "requests",
        "input_tokens",
        "output_tokens",
        "estimated",
        "images",
        "seconds",
        "characters",
    ]
    assert sum(row["requests"] for row in records.usage_rows(db)) == 4
    assert records.usage_rows(db, since=11) == records.usage_rows(db, until=10) == []


def test_pages_by_id_within_one_organisation(db: Connection) -> None:
    take_in(db, *[opened(f"req_{n}", organisation=f"org_{n % 2}") for n in range(10)])
    seen, after = [], ""
    while page := records.export(db, after, 2, "org_1"):
        seen += [row["id"] for row in page]
        after = seen[-1]
    assert seen == ["req_1", "req_3", "req_5", "req_7", "req_9"]
    assert records.find_decision(db, "dec_req_2", "org_1") is None
