"""Logs and two policies → a Backtest: the one way through this package."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec

from gapura.errors import BadRequest
from gapura.logs import rows, verdicts
from gapura.logs.engine import Engine
from gapura.logs.fields import Fields
from gapura.logs.figures import Figures
from gapura.logs.files import Log
from gapura.logs.intake import Intake
from gapura.logs.places import Locator, Origins, locate
from gapura.logs.result import Backtest, Question, Reading
from gapura.logs.verdicts import Judge
from gapura.terms.caller import Account

Tell = Callable[[str], None]
"""Gets a few words on what is being done now."""


class Parties(msgspec.Struct, frozen=True):
    """Who is asked.  `against` and `older` are None where there is nothing to compare with; `directory` holds the
    accounts of the operator by the names that logs give them."""

    following: Judge
    against: Judge | None
    locator: Locator
    older: Locator | None
    directory: Mapping[str, Account]
    by_model: bool = False
    """Whether a verdict may depend on the model, so that it is worth telling apart."""


def run(  # noqa: PLR0913 - what is asked, of whom, and where it is worked on
    engine: Engine, logs: Iterable[Log], wanted: Fields, question: Question, parties: Parties, *,
    made_at: int, top: int = 20, parquet: Path | None = None, tell: Tell = lambda _: None,
) -> Backtest:  # fmt: skip
    """`parquet`: where every hit account and key is written.  Raises BadRequest where no file could be read, and
    BadField where an option names a field that a file does not have."""
    intake = Intake(engine, wanted, (question.since, question.until), by_model=parties.by_model)
    for log in logs:
        tell(f"reading {log.shown}")
        intake.take(log)
    if intake.files and not intake.fields:
        raise BadRequest(
            f"none of the files could be read; {intake.files[0].path}: {intake.files[0].broken}", param="logs"
        )
    reading = _reading(intake, engine)
    _check_times(question, reading)
    intake.finish()
    origins = Origins(question.site_territory)
    tell("locating addresses")
    locate(engine, origins, parties.locator, parties.older)
    tell("judging")
    found = verdicts.judge(engine, origins, parties.following, parties.against, parties.directory, question.hit)
    tell("counting")
    figures = Figures(engine, found, question, top)
    if parquet:
        tell(f"writing {parquet}")
        rows.export(engine, parquet)
    return Backtest(
        made_at=made_at,
        question=question,
        reading=reading,
        seen=figures.seen(),
        hit=figures.hit(),
        effects=figures.effects(),
        territories=figures.territories(),
        networks=figures.networks(),
        days=figures.days() if reading.has_times else (),
        reasons=figures.reasons(),
        prefixes=figures.prefixes(),
        accounts=rows.accounts(engine, top),
        samples=rows.samples(engine, found, top),
        overrides=figures.overrides(),
        policy_change=figures.change("before") if parties.against else None,
        data_change=figures.change("former") if parties.older else None,
    )


def _reading(intake: Intake, engine: Engine) -> Reading:
    first, last = engine.row("SELECT coalesce(min(first), 0), coalesce(max(last), 0) FROM raw WHERE day >= 0")
    has = {
        role: any(getattr(fields, role) for fields in intake.fields) for role in ("account", "key", "time", "tokens")
    }
    return Reading(
        files=tuple(intake.files),
        lines=sum(file.lines for file in intake.files),
        unreadable=sum(file.unreadable for file in intake.files),
        outside=sum(file.outside for file in intake.files),
        samples=tuple(intake.samples),
        has_accounts=has["account"] or has["key"],
        has_keys=has["key"],
        has_times=has["time"],
        has_tokens=has["tokens"],
        first=first,
        last=last,
    )


def _check_times(question: Question, reading: Reading) -> None:
    if reading.has_times:
        return
    if question.since or question.until:
        raise BadRequest(
            "the logs tell no time, so --from and --to cannot be met; name it with --time-field", param="time_field"
        )
    if question.min_days > 1:
        raise BadRequest(
            "the logs tell no time, so days cannot be counted; name it with --time-field", param="time_field"
        )
