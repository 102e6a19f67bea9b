"""Whom other place data hit and release: foretold by the rules that will decide it."""

import pytest

from gapura.rulebook.compile import Rules
from gapura.rulebook.consequences import Consequences, consequences
from gapura.store.sightings import Seen
from gapura.terms.caller import Account
from gapura.terms.place import Located
from gapura.terms.rulebook import Endpoint, Exemption, Pack, Policy, Route, Rule, Rulebook, Target

ENDPOINTS = tuple(
    Endpoint(provider=name, base_url=f"https://{name}.example", processing_territory="US")
    for name in ("openai", "qwen")
)
PACK = Pack(name="p", as_of="2024", source="s", guards=("openai",), supported=frozenset({"SG"}), partial={"UA": ""})
ROUTES = {
    "m": Route(model="m", targets=(Target("openai", "gpt"), Target("qwen", "plus"))),
    "elsewhere": Route(model="elsewhere", targets=(Target("qwen", "plus"), Target("glm", "glm-4"))),
}
ACCOUNTS = {name: Account(f"acc_{name}", name, "org") for name in ("acme", "globex", "exempt")}
BY_ID = {account.id: account for account in ACCOUNTS.values()}


def rules(**more: object) -> Rules:
    exempt = Exemption(account="exempt", reason="a contract")
    policy = Policy(name="p", pack=PACK, exceptions=(exempt,), **more)  # type: ignore[arg-type]  # fields of a policy
    return Rules(Rulebook(version="v", endpoints=ENDPOINTS, routes=ROUTES, policies=(policy,)))


class Placed:
    def __init__(self, **places: Located | str) -> None:
        self._places = {
            name: Located(place, "certain") if isinstance(place, str) else place for name, place in places.items()
        }

    def locate(self, address: str) -> Located:
        return self._places[address]


def foretold(seen: list[Seen], before: Placed, after: Placed, by: Rules | None = None) -> Consequences:
    return consequences(seen, BY_ID.get, before, after, by or rules(), at=1, days=30)


def seen(account: str, address: str, model: str = "m", requests: int = 1) -> Seen:
    return Seen(f"acc_{account}", address, model, requests)


def test_who_moves_out_is_hit_and_who_moves_in_is_released() -> None:
    found = foretold(
        [seen("globex", "b", requests=3), seen("acme", "a"), seen("acme", "c")],
        Placed(a="SG", b="CN", c="SG"),
        Placed(a="CN", b="SG", c="SG"),
    )
    assert (found.accounts, found.addresses, found.moved, found.hit, found.released) == (2, 3, 2, 1, 1)
    acme, globex = found.items
    (hit,), (released,) = acme.hit, globex.released
    assert (acme.external_id, hit.target, hit.before, hit.after) == ("acme", "openai/gpt", "allow", "block")
    assert [(one.address, one.before, one.after, one.requests) for one in hit.addresses] == [("a", "SG", "CN", 1)]
    assert (released.before, released.after, released.addresses[0].requests) == ("block", "allow", 3)
    assert not acme.released and not globex.hit


@pytest.mark.parametrize(
    ("before", "after", "effects"),
    [
        ("SG", Located("", "unknown"), ("allow", "block")),
        ("SG", Located("SG", "uncertain"), ("allow", "warn")),
        ("CN", "UA", ("block", "review")),
        ("CN", "HK", None),
        ("SG", Located("SG", "certain", confidence=0.5), None),
    ],
)
def test_every_change_of_effect_counts(before: str, after: Located | str, effects: tuple[str, str] | None) -> None:
    found = foretold([seen("acme", "a")], Placed(a=before), Placed(a=after))
    told = [(one.before, one.after) for item in found.items for one in (*item.hit, *item.released)]
    assert told == ([effects] if effects else [])


def test_only_models_that_were_asked_for_and_targets_that_are_set_up_count() -> None:
    asked = [seen("acme", "a", "elsewhere"), seen("acme", "a", "no-such-model"), seen("exempt", "a"), seen("gone", "a")]
    found = foretold(asked, Placed(a="SG"), Placed(a="CN"))
    assert (found.accounts, found.items) == (3, ())


def test_an_account_may_be_hit_and_released_and_stands_there_once() -> None:
    found = foretold(
        [seen("acme", "a"), seen("acme", "b"), seen("acme", "b", "openai/other")],
        Placed(a="SG", b="CN"),
        Placed(a="CN", b="SG"),
    )
    (acme,) = found.items
    assert [one.target for one in acme.hit] == ["openai/gpt"]
    assert [one.target for one in acme.released] == ["openai/gpt", "openai/other"]
    assert (found.hit, found.released) == (1, 1)


def test_a_rule_on_the_kind_of_network_sees_it() -> None:
    no_tor = rules(rules=(Rule(id="no-tor", effect="block", networks=frozenset({"tor"})),))
    tor = Located("SG", "certain", network="tor")
    (acme,) = foretold([seen("acme", "a")], Placed(a="SG"), Placed(a=tor), no_tor).items
    assert acme.hit[0].because == "rule no-tor of p"
