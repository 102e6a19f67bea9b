"""What a request loses on its way to a vendor: named, weighed, and told."""

from typing import Literal

import msgspec

Weight = Literal["cosmetic", "behavioural", "contract"]
"""cosmetic: no application can tell from the answer · behavioural: another answer, of the same form · contract: an
answer that the application cannot use, or did not ask for."""


class Loss(msgspec.Struct, frozen=True):
    """What becomes of `field` on its way to the vendor.  `field` is what a route may name in `accepts`."""

    field: str
    why: str
    weight: Weight
