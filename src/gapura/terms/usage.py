"""What was consumed.  Tokens are integers; money is int64 billionths of a stated currency."""

import msgspec


class Usage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Tokens of one answer.  `cached` is a part of `input`, `reasoning` a part of `output`.
    `estimated`: the provider did not say (a stream cut short), so these are ours."""

    input: int = 0
    output: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        return self.input + self.output
