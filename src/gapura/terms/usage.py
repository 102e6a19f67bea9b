"""What was consumed.  Tokens are integers; money is int64 billionths of a stated currency."""

import msgspec

CLASSES = ("input", "cached", "output", "reasoning")
UNITS = ("images", "seconds", "characters")
"""What is consumed besides tokens."""


class Usage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tokens of one answer.  `cached` is a part of `input`, `reasoning` a part of `output`.
    `estimated`: the provider did not say (a stream cut short), so these are ours.

    `images` made, `seconds` of sound heard or made (begun ones count), `characters` read aloud: what is not in tokens.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False
    images: int = 0
    seconds: int = 0
    characters: int = 0

    @property
    def total(self) -> int:
        return self.input + self.output

    @property
    def parts(self) -> tuple[int, int, int, int]:
        """By CLASSES, none of which is a part of another."""
        if not self.cached and not self.reasoning:
            return self.input, 0, self.output, 0
        cached, reasoning = min(self.cached, self.input), min(self.reasoning, self.output)
        return self.input - cached, cached, self.output - reasoning, reasoning

    @property
    def beside(self) -> tuple[int, int, int]:
        """By UNITS."""
        return self.images, self.seconds, self.characters

    def plus(self, other: "Usage") -> "Usage":
        """Of two answers that are handed on as one."""
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Usage(*[one + more if type(one) is int else one or more for one, more in zip(mine, theirs, strict=True)])

    def classes(self, most: int) -> dict[str, int]:
        """The same by class, and `most` in all: what a hold did not cover of an answer is left out, the dearest first.

        >>> Usage(10, 5, cached=4, reasoning=2).classes(14)
        {'input': 6, 'cached': 4, 'output': 3, 'reasoning': 1}
        """
        found: dict[str, int] = {}
        parts = self.parts
        if most >= self.total:  # nearly always, and written out since it runs for each purse of each request
            fresh, cached, output, reasoning = parts
            if fresh:
                found["input"] = fresh
            if cached:
                found["cached"] = cached
            if output:
                found["output"] = output
            if reasoning:
                found["reasoning"] = reasoning
            return found
        for name, amount in zip(CLASSES, parts, strict=True):
            if (part := min(amount, most)) > 0:
                found[name] = part
                most -= part
        return found
