"""One ledger on a Postgres server, two gateways: nothing is lent twice, and what a server that goes away leaves open is
done once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from tests.postgres import Server
from tests.store.ledger.conftest import SECRET

from gapura.settings import BadSetting, Settings
from gapura.store import ledger, records
from gapura.store.base import Conflict, StoreFailed
from gapura.store.ledger import Books, chain, postgres
from gapura.store.ledger.shared import Shared
from gapura.store.secrets import Secret


@pytest.fixture
def gateways(server: Server) -> Iterator[Callable[[], Shared]]:
    """gateways(): one more that shares the same, new ledger."""
    url, made = server.url(), []

    def another() -> Shared:
        made.append(Shared(url, SECRET))
        return made[-1]

    yield another
    for one in made:
        one.close()


def begin(shared: Shared, name: str, budget: int = 0) -> None:
    def work(db: Books) -> None:
        records.begin(db, name, "boot", 1)
        if budget:
            ledger.set_budget(db, "tok:acc_1", budget, ref="b", at=1)

    shared.write(work).result()


def standing(shared: Shared) -> ledger.Standing:
    return shared.read(lambda db: ledger.standing(db, "tok:acc_1"))


def lend(shared: Shared, name: str, number: int) -> "Future[int]":
    return shared.write(
        lambda db: ledger.lend(db, name, "tok:acc_1", lambda left: 7, ref=f"lend:{name}:{number}", at=2)
    )


def test_two_gateways_lend_what_there_is_and_no_more(gateways: Callable[[], Shared]) -> None:
    one, two = gateways(), gateways()
    begin(one, "inc_1", 1000)
    begin(two, "inc_2")
    found: dict[str, list[int]] = {"inc_1": [], "inc_2": []}

    def ask(shared: Shared, name: str) -> None:
        """Who waits for the other for longer than a ledger waits is refused, and asks again: a ref counts once."""
        asked = {number: lend(shared, name, number) for number in range(100)}
        while asked:
            refused: dict[int, Future[int]] = {}
            for number, future in asked.items():
                try:
                    found[name].append(future.result())
                except StoreFailed:
                    refused[number] = lend(shared, name, number)
            asked = refused

    threads = [threading.Thread(target=ask, args=args) for args in ((one, "inc_1"), (two, "inc_2"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(sum, found.values())) == 1000
    assert standing(one) == standing(two) == ledger.Standing(1000, 0, 1000, 0, 0)
    assert one.read(ledger.verify) == []


def test_a_chain_of_two_gateways_has_no_holes(gateways: Callable[[], Shared]) -> None:
    one, two = gateways(), gateways()
    begin(one, "inc_1", 10_000)
    begin(two, "inc_2")
    wanted: list[Future[Any]] = []
    for number in range(60):
        wanted += [lend(one, "inc_1", number), lend(two, "inc_2", number)]
        if number % 5 == 0:
            wanted += [shared.alone(lambda db: chain.seal(db, SECRET)) for shared in (one, two)]
    for future in wanted:
        future.result()
    one.alone(lambda db: chain.seal(db, SECRET)).result()
    assert two.read(lambda db: chain.verify(db, SECRET)) is None
    assert (
        two.read(chain.head).transfers == two.read(lambda db: db.execute("SELECT max(id) FROM transfer").fetchone())[0]
    )


def test_a_work_that_fails_takes_nothing_with_it(gateways: Callable[[], Shared]) -> None:
    shared = gateways()
    begin(shared, "inc_1", 100)

    def fails(db: Books) -> None:
        ledger.set_budget(db, "tok:acc_1", 500, ref="half", at=2)
        raise Conflict("no")

    first, failed, last = lend(shared, "inc_1", 1), shared.write(fails), lend(shared, "inc_1", 2)
    assert [first.result(), last.result()] == [7, 7]
    with pytest.raises(Conflict, match="no"):
        failed.result()
    assert standing(shared).granted == 100


def test_a_server_that_was_away_is_found_again_and_nothing_counts_twice(
    gateways: Callable[[], Shared], server: Server
) -> None:
    shared = gateways()
    begin(shared, "inc_1", 100)
    assert standing(shared).left == 100
    server.stop()
    try:
        with pytest.raises(StoreFailed, match="the shared ledger: "):
            lend(shared, "inc_1", 1).result()
        with pytest.raises(StoreFailed, match="the shared ledger: "):
            standing(shared)
    finally:
        server.start()
    assert lend(shared, "inc_1", 1).result() == 7
    assert lend(shared, "inc_1", 1).result() == 7
    assert standing(shared).left == 93


def test_a_connection_that_breaks_in_the_middle_is_made_again(gateways: Callable[[], Shared]) -> None:
    shared, other = gateways(), gateways()
    begin(shared, "inc_1", 100)
    times = []

    def broken(db: Books) -> int:
        times.append(1)
        amount = ledger.lend(db, "inc_1", "tok:acc_1", lambda left: 7, ref="lend", at=2)
        if len(times) == 1:
            (pid,) = db.execute("SELECT pg_backend_pid()").fetchone()
            other.write(lambda db: db.execute("SELECT pg_terminate_backend(?)", (pid,)).fetchone()).result()
        db.execute("SELECT 1")
        return amount

    assert shared.write(broken).result() == 7
    assert (len(times), standing(shared).left) == (2, 93)


def test_another_secret_is_refused(server: Server) -> None:
    url = server.url()
    first, second = Shared(url, SECRET), Shared(url, Secret(b"another secret of thirty-two byt"))
    try:
        begin(first, "inc_1")
        with pytest.raises(StoreFailed, match="the same GAPURA_SECRET"):
            standing(second)
    finally:
        first.close()
        second.close()
    with pytest.raises(StoreFailed, match="is closed"):
        lend(first, "inc_1", 1)


def test_a_newer_schema_is_refused(server: Server) -> None:
    url = server.url()
    connection = postgres.connect(url)
    postgres.prepare(connection, SECRET)
    connection.execute("UPDATE meta SET value = '9' WHERE name = 'ledger_schema'")
    with pytest.raises(StoreFailed, match="has schema 9, but this gapura knows 1"):
        postgres.prepare(connection, SECRET)
    connection.close()


@pytest.mark.parametrize(
    "url", ["postgresql://user:hunter2hunter2@/nowhere?host=/nowhere", "postgresql://u:hunter2hunter2@/x?y=1"]
)
def test_no_message_holds_the_password(url: str) -> None:
    shared = Shared(url, SECRET)
    try:
        with pytest.raises(StoreFailed) as failed:
            standing(shared)
        assert "hunter2" not in str(failed.value)
    finally:
        shared.close()


def test_the_setting_takes_a_url_of_postgres_and_tells_no_password() -> None:
    url = "postgresql://gapura:hunter2@ledger.example/books?sslmode=verify-full"
    assert Settings.load({"GAPURA_LEDGER_URL": url}, {}).ledger_url == url
    with pytest.raises(BadSetting, match="expected postgresql://") as wrong:
        Settings.load({"GAPURA_LEDGER_URL": url.replace("postgresql", "mysql")}, {})
    assert "hunter2" not in str(wrong.value)
