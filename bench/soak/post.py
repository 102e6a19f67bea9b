"""`kill -9` of the sender at random while it sends, and the judgment of the mail server's own log.

    python -m bench.soak.post --out bench/results/post-kill-DATE.json     300 kills, some minutes
    python -m bench.soak.post --kills 10 --people 300                     some seconds
    python -m bench.soak.post --seed 7                                    the same choices (not the same interleaving)

A mail server writes down each message before it answers for it.  A sender reads what the one before it left, and sends
what was not answered for.  At the end everybody has the message; somebody has it twice only where a sender was killed
between the text and its answer, with the same Message-ID and the same bytes, and the recovery has said so.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import random
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from email import message_from_bytes
from hashlib import sha256
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from gapura.clock import instant, system_clock, text
from gapura.letters import Sender, Texts, compose
from gapura.post import Journal, Post, Relay, recover
from gapura.post.relay import Limits, Table
from gapura.terms.letter import Letter

FORK = multiprocessing.get_context("fork")
SENDER = Sender(address="notices@example.com", bounces="bounces@example.com")
DOMAINS = 20
GREYLISTED = 20
"""Every so manieth address is put off the first time."""
SLOWEST_S = 0.004
"""The server takes up to so long between writing a message down and answering for it."""


class Server:
    """Writes `accepted`, a line for each message that it takes on itself."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._log = os.open(folder / "accepted", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._rng = random.Random(seed)
        self._seen: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        new = address not in self._seen
        self._seen.add(address)
        if new and int(address[1 : address.index("@")]) % GREYLISTED == 0:
            return "450 4.2.0 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        del server, session
        raw = envelope.content
        assert isinstance(raw, bytes)
        line = [envelope.rcpt_tos[0], message_from_bytes(raw)["Message-ID"], sha256(raw).hexdigest()]
        os.write(self._log, json.dumps(line).encode() + b"\n")
        await asyncio.sleep(self._rng.uniform(0, SLOWEST_S))
        return "250 OK"


def serve(folder: Path, seed: int, port: Any) -> None:
    async def run() -> None:
        handler, loop = Server(folder, seed), asyncio.get_running_loop()
        listening = await loop.create_server(lambda: SMTP(handler, hostname="soak", loop=loop), "127.0.0.1", 0)
        port.send(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    asyncio.run(run())


def letter(number: int) -> Letter:
    return Letter(
        campaign="cmp_soak",
        account=f"acc_{number}",
        external_id=f"org-{number}",
        stage="T-14",
        kind="notice",
        message_id="",
        to=f"p{number}@d{number % DOMAINS}.example",
        language=("en", "zh-Hans", "id")[number % 3],
        provider="OpenAI",
        product="API",
        policy="openai/api",
        effective_at=instant("2024-07-09T00:00:00Z"),
        written_at=instant("2024-06-25T00:00:00Z"),
    )


def told(folder: Path) -> Iterator[list[str]]:
    """What senders have stored: address, outcome."""
    if (folder / "stored").exists():
        yield from (json.loads(line) for line in (folder / "stored").read_text("utf-8").splitlines())


def send(folder: Path, port: int, incarnation: int, people: int, texts: Texts) -> None:
    """One life of a sender: reads what dead ones left, then sends what nobody has answered for."""
    for left in recover(folder / "journal"):
        with (folder / "stored").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps([to, receipt.outcome, left.path.stem]) + "\n" for to, receipt in left.receipts)
        left.drop()
    done = {to for to, outcome, _ in told(folder) if outcome == "delivered"}
    table = Table(connections=8, messages_per_s=0, messages_per_connection=20, each_domain=Limits(0, 4))
    relay = Relay(host="127.0.0.1", port=port, tls="none", table=table)

    async def run() -> None:
        journal = Journal.open(folder / "journal", f"{incarnation:06}", system_clock)
        async with Post(relay, journal, system_clock) as post:

            async def one(number: int) -> bool:
                composed = compose(letter(number), SENDER, texts)
                return (await post.send(composed, letter(number).to)).outcome == "delivered"

            waiting = [number for number in range(people) if letter(number).to not in done]
            while waiting:
                batch, waiting = waiting[:40], waiting[40:]
                answers = await asyncio.gather(*map(one, batch))
                waiting += [number for number, good in zip(batch, answers, strict=True) if not good]
        journal.close()

    asyncio.run(run())


def judge(folder: Path, people: int) -> tuple[list[str], dict[str, int]]:
    """Every broken promise, and what was counted."""
    accepted = [json.loads(line) for line in (folder / "accepted").read_text("utf-8").splitlines()]
    copies = Counter(to for to, _, _ in accepted)
    unsure = {(to, life) for to, outcome, life in told(folder) if outcome == "unsure"}
    doubts = Counter(to for to, _ in unsure)
    problems = [f"{letter(n).to} has no message" for n in range(people) if letter(n).to not in copies]
    problems += [
        f"{to} has {count} copies, and {doubts[to]} cases were told"
        for to, count in copies.items()
        if count > 1 + doubts[to]
    ]
    first: dict[str, list[str]] = {}
    for to, identity, digest in accepted:
        if first.setdefault(to, [identity, digest]) != [identity, digest]:
            problems.append(f"{to} has two messages that differ")
    confirmed = {to for to, outcome, _ in told(folder) if outcome == "delivered"}
    problems += [f"{to} counts as delivered, and the server has no message" for to in confirmed - set(copies)]
    return problems, {
        "messages": len(copies),
        "second_copies": sum(copies.values()) - len(copies),
        "unsure_told": len(unsure),
    }


def soak(folder: Path, kills: int, people: int, seed: int) -> dict[str, Any]:
    rng, texts = random.Random(seed), Texts.load()
    ours, theirs = FORK.Pipe()
    server = FORK.Process(target=serve, args=(folder, seed, theirs), daemon=True)
    server.start()
    port, killed, lives = ours.recv(), 0, 0
    started = system_clock()
    try:
        while True:
            lives += 1
            sender = FORK.Process(target=send, args=(folder, port, lives, people, texts))
            sender.start()
            sender.join(rng.uniform(0.03, 0.5) if killed < kills else None)
            if sender.exitcode is None and sender.pid is not None:
                os.kill(sender.pid, signal.SIGKILL)
                sender.join()
                killed += 1
            elif sender.exitcode:
                return {"ok": False, "problems": [f"a sender ended with {sender.exitcode}"]}
            else:
                break
        send(folder, port, lives + 1, 0, texts)  # stores what the last one left
    finally:
        server.kill()
        server.join()
    problems, counted = judge(folder, people)
    return {
        "ok": not problems,
        "problems": problems[:20],
        "at": text(started),
        "seconds": (system_clock() - started) // 1_000_000,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seed": seed,
        "kills": killed,
        **counted,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--people", type=int, default=12_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = soak(Path(folder), chosen.kills, chosen.people, chosen.seed)
    verdict = json.dumps(found, indent=1)
    print(verdict)
    if chosen.out:
        chosen.out.write_text(verdict + "\n", "utf-8")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
