"""Two gateways, each with a home of its own, and one account of tokens between them on a Postgres server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.running import Gateway, serving, until
from tests.postgres import Server
from tests.postgres import running as postgres

SECRET = "a-secret-that-both-gateways-have-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with postgres() as server:
        yield server


def account(gateway: Gateway) -> str:
    return str(gateway.cli("account", "list")[0]["id"])


def standing(gateway: Gateway) -> dict[str, int]:
    rows = gateway.cli("ledger", "show", "--purse", f"tok:{account(gateway)}")
    found: dict[str, int] = {}
    for row in rows:
        found[row["kind"]] = found.get(row["kind"], 0) + row["balance"]
    return found


def test_gateways_go_on_without_it_and_catch_up(tmp_path: Path, server: Server) -> None:
    settings = {"GAPURA_SECRET": SECRET, "GAPURA_LEDGER_URL": server.url(), "GAPURA_SITE_TERRITORY": "SG"}
    with serving(tmp_path / "one", **settings) as gateway:
        gateway.cli("account", "limit", account(gateway), "--budget", "1000000", "--reason", "test")
        # A slice grows with use: after these it covers what one answer may cost, and more.
        assert [gateway.chat().status for _ in range(4)] == [200] * 4
        until(lambda: standing(gateway).get("spent", 0) > 0)
        until(lambda: gateway.cli("ledger", "pending") == [])
        before = standing(gateway)["spent"]
        server.stop()
        try:
            # The slice that the gate has goes a long way; then nobody is served for nothing.
            assert gateway.chat().status == 200
            body = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "x" * 600_000}]})
            refused = gateway.post(body.encode())
            assert refused.status == 503 and "limits" in refused.error["message"], refused
            (waits,) = {row["name"] for row in gateway.cli("ledger", "pending")}
            assert waits == "purses.spend"
        finally:
            server.start()
        until(lambda: standing(gateway)["spent"] > before)
        until(lambda: gateway.chat().status == 200)
        until(lambda: gateway.cli("ledger", "pending") == [])
        verified = gateway.cli("ledger", "verify")
        assert verified["sound"], verified


def test_a_home_keeps_to_its_ledger(tmp_path: Path, server: Server) -> None:
    with serving(tmp_path / "two", GAPURA_SECRET=SECRET, GAPURA_LEDGER_URL=server.url()):
        pass
    with pytest.raises(AssertionError, match="set GAPURA_LEDGER_URL"), serving(tmp_path / "two", GAPURA_SECRET=SECRET):
        pass
