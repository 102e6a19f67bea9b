"""Whether the model shall think before it answers, said in each vendor's way.

An application that does not ask for reasoning does not get it, and does not pay for it: models that think unless
told otherwise are told otherwise.  It asks by OpenAI's `reasoning_effort`, or by a vendor's own switch, whichever
vendor answers.
"""

from collections.abc import Callable
from typing import Any

from gapura.providers.ask import Ask

OFF = {"none", "minimal"}


def carry_thinking(*, switch: str = "", efforts: frozenset[str] = frozenset()) -> Callable[[Ask], None]:
    """A step for `reasoning_effort`, `enable_thinking`, `thinking` and `thinking_budget`.

    `switch` and `efforts` are what the vendor's models take of which nothing else is known.
    """

    def step(ask: Ask) -> None:
        facts, effort = ask.facts, ask.value("reasoning_effort", str)
        asked_by, think = wanted(ask, effort)
        lever = facts.switch if facts.thinks else switch
        if think is None:
            if facts.thinks == "default":
                ask.body[lever] = _position(lever, on=False)
            return
        if facts.thinks == "always" and not think:
            ask.lose(asked_by, f"{ask.model} always thinks", "behavioural")
            return
        by_degree = effort in (facts.efforts if facts.thinks else efforts)
        if by_degree:
            ask.body["reasoning_effort"] = effort
        elif effort is not None and think:
            why = f"{effort} became thinking, without a degree" if lever else f"{effort} is not supported"
            ask.lose("reasoning_effort", why, "behavioural")
        if lever and not (by_degree and not facts.thinks):
            ask.body[lever] = _position(lever, on=think)
            if lever == "thinking" and lever in ask.given:
                ask.body[lever] = ask.given[lever]  # it may say more than on or off
        elif not lever and not facts.thinks:
            ask.body |= {name: ask.given[name] for name in ("enable_thinking", "thinking") if name in ask.given}

    return step


def wanted(ask: Ask, effort: Any) -> tuple[str, bool | None]:
    """The field that says whether to think, and what it says."""
    switch: bool | None = ask.value("enable_thinking", bool)
    thinking: dict[str, Any] | None = ask.value("thinking", dict[str, Any])
    if switch is not None:
        return "enable_thinking", switch
    if thinking is not None:
        return "thinking", thinking.get("type") != "disabled"
    if effort is not None:
        return "reasoning_effort", effort not in OFF
    return "thinking_budget", True if ask.value("thinking_budget", int) else None


def _position(switch: str, *, on: bool) -> Any:
    if switch == "chat_template_kwargs":  # vLLM, SGLang, llama.cpp: the template of the model has the switch
        return {"enable_thinking": on}
    return on if switch == "enable_thinking" else {"type": "enabled" if on else "disabled"}
