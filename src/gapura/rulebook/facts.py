"""What a policy looks at: one request, or one question about a product."""

from functools import lru_cache

import msgspec

from gapura.atlas.territories import resolve
from gapura.terms.caller import Account
from gapura.terms.place import Certainty, Network


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """`provider` and `product` as in `openai/chatgpt`; `territory` is "" where `certainty` is unknown or absent,
    `subdivision` (ISO 3166-2) and `network` where nothing says.  `egress` are the gateway's own territories
    (none: not known, or not asked).  `at`: UTC microseconds."""

    provider: str
    model: str
    territory: str
    certainty: Certainty
    account: Account
    at: int
    product: str = "api"
    subdivision: str = ""
    network: Network = ""
    egress: tuple[str, ...] = ()


OURS = "acc_"
"""How ids begin that Gapura gave; by these, too, a document may name an account."""


def names(account: Account) -> tuple[str, ...]:
    """What a document may call it: its external id first."""
    ours = (account.id,) if account.id.startswith(OURS) else ()
    return (account.external_id, *ours) if account.external_id else ours


@lru_cache(4096)
def owners(written: str) -> tuple[str, ...]:
    """The territories of an account's owners, from `Account.ownership`.  What is no territory is left out.

    >>> owners("CN, Hong Kong, somebody")
    ('CN', 'HK')
    """
    found = []
    for owner in filter(None, map(str.strip, written.split(","))):
        try:
            found.append(resolve(owner))
        except ValueError:
            continue
    return tuple(found)
