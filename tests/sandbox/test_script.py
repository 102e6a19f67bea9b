"""What is said, before any vendor writes it down."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gapura.sandbox.script import Choice, Manner, Turn, compose, recite, tokens, weigh
from gapura.sandbox.shape import Chat, Function, Message, Tool

CITY = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOLS = [Tool("function", Function(name, None, CITY)) for name in ("weather", "traffic")]


def turn(manner: Manner | None = None, text: str = "Selamat pagi", **fields: Any) -> Turn:
    chat = Chat(model="m", **{"messages": [Message("user", text)], **fields})
    return compose(chat, "0" * 32, manner or Manner("Testing"))


def said(manner: Manner | None = None, **fields: Any) -> Choice:
    return turn(manner, **fields).choices[0]


def test_it_names_vendor_and_model_and_repeats_the_first_words() -> None:
    assert said().text == "The Testing sandbox, m, heard: Selamat pagi"
    assert said(text=" ".join(map(str, range(100)))).text.endswith("heard: 0 1 2 3 4 5 6 7 8 9 10 11")


@given(st.text())
def test_tokens_lose_nothing(text: str) -> None:
    assert "".join(tokens(text)) == text


@given(st.integers(1, 60), st.booleans(), st.sampled_from([[], TOOLS]), st.integers(1, 3))
def test_a_limit_is_never_passed(cap: int, thinks: bool, tools: list[Tool], n: int) -> None:
    free = turn(Manner("T", thinks=thinks), tools=tools, n=n)
    bound = turn(Manner("T", thinks=thinks, total_cap=cap), tools=tools, n=n)
    for choice, whole in zip(bound.choices, free.choices, strict=True):
        assert choice.length == min(cap, whole.length)
        assert (choice.finish == "length") == (whole.length > cap)


def test_the_limit_on_the_answer_leaves_the_thoughts_alone() -> None:
    choice = said(Manner("T", thinks=True, answer_cap=2))
    assert len(choice.tokens) == 2 and len(choice.thoughts) > 2 and choice.finish == "length"
    assert len(said(Manner("T", thinks=True, thought_cap=3)).thoughts) == 3


@pytest.mark.parametrize(
    ("stop", "text"),
    [
        ("heard", "The Testing sandbox, m, "),
        (["pagi", "sandbox"], "The Testing "),
        (["nowhere", ""], "The Testing sandbox, m, heard: Selamat pagi"),
        ([[1, 2]], "The Testing sandbox, m, heard: Selamat pagi"),
    ],
)
def test_a_stop_sequence_ends_the_text(stop: Any, text: str) -> None:
    choice = said(stop=stop)
    assert (choice.text, choice.finish) == (text, "stop")


def test_tools_are_called_until_they_have_answered() -> None:
    names = [call.name for call in said(tools=TOOLS).calls]
    assert names == ["weather", "traffic"]
    assert [call.name for call in said(Manner("T", parallel=False), tools=TOOLS).calls] == ["weather"]
    named = {"type": "function", "function": {"name": "traffic"}}
    assert [call.name for call in said(tools=TOOLS, tool_choice=named).calls] == ["traffic"]
    assert said(tools=TOOLS, tool_choice="none").calls == ()
    answered = [Message("user", "weather?"), Message("assistant"), Message("tool", "24 degrees", tool_call_id="x")]
    done = said(tools=TOOLS, messages=answered)
    assert done.calls == () and done.text.endswith("read the tool's answer: 24 degrees")


def test_arguments_follow_the_schema_and_ids_differ() -> None:
    first, second = said(tools=TOOLS).calls
    assert json.loads("".join(first.arguments)) == {"city": "Selamat pagi"}
    assert first.id != second.id


def test_json_is_said_where_json_is_asked_for() -> None:
    assert json.loads(said(response_format={"type": "json_object"}).text)["heard"] == "Selamat pagi"
    schema = {"type": "json_schema", "json_schema": {"name": "place", "schema": CITY}}
    assert json.loads(said(response_format=schema).text) == {"city": "Selamat pagi"}


@pytest.mark.parametrize("form", [{"type": "json_object"}, None])
def test_a_schema_in_the_words_of_a_system_message_is_followed(form: dict[str, Any] | None) -> None:
    def asked(*messages: tuple[str, str]) -> str:
        return said(messages=[Message(*one) for one in messages], response_format=form).text

    stated = f"Answer with JSON. The schema: {json.dumps(CITY)} Nothing else."
    assert json.loads(asked(("system", stated), ("user", "Selamat pagi"))) == {"city": "Selamat pagi"}
    assert "heard" in asked(("user", stated)) and "heard" in asked(("system", "The schema: {no"), ("user", "Pagi"))


def test_input_grows_with_messages_images_and_tools() -> None:
    plain = Chat("m", [Message("user", "hi")])
    picture = Chat("m", [Message("user", [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {}}])])
    assert weigh(plain) == 3 + 3 + 1
    assert weigh(picture) == weigh(plain) + 85
    assert weigh(Chat("m", [Message("user", "hi")], tools=TOOLS)) > weigh(plain)
    assert "saw 1 images" in compose(picture, "0" * 32, Manner("T")).choices[0].text


def test_a_recital_has_the_length_that_was_asked_for() -> None:
    assert recite(Chat("m", [Message("user", "hi")]), "0" * 32, 7).output == 7
