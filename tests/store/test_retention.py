"""After 30 days only the network of an address is kept; what is younger stays as it is."""

from pathlib import Path

from gapura.clock import SECOND
from gapura.store.retention import BATCH, DAY, DAYS, shorten_addresses
from gapura.store.secrets import Secret
from gapura.store.sqlite import Store
from gapura.terms import ids

NOW = 1_720_483_200 * SECOND


def test_addresses_are_shortened_in_batches_and_once(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "gapura.db", secret=Secret(b"s" * 32))
    old, young = NOW - DAYS * DAY - SECOND, NOW - DAYS * DAY + SECOND
    rows = [(ids.new("req", old), "203.0.113.77", "2001:db8:1:2::3") for _ in range(BATCH + 1)]
    rows.append((ids.new("req", young), "203.0.113.78", ""))
    put = "INSERT INTO request_place (request, address, peer, verdicts, answers) VALUES (?, ?, ?, '[]', '[]')"
    store.write(lambda db: db.executemany(put, rows)).result()
    done = [store.write(lambda db: shorten_addresses(db, NOW)).result() for _ in range(3)]
    kept = store.read(lambda db: db.execute("SELECT DISTINCT address, peer FROM request_place ORDER BY 1").fetchall())
    store.close()
    assert done == [BATCH, 1, 0]
    assert kept == [("203.0.113.0/24", "2001:db8:1::/48"), ("203.0.113.78", "")]
