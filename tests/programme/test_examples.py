"""The programmes of June 2024 as data: read, and what the sources say is what they give."""

import pytest
from tests.programme.conftest import example, examples

from gapura.programme.grant import amounts
from gapura.programme.offer import read

MILLION = 1_000_000


@pytest.mark.parametrize("name", examples())
def test_each_has_its_sources_and_says_what_was_chosen(name: str) -> None:
    text = example(name)
    offer = read(text)
    assert offer.id == name
    assert offer.source and offer.as_of
    assert "hosen here" in text


def test_what_the_sources_say() -> None:
    assert examples() == ["alibaba-2024", "baidu-2024", "zhipu-2024"]
    zhipu, baidu, alibaba = (read(example(name)) for name in ("zhipu-2024", "baidu-2024", "alibaba-2024"))
    assert amounts(zhipu, 7 * MILLION) == (50 * MILLION, 100 * MILLION, 7 * MILLION)
    assert amounts(baidu, 7 * MILLION) == (50 * MILLION, 7 * MILLION)
    assert amounts(alibaba, 7 * MILLION) == (22 * MILLION,)
