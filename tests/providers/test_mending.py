"""A second request is paid for, or is not made."""

import json
from typing import Any

import pytest

from gapura.errors import UpstreamFailed
from gapura.providers.base import Translation
from gapura.providers.forms import Form
from gapura.providers.glm import GLM
from gapura.providers.mending import Looked, again
from gapura.providers.outbound import Outbound
from gapura.providers.schema import Schema
from gapura.terms.rulebook import Route, Target
from gapura.terms.usage import Usage

FORM = Form(Schema({"type": "object"}))
TARGET = Target("glm", "glm-4.6")


def outbound(held: tuple[int, int] | None) -> Outbound:
    sent = Translation(b"{}", form=FORM)
    return Outbound(GLM, GLM, TARGET, Route(model="m", targets=(TARGET,)), sent, (), False, False, held=held)


@pytest.mark.parametrize(("held", "cap"), [(None, None), ((5000, 0), None), ((5000, 100), 96), ((800, 5000), 4996)])
def test_what_is_left_of_the_hold_is_its_cap(held: tuple[int, int] | None, cap: int | None) -> None:
    sent: dict[str, Any] = json.loads(again(outbound(held), FORM, Looked(b"", "no JSON", "x"), Usage(10, 4)).body)
    assert sent.get("max_tokens") == cap


@pytest.mark.parametrize(
    ("held", "usage", "choices"),
    [((600, 0), Usage(10, 4), 1), ((5000, 60), Usage(10, 4), 1), ((5000, 0), None, 1), (None, Usage(10, 4), 2)],
)
def test_without_enough_of_it_the_answer_is_an_error(
    held: tuple[int, int] | None, usage: Usage | None, choices: int
) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        again(outbound(held), FORM, Looked(b"", "no JSON", "x", choices), usage)
    assert (caught.value.code, caught.value.trips, caught.value.advance) == ("schema_not_met", False, True)
