"""BigModel's moderation (docs.bigmodel.cn, "内容安全", 2026-11): one text at a time, and kinds of risk of its own.

    {"result_list": [{"content_type": "text", "risk_level": "REJECT", "risk_type": ["…"]}], …}

`risk_level` is PASS, REVIEW or REJECT, and `flagged` is true for the last two.  OpenAI's categories cannot be told from
its kinds of risk, which go along as `risk_level` and `risk_type`: that is a contract loss.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from gapura.clock import Clock, system_clock
from gapura.errors import UpstreamFailed
from gapura.providers.answers import listed, text
from gapura.providers.base import Reader, Translation
from gapura.providers.faults import Rule, error_in, fault
from gapura.providers.said import decode
from gapura.terms.loss import Loss
from gapura.terms.usage import Usage
from gapura.wire.moderation import ModerationRequest

# Characters of a text at the most.
LONGEST = 2000

RISKS = {"REVIEW", "REJECT"}

CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent"),
    *("self-harm", "self-harm/instructions", "self-harm/intent"),
    *("sexual", "sexual/minors", "violence", "violence/graphic"),
)

OTHERS = Loss("categories", "the provider's kinds of risk are not OpenAI's: only `flagged` means the same", "contract")

_ENCODER = msgspec.json.Encoder()


class Moderation(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    rules: Sequence[Rule]
    path: str = "/moderations"
    clock: Clock = system_clock

    def translate(self, body: bytes, asked: ModerationRequest, model: str, cap: int | None) -> Translation:
        del body, cap
        losses = [OTHERS]
        texts = asked.texts
        if texts is None:
            losses.append(Loss("input", "only texts are taken", "contract"))
        if any(len(one) > LONGEST for one in texts or ()):
            losses.append(Loss("input", f"a text has {LONGEST} characters at the most; the rest is cut", "contract"))
        first, *more = [_ENCODER.encode({"model": model, "input": one[:LONGEST]}) for one in texts or [""]]
        return Translation(first, tuple(losses), tuple(more))

    def answer(self, body: bytes, model: str) -> tuple[bytes, Usage | None]:
        try:
            said: Any = decode(body)
        except ValueError:
            said = None
        if error_in(said) or not isinstance(said, dict) or not isinstance(said.get("result_list"), list):
            raise fault(self.name, self.rules, 200, (), body, self.clock)
        found = [one for one in listed(said, "result_list") if isinstance(one, dict)]
        answer = {"id": text(said, "id") or text(said, "request_id"), "model": model, "results": [_result(found)]}
        return _ENCODER.encode(answer), Usage()  # charged by the call, not by tokens

    def reader(self, model: str, *, include_usage: bool, choices: int = 1) -> Reader:
        del model, include_usage, choices
        raise UpstreamFailed("Moderation has no streams.", advance=False, trips=False)


def _result(found: list[dict[str, Any]]) -> dict[str, Any]:
    levels = [text(one, "risk_level") for one in found]
    worst = max(levels, key=["PASS", "REVIEW", "REJECT"].index) if set(levels) <= {"PASS", *RISKS} and levels else ""
    return {
        "flagged": not RISKS.isdisjoint(levels),
        "categories": dict.fromkeys(CATEGORIES, False),
        "category_scores": dict.fromkeys(CATEGORIES, 0.0),
        "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
        "risk_level": worst,
        "risk_type": [risk for one in found for risk in listed(one, "risk_type")],
    }
