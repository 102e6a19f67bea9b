"""Micro-benchmarks: microseconds an operation, each beside a plain baseline in the same run.

    python -m bench.micro [--quick] [--out FILE]

What counts is the ratio to the baseline, which another machine shares, and not the number.
"""

import argparse
import hmac
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import msgspec

from gapura.app.rules import rulebook
from gapura.atlas import sources
from gapura.atlas.proxies import Trust
from gapura.clock import system_clock
from gapura.providers.openai import OPENAI
from gapura.providers.passthrough import PassThrough
from gapura.request.decide import decide
from gapura.request.locate import Places, locate
from gapura.request.translate import Ask, translate
from gapura.rulebook.compile import Rules
from gapura.settings import Settings
from gapura.store.journal import Journal
from gapura.terms import ids
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.record import Ended
from gapura.terms.usage import Usage
from gapura.wire import openai

Work = Callable[[], object]

ROUNDS, QUICK = 20_000, 50
BODY = json.dumps(
    {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Halo, apa kabar? " * 12}], "max_tokens": 256}
).encode()
EVENT = b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" kata"}}]}\n\n'


def works(folder: Path) -> dict[str, tuple[str, Work, str, Work]]:
    """Name → what is measured, and its baseline: (what it is, the work) of each."""
    book = rulebook(Settings.load({"GAPURA_HOME": str(folder), "OPENAI_API_KEY": "sk-x"}), {})
    rules, atlas = Rules(book), sources.load()
    places = Places(atlas, Trust(("127.0.0.1/32",)), "")
    caller = Caller(
        Key(id="key_1", account_id="acc_1", prefix="sk-0"), Account(id="acc_1", external_id="a", organisation="org")
    )
    headers = [(b"x-forwarded-for", b"103.6.150.10")]
    route = rules.route("gpt-4o-mini")
    assert route is not None
    origin = locate(headers, "127.0.0.1", caller, places)
    ask = Ask(openai.CHAT, BODY, openai.read(BODY), route, None, strict=False)
    journal = Journal.open(folder / "journal", ids.new("inc", system_clock()), clock=system_clock)
    plain = os.open(folder / "plain", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    ended = Ended("req_" + "0" * 32, 1, "complete", 200, Usage(19, 64))
    line = msgspec.msgpack.encode(ended)
    events = EVENT * 8

    def fault(*_: object) -> Any:
        raise AssertionError

    def stream() -> bytes:
        return PassThrough(fault, include_usage=True).feed(events)

    return {
        "locate": ("headers to origin", lambda: locate(headers, "127.0.0.1", caller, places),
                   "ipaddress.ip_address", lambda: ip_address("103.6.150.10")),
        "decide": ("one route, remembered", lambda: decide(rules, route, caller, origin, 1, "dec_1"),
                   "hmac.digest of a key", lambda: hmac.digest(b"pepper", b"sk-" + b"0" * 40, "sha256")),
        "sse": ("8 events through a new reader", stream,
                "split and json.loads each", lambda: [json.loads(e[6:]) for e in events.split(b"\n\n") if e]),
        "translate": ("to OpenAI", lambda: translate(ask, route.targets[0], OPENAI),
                      "json.loads and json.dumps", lambda: json.dumps(json.loads(BODY))),
        "journal": ("append an end", lambda: journal.append(ended),
                    "os.write of the same bytes", lambda: os.write(plain, line)),
    }  # fmt: skip


def measured(work: Work, rounds: int) -> float:
    """Microseconds a call: the best of five, so that what others do on the machine counts least."""
    best = float("inf")
    for _ in range(5):
        begun = time.perf_counter()
        for _ in range(rounds):
            work()
        best = min(best, time.perf_counter() - begun)
    return best / rounds * 1e6


def run(rounds: int = ROUNDS) -> dict[str, dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="gapura-micro-") as folder:
        found = {}
        for name, (what, work, base, baseline) in works(Path(folder)).items():
            took, against = measured(work, rounds), measured(baseline, rounds)
            found[name] = {
                "what": what,
                "us": round(took, 2),
                "baseline": base,
                "baseline_us": round(against, 2),
                "ratio": round(took / against, 2),
            }
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    text = json.dumps(run(QUICK if given.quick else ROUNDS), indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
