"""Tools, and which of them shall be called, as vendors take them."""

from collections.abc import Callable
from typing import Any

from gapura.errors import BadRequest
from gapura.providers.ask import Ask

Item = dict[str, Any]

FIELDS = frozenset({"tools", "tool_choice", "functions", "function_call"})


def carry_tools(
    *,
    kinds: frozenset[str] = frozenset({"function"}),
    choices: frozenset[str] = frozenset({"auto", "none", "required", "function"}),
    described: bool = False,
    forbidden: frozenset[str] = frozenset(),
    most: int = 0,
    strict: bool = False,
) -> Callable[[Ask], None]:
    """A step that puts `tools` and `tool_choice` into the body, and `functions` as tools.

    `kinds` are the vendor's types of tools, `choices` what it takes as a choice, `described` whether it wants a
    description of each function, `forbidden` the names it refuses, `most` the number it takes (0: any), `strict`
    whether it holds arguments to their schema.
    """

    def step(ask: Ask) -> None:
        if FIELDS.isdisjoint(ask.given):
            return
        given, choice = _given(ask)
        tools = [tool for n, item in enumerate(given) if (tool := _tool(ask, n, item, kinds, strict=strict))]
        for function in [tool["function"] for tool in tools if isinstance(tool.get("function"), dict)]:
            if described and not function.get("description"):
                ask.lose("tools.description", "the provider wants one: it is the name", "cosmetic")
                function["description"] = function.get("name", "")
            if function.get("name") in forbidden:
                ask.lose("tools.name", f"the provider refuses a function named {function['name']}", "contract")
        if most and len(tools) > most:
            ask.lose("tools", f"kept the first {most} of {len(tools)}", "contract")
            del tools[most:]
        _choose(ask, tools, choice, choices)

    return step


def _given(ask: Ask) -> tuple[list[Item], Any]:
    tools = ask.value("tools", list[dict[str, Any]]) or []
    choice = ask.value("tool_choice", str | dict[str, Any])
    functions = ask.value("functions", list[dict[str, Any]])
    call = ask.value("function_call", str | dict[str, Any])
    if functions or call is not None:
        ask.lose("functions", "became tools; the answer has tool_calls", "contract")
        tools += [{"type": "function", "function": function} for function in functions or []]
        choice = choice or ({"type": "function", "function": call} if isinstance(call, dict) else call)
    return tools, choice


def _tool(ask: Ask, number: int, given: Item, kinds: frozenset[str], *, strict: bool) -> Item | None:
    kind = given.get("type")
    if kind not in kinds:
        if not isinstance(kind, str):
            raise BadRequest(f"Invalid value for 'tools[{number}].type': expected a string.", param=f"tools[{number}]")
        ask.lose(f"tools.{kind}", "not supported", "contract")
        return None
    function = given.get("function")
    if kind != "function":
        return given
    if not isinstance(function, dict):
        raise BadRequest(f"Invalid value for 'tools[{number}].function': expected an object.", param=f"tools[{number}]")
    if strict:
        return given
    if function.get("strict"):
        ask.lose("tools.strict", "arguments are not held to the schema", "behavioural")
    return {**given, "function": {name: value for name, value in function.items() if name != "strict"}}


def _choose(ask: Ask, tools: list[Item], choice: Any, choices: frozenset[str]) -> None:
    if not tools:
        return
    kind = choice.get("type", "") if isinstance(choice, dict) else choice
    if kind == "none" and kind not in choices:
        ask.lose("tools", "left out, since none may be called", "cosmetic")
        return
    ask.body["tools"] = tools
    if kind in choices:
        ask.body["tool_choice"] = choice
    elif kind:
        ask.lose("tool_choice", f"{kind} is not supported", "contract")
