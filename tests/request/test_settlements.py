"""What a vendor says of its cost, says wrongly or leaves out: settled once, at the gate and in the ledger alike.

The expectations are those of `docs/reference/failures.md`.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.request.conftest import (
    HALO,
    KEY,
    USAGE,
    WHOLE,
    Bench,
    Script,
    Vendor,
    bench,
    chunk,
    head,
    raw,
    says,
    streams,
)
from tests.request.table import MANUAL

from gapura.gate.purses import Purses
from gapura.store import records
from gapura.store.journal import Frame, Position
from gapura.store.sqlite import Store
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.grants import Terms
from gapura.terms.link import Grant
from gapura.terms.record import Ended

PLENTY = 1_000_000
ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Halo"}], "max_tokens": 100}
STOP, DONE = chunk({}, "stop"), b"data: [DONE]\n\n"
LONG = tuple(chunk({"content": "kata yang panjang sekali "}) for _ in range(40))


def told(**usage: Any) -> bytes:
    return chunk({}, choices=[], usage=USAGE | usage)


def whole(**usage: Any) -> Script:
    return says(WHOLE | {"usage": USAGE | usage})


def broken(*pieces: bytes) -> Script:
    chunked = [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces]
    return raw(head(kind="text/event-stream", transfer_encoding="chunked"), *chunked, end="reset")


NOT_SAID = {name: said for name, said in WHOLE.items() if name != "usage"}
CUT = "says it, and the stream is cut before its end"
TWICE_WRONG = "says it again, and the second time it cannot be"
FAR_LESS = "says far less (an eighth) than was handed on"
SCRIPTS: list[tuple[str, bool, Script]] = [
    ("says it once", True, streams(*HALO, STOP, told(), DONE)),
    ("says it once", False, whole()),
    ("says it twice: the last word counts", True, streams(*HALO, told(completion_tokens=1), STOP, told(), DONE)),
    (TWICE_WRONG, True, streams(*HALO, STOP, told(), told(prompt_tokens=-1), DONE)),
    ("says nothing", True, streams(*HALO, STOP, DONE)),
    ("says nothing", False, says(NOT_SAID)),
    ("says a number below 0", True, streams(*HALO, STOP, told(completion_tokens=-3), DONE)),
    ("says no number", False, whole(prompt_tokens="five")),
    ("says more than any model can (100 million)", False, whole(completion_tokens=10**12)),
    ("says more than was held: it is recorded, and the hold is charged", False, whole(completion_tokens=500_000)),
    (FAR_LESS, True, streams(*LONG, STOP, told(completion_tokens=1), DONE)),
    ("says that all of it cost nothing", False, whole(prompt_tokens=0, completion_tokens=0)),
    (CUT, True, streams(*HALO, told(), end="cut")),
    ("says nothing, and the stream is cut", True, streams(*HALO, end="cut")),
    (
        "says at the beginning what it knows then, and the stream is cut",
        True,
        streams(told(completion_tokens=0), *LONG, end="cut"),
    ),
    ("answers 200 and resets the connection", False, raw(head(content_length="900"), b'{"id":', end="reset")),
    ("answers 200 and resets before a token", True, broken()),
    ("answers 200 and resets after some", True, broken(*HALO)),
]  # fmt: skip


def expected() -> dict[tuple[str, bool], Sequence[str]]:
    """(what the vendor does, stream) → record, input, output, estimated."""
    text = MANUAL.read_text(encoding="utf-8").partition("## What a vendor says it cost")[2].partition("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:2] == "| "]
    assert lines[0] == ["the vendor", "stream", "record", "input", "output", "estimated"]
    return {(name, stream == "yes"): rest for name, stream, *rest in lines[1:]}


EXPECTED = expected()


def test_every_row_is_played() -> None:
    assert {(name, stream) for name, stream, _ in SCRIPTS} == EXPECTED.keys()


def meant(word: str, told: int) -> set[int]:
    """What a word of the table stands for; `told` is what the vendor says."""
    handed_on = {3, *range(230, 290)}  # by our estimate of HALO, and of LONG
    ours = set(range(10, 200))
    return {"told": {told}, "told last": {told}, "ours": ours, "handed on": handed_on, "none": {0}}[word]


def test_seconds_stay_where_tokens_are_our_guess() -> None:
    """As DashScope tells of speech that it heard."""
    script = streams(*HALO, STOP, chunk({}, choices=[], usage={"seconds": 7, "image_count": -1}), DONE)
    account = Account("acc_1", "acme", "org", budget=PLENTY)
    _, end, _ = asyncio.run(settled(script, stream=True, account=account, lent={"tok:acc_1": PLENTY}))
    assert (end.usage.estimated, end.usage.beside) == (True, (0, 7, 0))
    assert end.usage.input in meant("ours", 0) and end.usage.output in meant("handed on", 0)


async def settled(script: Script, *, stream: bool, account: Account, lent: dict[str, int]) -> tuple[Bench, Ended, int]:
    async with bench({"openai": Vendor(script)}) as it:
        it.directory.know(KEY, Caller(Key("key_1", account.id, "sk"), account))
        purses = it.gate.purses
        assert isinstance(purses, Purses)
        for purse, amount in lent.items():
            purses.add(Grant(0, purse, amount))
        await it.ask(ASK | {"stream": stream})
        await it.journal.until(Ended)
        (end,) = it.journal.ended
        return it, end, sum(lent.values()) - sum(purses.held().values())


@pytest.mark.parametrize(("name", "stream", "script"), SCRIPTS, ids=[f"{name} {stream}" for name, stream, _ in SCRIPTS])
def test_it_is_settled_once(name: str, stream: bool, script: Script, tmp_path: Path) -> None:
    record, given, output, estimated = EXPECTED[name, stream]
    grants = (Terms(id="1", account="acc_1", amount=30),)
    account = Account("acc_1", "acme", "org", budget=PLENTY, grants=grants)
    lent = {"gr:1": 30, "tok:acc_1": PLENTY}
    it, end, kept = asyncio.run(settled(script, stream=stream, account=account, lent=lent))
    usage = end.usage
    assert (end.outcome, usage.estimated) == (record, estimated == "yes")
    assert usage.input in meant(given, 5) and usage.output in meant(output, 500_000 if "than was held" in name else 3)
    held = it.journal.opened[0].hold
    assert kept == min(held, usage.total) <= held
    # The keeper takes the same journal in: what it books is what the gate kept.
    store = Store.open(tmp_path / "gapura.db")
    frames = [Frame(number, entry) for number, entry in enumerate(it.journal, 1)]

    def take_in(db: Any) -> int:
        records.begin(db, "inc", "boot", 1)
        return sum(sum(spent.values()) for spent in records.take_in(db, "inc", frames, Position(1, 9)).spends.values())

    assert store.write(take_in).result() == kept
    assert store.write(take_in).result() == 0
    store.close()
