"""A grant: how much of what somebody may spend, on what, and from when until when.

An account's grants are used in one total order (Stigg's, docs.stigg.io, credit consumption logic): low priority first,
then what expires soonest, unpaid before paid, effective first, made first, and the id at last.
"""

from fnmatch import fnmatchcase
from typing import Literal

import msgspec

Category = Literal["promotional", "migration", "goodwill", "paid"]
State = Literal["pending", "active", "exhausted", "expired", "voided", "clawed_back"]

# Later than everything: a grant that never expires is used after all that do.
NEVER = 2**63 - 1


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a grant that does not change, but for `amount`, to which a top-up adds.

    `unit` is `tokens` (of all classes), or a currency: then `amount` is in billionths of it.
    Good from `effective` (at it) until `expires` (before it), UTC microseconds; `expires` 0: never.  Scope: empty is
    all; `places` are territories, and what a policy does not let through is not paid for by any grant.  `priority`
    0 to 255, 0 first.  `programme` "": the operator pays, else that programme's wallet.
    """

    id: str
    account: str
    amount: int
    unit: str = "tokens"
    effective: int = 0
    expires: int = 0
    models: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    priority: int = 50
    category: Category = "promotional"
    programme: str = ""
    created_at: int = 0

    @property
    def purse(self) -> str:
        """What gates borrow from."""
        return "gr:" + self.id

    @property
    def order(self) -> tuple[int, int, bool, int, int, str]:
        """Sort by it: the first is used first."""
        until = self.expires or NEVER
        return self.priority, until, self.category == "paid", self.effective, self.created_at, self.id

    def current(self, at: int) -> bool:
        """Whether it is good at that time."""
        return self.effective <= at and not 0 < self.expires <= at

    def covers(self, provider: str, model: str, product: str, territory: str, at: int) -> bool:
        """Whether it pays for this model (as it is served), this way to ask (chat, embeddings, rerank, moderation) and
        this place ("": unknown) at that time.  Whether a policy lets the place through was decided before."""
        return (
            self.current(at)
            and (not self.providers or provider in self.providers)
            and (not self.models or any(fnmatchcase(model, one) for one in self.models))
            and (not self.products or product in self.products)
            and (not self.places or territory in self.places)
        )
