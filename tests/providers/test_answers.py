"""What a vendor says of usage."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gapura.providers.answers import usage_of
from gapura.providers.plain_answers import MOST_TOKENS

NUMBERS = st.sampled_from([0, 12, MOST_TOKENS, MOST_TOKENS + 1, -1, 3.0, "7", True, None])
DETAILS = (
    st.none() | st.text(max_size=2) | st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), NUMBERS)
)
PLAIN = st.fixed_dictionaries(
    {"prompt_tokens": NUMBERS, "completion_tokens": NUMBERS},
    optional={"total_tokens": NUMBERS, "prompt_tokens_details": DETAILS, "completion_tokens_details": DETAILS},
)


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_openais_words_alone_are_read_as_beside_others(said: dict[str, Any]) -> None:
    assert usage_of(said) == usage_of(said | {"words_of_a_vendor": 1})
