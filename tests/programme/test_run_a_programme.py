"""docs/how-to/run-a-programme.md, command by command: 10,000 claims of which 400 are duplicates or fakes, vetted,
granted, spent through two gates, expired, reported; the sums agree to the token."""

import asyncio
import csv
import json
import os
import random
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.app.running import runtime_folder
from tests.app.turned import Gateway, asgi, gateway, until
from tests.programme.conftest import export

from gapura import runtime
from gapura.console.api import admin
from gapura.keeper.granting import WATCH
from gapura.store import accounts, grants, jobs, ledger

PAGE = (Path(__file__).parents[2] / "docs/how-to/run-a-programme.md").read_text("utf-8")
CLAIMS, TWICE, UNREADABLE, IMPOSSIBLE, RING = 10_000, 200, 60, 100, 40
FAKES = TWICE + UNREADABLE + IMPOSSIBLE + RING
GIVEN = (4000, 1000)  # to each: twice the 2,000 tokens that it used, and a welcome
ALL = 48_000_000 + 1000  # and the welcome of one who had a code
ROUTES = {"routes": {"gpt-4o-mini": {"targets": ["glm/glm-4-flash"]}}}


def commands(section: str) -> list[str]:
    """Those of a section of the page, in their order."""
    text = PAGE.partition(f"\n## {section}")[2].partition("\n## ")[0]
    return re.findall(r"^\$ (.+)$", text, re.MULTILINE)


def written(folder: Path) -> dict[str, str]:
    """The accounts and the claims, in an order that says nothing; what each claim was made to be."""
    chance, kinds = random.Random(6), {}
    seeded = ["twice"] * TWICE + ["unreadable"] * UNREADABLE + ["impossible"] * IMPOSSIBLE + ["ring"] * RING
    rows = ["good"] * (CLAIMS - FAKES) + seeded
    middle = rows[1000:]
    chance.shuffle(middle)  # whoever claims for the second time comes after the first
    rows[1000:] = middle
    claims = folder / "claims"
    claims.mkdir()
    with (
        (folder / "accounts.csv").open("w", newline="") as known,
        (claims / "claims.csv").open("w", newline="") as said,
    ):
        accounts_of, claims_of = csv.writer(known), csv.writer(said)
        accounts_of.writerow(["external_id", "name"])
        claims_of.writerow(["external_id", "company", "email", "payment", "device", "address", "evidence"])
        for number, kind in enumerate(rows, 1):
            name, company = f"customer-{number}", number if kind != "twice" else chance.randint(1, 1000)
            kinds[name] = kind
            accounts_of.writerow([name, f"Customer {number}"])
            mail, address = f"a@company-{number}.example", f"10.{number // 250}.{number % 250}.7"
            claims_of.writerow(
                [name, f"Company {company}", mail, f"card-{number}", f"device-{number}", address, f"{name}.json"]
            )
            (claims / f"{name}.json").write_bytes(evidence(kind, number))
    return kinds


def evidence(kind: str, number: int) -> bytes:
    used = export(2000, f"org-{number}")
    if kind == "unreadable":
        return used[:-5]
    if kind == "impossible":
        return used.replace(b'"num_model_requests": 1', b'"num_model_requests": 0')
    return export(2000, "org-ring") if kind == "ring" else used


class Operator:
    """Types the page's commands."""

    def __init__(self, folder: Path, gateway: Gateway) -> None:
        self.folder, self.gateway = folder, gateway
        self.said: dict[str, Any] = {}

    async def types(self, command: str) -> Any:
        command_of = command.replace("https://example.com/", "http://127.0.0.1:9/")  # nobody listens there
        shell = f"{sys.executable} -m {command_of}" + (" --json" if "--json" not in command else "")
        environ = os.environ | {"GAPURA_HOME": str(self.folder / "gapura-data")}
        pipe = asyncio.subprocess.PIPE
        ran = await asyncio.create_subprocess_shell(shell, cwd=self.folder, env=environ, stdout=pipe, stderr=pipe)
        out, err = await ran.communicate()
        assert ran.returncode == 0, (command, out, err)
        self.said[command] = json.loads(out)["data"]
        return self.said[command]

    async def section(self, title: str) -> Any:
        """The answer to its last command."""
        typed = commands(title)
        assert typed
        for command in typed:
            answer = await self.types(command)
        return answer

    async def watched(self) -> None:
        """The keeper has looked at what time and use have brought."""
        keeper = self.gateway.keeper
        at = keeper.store.clock()
        keeper.store.write(lambda db: jobs.ring(db, WATCH, "all", at)).result()
        await keeper.jobs.settled()


@pytest.mark.timeout(900)
def test_the_page_from_the_offer_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with gateway(tmp_path, "2024-06-28T09:00:00+08:00", ROUTES) as it:
            local = runtime.socket_path(tmp_path / "gapura-data")
            app = admin(it.keeper.context, local=True)
            config = uvicorn.Config(app, uds=str(local), lifespan="off", log_config=None)
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve())
            await until(lambda: server.started)
            try:
                await told(Operator(tmp_path, it))
            finally:
                server.should_exit = True
                await serving

    with runtime_folder() as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        asyncio.run(story())


async def told(operator: Operator) -> None:
    folder, it = operator.folder, operator.gateway
    kinds = written(folder)
    (folder / "offer.toml").write_text(PAGE.partition("```toml\n")[2].partition("```")[0])
    await operator.types("gapura account import accounts.csv --confirm accounts.csv")
    await operator.section("1.")
    await operator.section("2.")
    filed = await operator.section("3.")
    assert (filed["filed"], filed["unreadable"], filed["refused"]) == (CLAIMS, UNREADABLE, 0)
    await vetted(operator, kinds)
    approved = await operator.section("5.")
    assert (approved["claims"], approved["amount"], approved["granted"]) == (CLAIMS - FAKES, 48_000_000, CLAIMS - FAKES)
    await operator.section("6.")
    await redeemed(operator)
    spent = await used(operator, kinds)
    await reported(operator, spent, expired=0)
    await it.turn("2024-07-28T09:00:00+08:00")
    await operator.watched()
    await until(lambda: lent(it) == 0)
    await operator.section("8.")
    await reported(operator, spent, expired=ALL - spent)


def lent(it: Gateway) -> int:
    """What gates have of grants."""
    query = "SELECT coalesce(sum(balance), 0) FROM ledger_account WHERE kind = 'lent' AND purse LIKE 'gr:%'"
    row: Any = it.keeper.store.read(lambda db: db.execute(query).fetchone())
    return int(row[0])


async def vetted(operator: Operator, kinds: dict[str, str]) -> None:
    """Who was made to be a fake is found, and nobody else."""
    under_review = await operator.types(commands("4.")[0])
    moved = {"clear": CLAIMS - FAKES, "refused": TWICE, "review": FAKES - TWICE}
    assert under_review["moved"] == moved
    await operator.section("4.")
    store = operator.gateway.keeper.store
    rows: Any = store.read(
        lambda db: db.execute(
            "SELECT a.external_id, c.state FROM claim c JOIN account a ON a.id = c.account"
        ).fetchall()
    )
    became = Counter((kinds[name], state) for name, state in rows)
    assert became == {
        ("good", "clear"): CLAIMS - FAKES, ("twice", "refused"): TWICE, ("unreadable", "refused"): UNREADABLE,
        ("impossible", "refused"): IMPOSSIBLE, ("ring", "refused"): RING,
    }  # fmt: skip


async def redeemed(operator: Operator) -> None:
    """One customer has a code: granted at once, and once."""
    await operator.gateway.key("with-a-code")
    code = operator.said[commands("6.")[0]]["codes"][0]
    wanted = {"claim": {"external_id": "with-a-code", "code": code}}
    done = await operator.gateway.api("POST", "/programmes/moving/claims", wanted)
    assert (done["granted"], done["claim"]["state"], done["claim"]["amount"]) == (True, "granted", 1000)


async def used(operator: Operator, kinds: dict[str, str]) -> int:
    """Thirty customers talk to both gates, three until nothing is left.  How many tokens they were answered with."""
    it, spent = operator.gateway, 0
    good = [name for name, kind in kinds.items() if kind == "good"][:30]
    keys = {name: await it.key(name) for name in good}
    for number, name in enumerate(good):
        for turn in range(400 if number < 3 else 3):
            said = await it.chat("165.21.83.88", keys[name], gate=turn % 2)
            assert said.status in {200, 429}, said.body
            if said.status == 200:
                spent += json.loads(said.body)["usage"]["total_tokens"]
            elif turn > 3:
                break
    while await it.keeper.ingest.step():
        pass
    headers = {"authorization": f"Bearer {keys[good[0]]}"}
    told = json.loads((await asgi(it.gates[0].app, "GET", "/v1/usage?group_by=model", **headers)).body)
    paid = sum(grant["spent"] for grant in told["grants"])
    assert sum(row["input_tokens"] + row["output_tokens"] for row in told["data"]) >= paid > 0
    start = 1_719_500_000
    path = f"/v1/organization/usage/completions?start_time={start}&group_by=model"
    page = json.loads((await asgi(it.gates[1].app, "GET", path, **headers)).body)
    results = [result for bucket in page["data"] for result in bucket["results"]]
    assert sum(one["num_model_requests"] for one in results) == told["data"][0]["requests"]
    assert (await asgi(it.gates[0].app, "GET", "/v1/usage", authorization="Bearer sk-nobody")).status == 401
    return spent


async def reported(operator: Operator, spent: int, expired: int) -> None:
    await operator.watched()
    await operator.section("7.")
    folder, store = operator.folder, operator.gateway.keeper.store
    found = operator.said[commands("7.")[1]]
    assert found["agree"], found["sums"]
    by_ledger: Any = store.read(
        lambda db: db.execute(
            "SELECT sum(balance) FROM ledger_account WHERE kind = 'spent' AND purse LIKE 'gr:%'"
        ).fetchone()
    )
    assert found["flow"]["spent"] == by_ledger[0] == found["use"]["amount"]
    assert 0 < found["flow"]["spent"] <= spent
    assert found["flow"]["granted"] == ALL
    if expired:
        assert found["flow"]["expired"] == ALL - found["flow"]["spent"]
        assert found["wallet"] == 50_000_000 - found["flow"]["spent"]
    assert store.read(ledger.verify) == []
    assert "All sums agree, to the token." in (folder / "report.html").read_text("utf-8")
    rows = list(csv.DictReader((folder / "report.csv").read_text("utf-8").splitlines()))
    assert {row["value"] for row in rows if row["section"] == "sum"} == {"yes"}
    first = store.read(lambda db: accounts.by_external_id(db, None, "default", "customer-1")).id
    held = store.read(lambda db: grants.of_account(db, first, store.clock(), ended=True))
    assert [one.terms.amount for one in held] == list(GIVEN)
    assert "Statement of grants" in (folder / "statement.html").read_text("utf-8")
