"""What 1,000 rules and 100,000 exceptions add to a decision.

    python -m bench.decide --out bench/results/decide-DATE.json

Two rulebooks take turns: OpenAI's list as it comes, and the same with rules on accounts, places, networks, contracts
and models, and with the exceptions of a campaign.  A decision is what a gate makes of a request: the stages `locate`
and `decide`, for 20,000 callers who come again after all others came.  They are accounts that nothing names, or
accounts that are all excepted, each with texts of its own, as they come from a directory.  Passes when neither takes
more than a fifth longer, nor the stage `decide` alone.  Beside it, without a bar: questions that were never asked
before, and `inet_pton` with one `bisect`, the least that a look-up of a place can cost.
"""

import argparse
import json
import platform
import sys
import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import Random
from socket import AF_INET, inet_ntop, inet_pton
from statistics import median
from typing import TypeVar

from gapura.atlas import sources
from gapura.atlas.packs import pack
from gapura.atlas.proxies import Trust
from gapura.atlas.sources import Packed
from gapura.atlas.territories import CODES
from gapura.clock import SECOND, system_clock
from gapura.request.decide import decide
from gapura.request.locate import Places, locate
from gapura.rulebook.compile import Rules
from gapura.terms.caller import Account, Caller, Key
from gapura.terms.place import Origin
from gapura.terms.rulebook import Effect, Endpoint, Exemption, Policy, Route, Rule, Rulebook, Target

MOST = 1.2
BARS = ("locate_and_decide", "decide")
RULES, EXCEPTIONS = 1_000, 100_000
REASONS, DAYS = 5, 7
QUESTIONS = 20_000
ROUNDS = 15
DAY = 86_400 * SECOND
NOW = system_clock()
PLACES = Places(sources.load(), Trust(()))
HEADERS = [
    (b"host", b"ai.example.com"),
    (b"content-length", b"512"),
    (b"authorization", b"Bearer sk-gp-0Kq7Zt3mVx9Rb2Yw5Hc8Nd1Lf4Js6Pg0Ua3Te7"),
    (b"content-type", b"application/json"),
    (b"user-agent", b"OpenAI/Python 3.54.0"),
]
Question = tuple[Caller, str, Origin]  # who asks, from which address, and where that is
Work = Callable[[Rules, int], Callable[[Question], object]]
T = TypeVar("T")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, help="write the verdict here, too")
    given = parser.parse_args()
    ready = {"plain": Rules(book((), ())), "grown": Rules(book(rules(), exceptions()))}
    names = {"nothing_names_them": "other", "excepted": "customer"}
    asked = {who: {book: questions(name) for book in ready} for who, name in names.items()}
    found = {
        what: {who: compare(ready, some, work) for who, some in asked.items()}
        for what, work in (("locate_and_decide", both), ("decide", alone), ("decide_never_asked_before", new))
    }
    verdict = {
        "at": datetime.fromtimestamp(NOW / 1e6, UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}",
        "rules": RULES,
        "exceptions": EXCEPTIONS,
        "most_times": MOST,
        "passes": all(case["times_plain"] < MOST for what in BARS for case in found[what].values()),
        "microseconds": found,
        "parse_and_bisect_us": round(median(timed(*bare()) for _ in range(ROUNDS)), 3),
        "compile_s": round(compiling(ready["grown"].book), 3),
    }
    text = json.dumps(verdict, indent=2)
    print(text)
    if given.out:
        given.out.write_text(text + "\n")
    return 0 if verdict["passes"] else 1


def compare(ready: dict[str, Rules], asked: dict[str, list[Question]], work: Work) -> dict[str, float]:
    """Median microseconds a question, the rulebooks taking turns, each after a round that is not counted and with
    callers of its own, since a gate has one rulebook."""
    took: dict[str, list[float]] = {name: [] for name in ready}
    for number in range(ROUNDS + 1):
        for name, one in ready.items():
            took[name].append(timed(work(one, number), asked[name]))
    ratios = [grown / plain for plain, grown in zip(took["plain"][1:], took["grown"][1:], strict=True)]
    return {name: round(median(found[1:]), 3) for name, found in took.items()} | {
        "times_plain": round(median(ratios), 3)
    }


def both(one: Rules, _: int) -> Callable[[Question], object]:
    route = one.route("gpt-4o-mini")
    assert route is not None

    def ask(question: Question) -> object:
        caller, address, _ = question
        return decide(one, route, caller, locate(HEADERS, address, caller, PLACES), NOW, "dec_0")

    return ask


def alone(one: Rules, _: int) -> Callable[[Question], object]:
    route = one.route("gpt-4o-mini")
    assert route is not None
    return lambda question: decide(one, route, question[0], question[2], NOW, "dec_0")


def new(one: Rules, turn: int) -> Callable[[Question], object]:
    numbers = count()

    def ask(question: Question) -> object:
        model = f"m-{turn}-{next(numbers)}"
        route = Route(model=f"openai/{model}", targets=(Target("openai", model),))
        return decide(one, route, question[0], question[2], NOW, "dec_0")

    return ask


def questions(name: str) -> list[Question]:
    dice = Random(20241122)
    starts = addresses(dice, 10_000)

    def ask(number: int) -> Question:
        account = Account(f"acc_{number}", f"{name}{number}", "org", contract=("free", "gold", "trial")[number % 3])
        caller, address = Caller(Key("key", account.id, "gp"), account), dice.choice(starts)
        return caller, address, locate(HEADERS, address, caller, PLACES)

    return [ask(dice.randrange(EXCEPTIONS)) for _ in range(QUESTIONS)]


def addresses(dice: Random, many: int) -> list[str]:
    shipped = PLACES.atlas.sources[0]
    assert isinstance(shipped, Packed)
    starts = shipped.ranges.columns().four.starts
    return [inet_ntop(AF_INET, start.to_bytes(4)) for start in dice.choices(starts, k=many)]


def book(rules: tuple[Rule, ...], exceptions: tuple[Exemption, ...]) -> Rulebook:
    route = Route(model="gpt-4o-mini", targets=(Target("openai", "gpt-4o-mini"), Target("qwen", "qwen-plus")))
    endpoints = tuple(
        Endpoint(provider=name, base_url=f"https://{name}.example/v1", processing_territory="SG")
        for name in ("openai", "qwen")
    )
    policy = Policy(name="openai", pack=pack("openai/api"), rules=rules, exceptions=exceptions)
    return Rulebook(version="bench", endpoints=endpoints, routes={route.model: route}, policies=(policy,))


def rules() -> tuple[Rule, ...]:
    """In five kinds, a fifth of them with a date."""
    codes = sorted(CODES)
    effects: tuple[Effect, ...] = ("allow", "block", "review", "warn")
    made = []
    for number in range(RULES):
        effect = effects[number % 4]
        territory, account = frozenset({codes[number % len(codes)]}), frozenset({f"customer{number * 97}"})
        starts = NOW + number * DAY if number % 5 == 0 else 0
        name = f"r{number}"
        made.append(
            (
                Rule(id=name, effect=effect, accounts=account, starts=starts),
                Rule(id=name, effect=effect, territories=territory, models=(f"gpt-{number}*",), starts=starts),
                Rule(id=name, effect="review", networks=frozenset({"vpn", "tor"}), territories=territory),
                Rule(id=name, effect="warn", contract=frozenset({f"contract{number}"}), territories=territory),
                Rule(id=name, effect=effect, models=(f"model-{number}-*",), starts=starts),
            )[number % 5]
        )
    return tuple(made)


def exceptions() -> tuple[Exemption, ...]:
    return tuple(
        Exemption(
            account=f"customer{number}",
            reason=f"was not told in time (batch {number % REASONS})",
            owner="ops@example.com",
            ends=NOW + (1 + number % DAYS) * DAY,
        )
        for number in range(EXCEPTIONS)
    )


def bare() -> tuple[Callable[[str], object], Sequence[str]]:
    dice = Random(1)
    starts = array("I", sorted({dice.getrandbits(32) for _ in range(390_000)}))
    addresses = [inet_ntop(AF_INET, dice.getrandbits(32).to_bytes(4)) for _ in range(QUESTIONS)]
    return lambda address: bisect_right(starts, int.from_bytes(inet_pton(AF_INET, address))), addresses


def timed(ask: Callable[[T], object], asked: Sequence[T]) -> float:
    started = time.perf_counter()
    for one in asked:
        ask(one)
    return (time.perf_counter() - started) / len(asked) * 1e6


def compiling(one: Rulebook) -> float:
    started = time.perf_counter()
    Rules(one)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
