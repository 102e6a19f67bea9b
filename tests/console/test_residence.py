"""Where an account is: told with its evidence, to those who may read accounts."""

from typing import Any

from gapura.store import visits
from gapura.store.visits import DAY, Found
from gapura.terms.residence import Residence


def test_what_was_concluded_and_from_what(home: Any) -> None:
    made = home.ask("POST", "/accounts", {"external_id": "acme"}).json["accounts"][0]["id"]
    day = home.clock() // DAY

    def work(db: Any) -> None:
        db.execute("INSERT INTO visit VALUES (?1, ?2, 'FR', 2), (?1, ?2 + 1, 'CN', 5)", (made, day - 9))
        residence = Residence(
            state="counting", days=1, since=day - 8, last=day - 8, territories={"CN": 1}, reset=(day - 9, "FR")
        )
        found = Found(account=made, policy="x/api", residence=residence, turns_on=day + 175, given="", at=home.clock())
        visits.keep(db, made, [found])

    home.store.write(work).result()
    told = home.ask("GET", f"/accounts/{made}/place").json
    assert told["visits"] == [
        {"day": "2026-11-14", "territory": "CN", "requests": 5},
        {"day": "2026-11-13", "territory": "FR", "requests": 2},
    ]
    assert told["policies"] == [
        {
            "policy": "x/api",
            "state": "counting",
            "days": 1,
            "since": "2026-11-14",
            "last": "2026-11-14",
            "territories": {"CN": 1},
            "reset_on": "2026-11-13",
            "reset_from": "FR",
            "turns_on": "2027-05-16",
            "given": "",
        }
    ]
    assert home.ask("GET", "/accounts/acc_nobody/place").status == 404
