"""What a person should look at, in books that are sound."""

import msgspec

from gapura.atlas import packs
from gapura.rulebook.problems import problems
from gapura.terms.place import Located
from gapura.terms.rulebook import Endpoint, Policy, Route, Rulebook, Target

OPENAI = Endpoint(provider="openai", base_url="https://api.openai.com/v1", processing_territory="US")
QWEN = Endpoint(provider="qwen", base_url="https://relay.example.com", processing_territory="")
GUARDED = Policy(name="mine", pack=packs.pack("openai/api"))


def told(*endpoints: Endpoint, policies: tuple[Policy, ...] = (), site: str = "SG", egress: str = "SG") -> list[str]:
    routes = {
        model: Route(model=model, targets=tuple(Target(provider, "m") for provider in providers))
        for model, providers in {"all": ["openai", "qwen"], "one": ["openai"]}.items()
    }
    return problems(
        Rulebook(
            version="v",
            endpoints=endpoints,
            routes=routes,
            policies=policies,
            site_territory=site,
            egress_territory=egress,
        ),
        at=1,
    )


def test_nothing_to_say() -> None:
    known = Endpoint(provider="qwen", base_url="https://x.example", processing_territory="SG")
    assert told(OPENAI, known, policies=(GUARDED,)) == []


def test_targets_without_a_key() -> None:
    assert told(QWEN)[:2] == [
        "route all passes over openai/m: no key is set for them",
        "route one cannot be served: no key is set for any of openai/m",
    ]


def test_a_processing_territory_that_nobody_knows() -> None:
    assert told(OPENAI, QWEN) == [
        "where qwen processes is not known, so it is used neither for data that may not go everywhere nor after a "
        "failure elsewhere; set processing_territory in [providers.qwen]"
    ]


def test_a_policy_that_guards_nothing() -> None:
    assert "policy mine guards none of the providers that are set up" in told(QWEN, policies=(GUARDED,))


def test_places_that_are_not_told() -> None:
    first, second = told(OPENAI, policies=(GUARDED,), site="", egress="")[-2:]
    assert first.startswith("callers with a private or no address are refused by openai: GAPURA_SITE_TERRITORY")
    assert second.startswith("neither GAPURA_EGRESS_ADDRESSES nor")


def test_an_egress_that_the_policy_does_not_cover() -> None:
    (problem,) = told(OPENAI, policies=(GUARDED,), egress="HK")[1:]
    assert problem.startswith("nothing is ever sent to openai: openai/api does not cover HK")


def test_an_egress_of_its_own_takes_the_place_of_the_deployments() -> None:
    moved = msgspec.structs.replace(OPENAI, egress=("HK", "9.9.9.9", "8.8.8.8"))
    book = Rulebook(version="v", endpoints=(moved,), routes={}, policies=(GUARDED,), egress_territory="SG")
    places = {"9.9.9.9": Located("HK", "certain"), "8.8.8.8": Located("HK", "uncertain")}
    stated, found, uncertain = problems(book, 0, places.__getitem__)[-3:]
    assert stated.endswith("does not cover HK, from where this gateway calls")
    assert found.endswith("does not cover HK, from where this gateway calls (9.9.9.9)")
    assert uncertain.startswith("8.8.8.8, from where openai is called, has no certain place")
    assert problems(book, 0)[-1] == stated
