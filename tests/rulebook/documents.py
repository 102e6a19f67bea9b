"""Random policy documents as people write them, and random questions about them."""

from random import Random
from typing import Any

from hypothesis import strategies as st
from tests.rulebook.literal import BY_THE_CLOCK, EXPRESSIONS, Question, instant

from gapura.terms.caller import Account
from gapura.terms.place import Origin

WHOLE = ["SG", "US", "PR", "HK", "UA", "CN"]
AS_WRITTEN = ["SG", "US", "PR", "Puerto Rico", "HK", "Hong Kong", "CN"]
PARTS = ["UA-43", "UA-40", "UA-30", "Crimea"]

EFFECTS = ["allow", "warn", "review", "block"]


def some(members: list[str], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(members), min_size=least, max_size=3, unique=True)


def stated(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


stamps = st.integers(1, 40).map(instant)

allowing = stated(
    {
        "as_of": st.just("2024-06-25"),
        "source": st.just("s"),
        "guards": st.just(["openai"]),
        "supported": st.tuples(some(AS_WRITTEN), st.sampled_from(["UA", "Ukraine (with certain exceptions)"])).map(
            lambda both: [*both[0], both[1]]
        ),
    },
    {"excepted": some(PARTS), "product": st.sampled_from(["api", "chat"])},
)
denying = stated(
    {
        "as_of": st.just("2024-06-25"),
        "source": st.just("s"),
        "guards": st.sampled_from([["openai"], []]),
        "kind": st.just("deny"),
        "excluded": some([*AS_WRITTEN, *PARTS]),
    },
    {"excepted": some(PARTS)},
)
conditions = {
    "accounts": some(["acme", "globex", "acc_1"]),
    "territories": some([*AS_WRITTEN, "UA", *PARTS]),
    "networks": some(["vpn", "tor", "hosting"]),
    "declared_territory": some(WHOLE),
    "phone_territory": some(WHOLE),
    "ownership": some(WHOLE),
    "contract": some(["gold", "free"]),
    "organisation": some(["org_1", "org_2"]),
    "status": some(["active", "warned"]),
    "models": some(["gpt-*", "openai/o1", "o1", "t/gpt-4o"]),
    "when": st.sampled_from(sorted(EXPRESSIONS)),
    "from": st.integers(1, 20).map(instant),
    "until": st.integers(21, 40).map(instant),
}
SUFFICE = {"accounts", "territories", "models", "declared_territory", "phone_territory", "ownership", "contract"}


def rules(chosen: dict[str, Any] = conditions, effects: list[str] = EFFECTS) -> st.SearchStrategy[list[dict[str, Any]]]:
    def keep(rule: dict[str, Any]) -> bool:
        return rule["effect"] != "allow" or bool(rule.keys() & (SUFFICE | {"organisation"}))

    one = st.tuples(st.sampled_from(effects), st.sets(st.sampled_from(sorted(chosen)), max_size=3)).flatmap(
        lambda drawn: st.fixed_dictionaries(
            {"effect": st.just(drawn[0]), **{name: chosen[name] for name in sorted(drawn[1])}}
        )
    )
    return st.lists(one.filter(keep), max_size=5).map(
        lambda found: [{**rule, "id": f"r{number}"} for number, rule in enumerate(found)]
    )


def policy(number: int, of_rules: st.SearchStrategy[list[dict[str, Any]]]) -> st.SearchStrategy[dict[str, Any]]:
    return stated(
        {"name": st.just(f"p{number}"), "pack": st.sampled_from(["t/allow", "t/deny"]), "rules": of_rules},
        {
            "product": st.sampled_from(["t/assistant", "t/api", "t/api", "t/api"]),
            "models": st.sampled_from([["gpt-*", "o1"], ["openai/o1", "t/*"], ["*"]]),
            "territories": st.sampled_from(["literal", "with_sovereign"]),
            "phases": st.lists(
                st.fixed_dictionaries({"effect": st.sampled_from(EFFECTS), "from": stamps}),
                min_size=1,
                max_size=3,
                unique_by=lambda phase: phase["from"],
            ),
            "exceptions": st.lists(
                stated(
                    {"account": st.sampled_from(["acme", "globex", "acc_1"]), "reason": st.sampled_from(["a", "b"])},
                    {"until": stamps, "owner": st.just("o")},
                ),
                max_size=3,
            ),
            "on_unknown": st.sampled_from(["warn", "deny"]),
            "on_disagreement": st.sampled_from(["warn", "deny"]),
            "on_error": st.sampled_from(["warn", "deny"]),
            "on_partial": st.sampled_from(["allow", "warn", "review"]),
        },
    )


def documents(
    of_rules: st.SearchStrategy[list[dict[str, Any]]] | None = None,
) -> st.SearchStrategy[dict[str, Any]]:
    """Lists that no policy applies are left out, as `read` demands."""
    of_rules = rules() if of_rules is None else of_rules

    def whole(drawn: tuple[dict[str, Any], list[dict[str, Any]]]) -> dict[str, Any]:
        packs, policies = drawn
        return {"packs": {one["pack"]: packs[one["pack"]] for one in policies}, "policies": policies}

    packs = st.fixed_dictionaries({"t/allow": allowing, "t/deny": denying})
    few = st.integers(0, 3).flatmap(lambda count: st.tuples(*(policy(number, of_rules) for number in range(count))))
    return st.tuples(packs, few.map(list)).map(whole)


by_the_clock = rules({**conditions, "when": st.just(BY_THE_CLOCK)})

PLACES = [
    *(Origin(whole, "certain", "peer") for whole in WHOLE),
    *(Origin("UA", "certain", "peer", subdivision=part) for part in ("UA-43", "UA-40", "UA-30")),
    Origin("SG", "certain", "peer", network="vpn"),
    Origin("HK", "certain", "peer", network="hosting"),
    Origin("UA", "uncertain", "peer", network="tor"),
    Origin("HK", "uncertain", "peer"),
    Origin("", "unknown", "peer"),
    Origin("", "absent", "none"),
]
ACCOUNTS = [
    Account("acc_1", "acme", "org_1"),
    Account("acc_2", "globex", "org_3", status="warned", contract="gold", ownership="CN"),
    Account("acc_1", "other", "org_1", declared_territory="CN", phone_territory="SG", contract="gold"),
    Account("acc_2", "other", "org_3", declared_territory="SG", phone_territory="CN", ownership="SG, CN"),
    Account("acc_3", "acme", "org_2", status="suspended"),
    Account("acc_4", "globex", "org_1"),
    Account("", "", ""),
]
MODELS = ["gpt-4o", "o1", ""]
PRODUCTS = ["api", "api", "api", "t/allow", "t/deny", "t/assistant", "t/api", "t/nothing"]

places = st.sampled_from(PLACES)
accounts = st.sampled_from(ACCOUNTS)
seconds = st.integers(0, 45)
questions = st.builds(
    Question,
    model=st.sampled_from(MODELS),
    origin=places,
    account=accounts,
    egress=st.just(""),
    second=seconds,
    product=st.sampled_from(PRODUCTS),
)
egresses = st.sampled_from(["", "", "SG", "HK", "UA", "PR"])


def many(seed: int, count: int) -> list[Question]:
    """So many questions at once: what is hard to come by is a document."""
    chance = Random(seed)
    return [
        Question(
            chance.choice(MODELS),
            chance.choice(PLACES),
            chance.choice(ACCOUNTS),
            "",
            chance.randrange(46),
            chance.choice(PRODUCTS),
        )
        for _ in range(count)
    ]
