"""Asks a vendor under a budget, and keeps what it answered: one dated file a run, in the home's `evidence/compat`."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from gapura.clock import Clock, text
from gapura.compat.check import Aim
from gapura.compat.probes import Answered, Claimed, Probe, agrees, answered, claimed
from gapura.errors import BadRequest, UpstreamFailed
from gapura.providers import PROVIDERS, catalogue
from gapura.providers.said import read_error
from gapura.providers.transport import Deadlines, Transport
from gapura.request.relay import Way

LONGEST = 1 << 20
# Of what a vendor says of an error.
SAID = 300

DEADLINES = Deadlines(connect_s=5, first_byte_s=60, idle_s=30)


class Found(msgspec.Struct, frozen=True):
    """One probe: what was sent of the field, what the tables promise of it and why, and what the vendor did."""

    probe: str
    field: str
    claimed: Claimed
    because: str
    answered: Answered
    agrees: bool | None
    status: int
    code: str = ""
    said: str = ""


class Evidence(msgspec.Struct, frozen=True):
    """A run.  `asked` of `of` probes were sent, for at most `spent` of `budget` tokens; `facts` is the date of the
    tables that they were held against."""

    target: str
    host: str
    at: int
    facts: str
    budget: int
    spent: int
    asked: int
    of: int
    found: tuple[Found, ...]


def plan(aim: Aim, probes: Iterable[Probe], budget: int) -> list[tuple[Probe, int]]:
    """Those that the budget pays for, with what each costs at the most, in their order.  Raises BadRequest where it
    pays for none."""
    chosen, left, costs = [], budget, [(probe, probe.cost(aim.model)) for probe in probes]
    for probe, cost in costs:
        if cost <= left:
            chosen.append((probe, cost))
            left -= cost
    if not chosen:
        least = min(cost for _, cost in costs)
        raise BadRequest(f"--budget {budget}: pays for no probe; the cheapest costs {least} tokens", param="budget")
    return chosen


async def ask(
    aim: Aim, way: Way, planned: list[tuple[Probe, int]], budget: int, clock: Clock, tell: Callable[[str], None]
) -> Evidence:
    """Sends them one after another.  Raises UpstreamFailed where the vendor cannot be reached."""
    at, found, spent = clock(), [], 0
    transport = Transport()
    try:
        for number, (probe, cost) in enumerate(planned, 1):
            tell(f"{number} of {len(planned)}: {probe.field}")
            spent += cost
            found.append(await _ask(transport, aim, way, probe))
    finally:
        await transport.close()
    facts = catalogue.catalogue().as_of
    target, host = f"{aim.provider}/{aim.model}", way.upstream.host
    return Evidence(target, host, at, facts, budget, spent, len(found), len(planned), tuple(found))


async def _ask(transport: Transport, aim: Aim, way: Way, probe: Probe) -> Found:
    path = PROVIDERS[aim.provider].path
    answer = await transport.send(way.upstream, path, way.headers, probe.body(aim.model), DEADLINES)
    try:
        body = way.hide(await answer.body(LONGEST))
    except UpstreamFailed:
        body = b""
    finally:
        answer.close()
    claim, because = claimed(probe, aim)
    made = answered(probe, answer.status, body)
    error = read_error(answer.status, body) if made in {"refused", "failed"} else None
    return Found(
        probe=probe.name,
        field=probe.field,
        claimed=claim,
        because=because,
        answered=made,
        agrees=agrees(claim, made),
        status=answer.status,
        code=error.code if error else "",
        said=error.message[:SAID] if error else "",
    )


def keep(home: Path, evidence: Evidence) -> Path:
    """Writes it down, 0600, under the target and the instant."""
    folder = home / "evidence" / "compat"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = text(evidence.at).replace(":", "").partition(".")[0].rstrip("Z")
    path = folder / f"{evidence.target.replace('/', '--')}--{stamp}Z.json"
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(evidence)) + b"\n")
    return path


def kept(home: Path, target: str = "") -> list[Evidence]:
    """Every run, oldest first; with `target`, of that alone.  What cannot be read raises BadRequest naming the file."""
    found = []
    for path in sorted((home / "evidence" / "compat").glob("*.json")):
        try:
            one = msgspec.json.decode(path.read_bytes(), type=Evidence)
        except (OSError, msgspec.DecodeError) as error:
            raise BadRequest(f"{path}: is no evidence of a probe: {error}") from None
        if target in {"", one.target}:
            found.append(one)
    return sorted(found, key=lambda one: one.at)
