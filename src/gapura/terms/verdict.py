"""What was decided, and why: for each candidate target one verdict."""

import msgspec

from gapura.terms.rulebook import Effect, Target


class Verdict(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """May this target serve this origin?  `policy` and `rule` name what decided ("" for: nothing guards it);
    `because` is a sentence; `certain`: False where it rests on `on_unknown` or `on_disagreement`."""

    target: str
    effect: Effect
    policy: str
    rule: str
    because: str
    certain: bool = True


class Decision(msgspec.Struct, frozen=True, gc=False):
    """`id` is opaque (`dec_…`) and stands in the record; `effect` is that of the target that was chosen, or block.

    `open_to` are the targets that may serve, those that certainly may before the others.
    """

    id: str
    policy_version: str
    effect: Effect
    verdicts: tuple[Verdict, ...]
    open_to: tuple[Target, ...]


class Shadowed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a next version of the rules would have decided, where that is not what was decided: another effect, or
    the same by other targets."""

    effect: Effect
    policy_version: str
