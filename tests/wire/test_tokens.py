"""The bound really bounds: every text costs at most a token a byte."""

from hypothesis import given
from hypothesis import strategies as st

from gapura.wire import tokens


@given(st.text())
def test_an_estimate_is_never_above_the_bound(text: str) -> None:
    assert 0 <= tokens.estimate(text) <= tokens.bound(text.encode())


def test_pictures_count_besides_their_address() -> None:
    picture = b'{"type":"image_url","image_url":{"url":"https://pictures.test/a.png"}}'
    assert tokens.bound(picture * 2) - tokens.bound(b"x" * len(picture) * 2) == 2 * tokens.IMAGE
