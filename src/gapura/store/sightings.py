"""Who was seen where: the record, as place data are judged by it."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from gapura.errors import RegionBlocked
from gapura.store.base import Connection


class Seen(NamedTuple):
    """An account's requests for one model from one address.  After 30 days only the network is known of an address;
    its first one stands for it."""

    account: str
    address: str
    model: str
    requests: int


def seen(db: Connection, since: int) -> Iterator[Seen]:
    """Since then (UTC microseconds)."""
    # Ids are UUIDv7: in the order of time.
    rows = db.execute(
        "SELECT r.account, p.address, r.model, count(*) FROM request r JOIN request_place p ON p.request = r.id"
        " WHERE r.id >= ? AND p.address <> '' GROUP BY r.account, p.address, r.model",
        (f"req_{max(since, 0) // 1000:012x}",),
    )
    for account, address, model, requests in rows:
        yield Seen(str(account), str(address).partition("/")[0], str(model), int(requests))


class Astray(msgspec.Struct, frozen=True):
    """A provider refused the place that this gateway calls from: how often, and when last (UTC microseconds)."""

    provider: str
    refusals: int
    last_at: int


def astray(db: Connection, since: int) -> list[Astray]:
    """Since then (UTC microseconds)."""
    rows = db.execute(
        "SELECT provider, count(*), max(at) FROM ("
        " SELECT provider, ended_at AS at FROM request"
        "  WHERE id >= ?1 AND outcome = 'failed' AND error = ?2"
        "   AND NOT EXISTS (SELECT 1 FROM attempt WHERE attempt.request = request.id)"
        " UNION ALL"
        " SELECT provider, coalesce(ended_at, opened_at) FROM attempt WHERE request >= ?1 AND failure LIKE '%' || ?2"
        ") GROUP BY provider ORDER BY provider",
        (f"req_{max(since, 0) // 1000:012x}", RegionBlocked.code),
    )
    return [Astray(str(provider), int(count), int(last)) for provider, count, last in rows]
