"""Names that nobody here has are answered by their counterparts, and only by those that are set up and wanted."""

from typing import Any

import pytest

from gapura.rulebook.compile import Rules
from gapura.rulebook.documents import BadDocument
from gapura.rulebook.read import read
from gapura.rulebook.stand_ins import living
from gapura.terms.rulebook import Endpoint, Route, StandIn


def endpoints(*providers: str) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(provider=name, base_url="https://x.example", processing_territory="") for name in providers)


def rules(document: dict[str, Any], *providers: str, today: str = "2026-11-29") -> Rules:
    reached = endpoints(*providers)
    models = living(document.get("models", {}), reached, today)
    return Rules(read(document | {"policies": []}, endpoints=reached, models=models))


def targets(route: Route | None) -> list[str]:
    return [str(target) for target in route.targets] if route else []


def test_who_lost_openai_is_answered_by_whoever_is_there() -> None:
    found = rules({}, "qwen", "glm").route("gpt-4o-mini")
    assert targets(found) == ["qwen/qwen-flash", "glm/glm-5.3-flash"]
    assert isinstance(found, StandIn) and found.weighs == "behavioural"
    assert "gpt-4o-mini is not served here" in found.why and "2026-11-22" in found.why


def test_a_model_that_is_there_is_not_replaced() -> None:
    found = rules({}, "openai", "qwen").route("gpt-4o-mini")
    assert targets(found) == ["openai/gpt-4o-mini"] and not isinstance(found, StandIn)


@pytest.mark.parametrize(
    ("today", "served"),
    [
        ("2026-10-22", ["openai/gpt-3.5-turbo"]),
        ("2026-10-23", ["openai/gpt-6-luna", "qwen/qwen-flash"]),
    ],
)
def test_from_the_day_of_its_end_a_model_is_replaced(today: str, served: list[str]) -> None:
    assert targets(rules({}, "openai", "qwen", today=today).route("gpt-3.5-turbo")) == served


def test_a_model_that_ended_is_still_asked_for_by_name() -> None:
    assert targets(rules({}, "openai").route("openai/gpt-3.5-turbo")) == ["openai/gpt-3.5-turbo"]


def test_a_route_of_the_operator_wins() -> None:
    document = {"routes": {"gpt-3.5-turbo": {"targets": ["qwen/qwen-plus"]}}}
    found = rules(document, "qwen", "glm").route("gpt-3.5-turbo")
    assert targets(found) == ["qwen/qwen-plus"] and not isinstance(found, StandIn)


def test_embeddings_of_another_space_are_a_loss_of_the_contract() -> None:
    found = rules({}, "qwen").route("text-embedding-ada-002")
    assert isinstance(found, StandIn) and found.weighs == "contract" and "another space" in found.why


@pytest.mark.parametrize("name", ["dall-e-3", "whisper-1", "somebody-s-own", ""])
def test_what_nobody_can_do_stays_unknown(name: str) -> None:
    assert rules({}, "qwen", "glm").route(name) is None


def test_the_operator_chooses_who_stands_in() -> None:
    assert targets(rules({"models": {"counterparts": ["glm", "qwen"]}}, "qwen", "glm").route("gpt-4")) == [
        "glm/glm-5",
        "qwen/qwen3-max",
    ]
    none = rules({"models": {"counterparts": []}}, "openai", "qwen")
    assert none.route("gpt-4-32k") is None
    assert targets(none.route("gpt-3.5-turbo")) == ["openai/gpt-3.5-turbo"]


def test_who_has_no_key_stands_in_for_nobody() -> None:
    assert targets(rules({"models": {"counterparts": ["ernie", "glm"]}}, "glm").route("gpt-4")) == ["glm/glm-5"]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ([], "models"),
        ({"counterpart": []}, "models.counterpart"),
        ({"counterparts": "qwen"}, "models.counterparts"),
        ({"counterparts": ["qwne"]}, "models.counterparts"),
        ({"counterparts": [1]}, "models.counterparts"),
    ],
)
def test_what_cannot_be_meant_is_refused(said: Any, field: str) -> None:
    with pytest.raises(BadDocument, match=field.replace(".", r"\.")):
        rules({"models": said}, "qwen")


def test_nothing_said_leaves_a_version_as_it_was() -> None:
    book = read({"policies": []}, endpoints=endpoints("qwen"), models={"qwen": ("qwen-plus",)})
    assert book.stand_ins is None
    named = read(
        {"policies": [], "models": {"counterparts": ["qwen"]}},
        endpoints=endpoints("qwen"),
        models={"qwen": ("qwen-plus",)},
    )
    assert named.version != book.version
