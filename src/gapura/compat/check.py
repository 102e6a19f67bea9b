"""Recorded requests → what each would lose at each target: told by what translates them, and nothing is sent."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from gapura.compat.requests import Recorded
from gapura.errors import BadRequest
from gapura.providers import PROVIDERS, catalogue, kinds
from gapura.providers.counterparts import counterpart
from gapura.request.translate import Ask, TooMuchLost, carry
from gapura.rulebook.documents import nearest
from gapura.terms.loss import Loss
from gapura.terms.rulebook import Route, Target
from gapura.wire.dialect import Dialect

Verdict = Literal["same", "cosmetic", "behavioural", "contract", "refused"]
"""The heaviest loss; refused: no provider could read the request."""

WEIGHTS: tuple[Verdict, ...] = ("same", "cosmetic", "behavioural", "contract", "refused")

# Of each loss, so many lines are named.
EXAMPLES = 3


class Aim(NamedTuple):
    """A target as it was written: one model, or a provider, whose counterpart of each request's model is meant."""

    name: str
    provider: str
    model: str


class Judged(msgspec.Struct, frozen=True):
    """One request at one target.  `error`: why it would be refused."""

    line: int
    endpoint: str
    asked: str
    target: str
    verdict: Verdict
    losses: tuple[Loss, ...] = ()
    error: str = ""


class FieldLost(msgspec.Struct):
    """A loss, over all requests at one target; `lines` are the first in which it occurs."""

    target: str
    field: str
    weight: str
    why: str
    requests: int = 0
    lines: list[int] = []


class Summary(msgspec.Struct):
    """One target: how many requests come to which verdict."""

    target: str
    requests: int = 0
    same: int = 0
    cosmetic: int = 0
    behavioural: int = 0
    contract: int = 0
    refused: int = 0


class Report(msgspec.Struct):
    """`as_of` is the date of the facts about models by which it was judged."""

    as_of: str
    requests: int
    targets: list[Summary]
    losses: list[FieldLost]

    @property
    def breaks(self) -> bool:
        """Whether any request would be refused, or answered as its application does not expect."""
        return any(one.contract or one.refused for one in self.targets)


def aim(name: str) -> Aim:
    """`qwen-plus`, `qwen/qwen-plus` or `qwen`.  Raises BadRequest for what is none of them."""
    vendors = catalogue.catalogue().vendors
    provider, slash, model = name.partition("/")
    if slash and provider in PROVIDERS and model:
        return Aim(name, provider, model)
    if name in PROVIDERS:
        return Aim(name, name, "")
    for vendor, known in vendors.items():
        if name in known.models:
            return Aim(name, vendor, name)
    names = [*PROVIDERS, *(model for known in vendors.values() for model in known.models)]
    raise BadRequest(f"--target {name}: neither a provider nor a known model{nearest(name, names)}", param="target")


def check(
    requests: Iterable[Recorded],
    aims: Sequence[Aim],
    dialects: Mapping[str, Dialect],
    tell: Callable[[Judged], object],
) -> Report:
    """`tell` hears of each request at each target.  `dialects`: endpoint → how it is read."""
    summaries = {one.name: Summary(one.name) for one in aims}
    lost: dict[tuple[str, str, str, str], FieldLost] = {}
    count = 0
    for request in requests:
        count += 1
        for one in aims:
            judged = judge(request, one, dialects)
            summary = summaries[one.name]
            summary.requests += 1
            setattr(summary, judged.verdict, getattr(summary, judged.verdict) + 1)
            _add(lost, one.name, judged)
            tell(judged)
    ordered = sorted(lost.values(), key=lambda one: (one.target, -WEIGHTS.index(one.weight), -one.requests, one.field))
    return Report(catalogue.catalogue().as_of, count, list(summaries.values()), ordered)


def judge(request: Recorded, one: Aim, dialects: Mapping[str, Dialect]) -> Judged:
    """What becomes of one request at one target."""
    model = one.model or _counterpart(request.model, one.provider)
    target = Target(one.provider, model)
    said = (request.line, request.endpoint, request.model, str(target))
    if not model:
        error = f"{one.provider} has no known counterpart of {request.model or 'a request without model'}"
        return Judged(*said, "refused", error=error)
    if (dialect := dialects.get(request.endpoint)) is None:
        return Judged(*said, "refused", error=f"there is no endpoint {request.endpoint}")
    try:
        asked = dialect.read(request.body)
        route = Route(model=request.model, targets=(target,))
        carried = carry(Ask(dialect, request.body, asked, route, None, strict=False), target, PROVIDERS[one.provider])
        losses = carried.losses
    except TooMuchLost as error:
        losses = error.losses
    except BadRequest as error:
        return Judged(*said, "refused", error=error.message)
    return Judged(*said, max((loss.weight for loss in losses), key=WEIGHTS.index, default="same"), losses)


def _counterpart(asked: str, provider: str) -> str:
    """Its own model where it has one of that name."""
    family = kinds.models_of(provider)
    if asked in catalogue.catalogue().vendors[family].models:
        return asked
    return counterpart(asked, family)


def _add(lost: dict[tuple[str, str, str, str], FieldLost], target: str, judged: Judged) -> None:
    for field, weight, why in dict.fromkeys(_told(judged)):
        key = (target, field, weight, why)
        if key not in lost:
            lost[key] = FieldLost(target, field, weight, why, 0, [])
        lost[key].requests += 1
        if len(lost[key].lines) < EXAMPLES:
            lost[key].lines.append(judged.line)


def _told(judged: Judged) -> Iterator[tuple[str, str, str]]:
    if judged.error:
        yield "", "refused", judged.error
    for loss in judged.losses:
        yield loss.field, loss.weight, loss.why
