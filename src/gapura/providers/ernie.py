"""Baidu's ERNIE behind Qianfan v2 (cloud.baidu.com/doc/qianfan-api/s/wmwbl48n4, errors Om9b4yj3w, 2025-12)."""

from gapura.providers.ask import Ask
from gapura.providers.embeddings import Embeddings
from gapura.providers.faults import Rule
from gapura.providers.fields import COMMON, ELSEWHERE_UNKNOWN, clamp, drop, keep, listed, step, typed
from gapura.providers.messages import carry_messages
from gapura.providers.rerank import Rerank
from gapura.providers.thinking import carry_thinking
from gapura.providers.tools import carry_tools
from gapura.providers.turns import carry_turns
from gapura.providers.vendor import Vendor, carry_limit, carry_stream_options

FIELDS = {
    **ELSEWHERE_UNKNOWN,
    **COMMON,
    "max_tokens": step("`max_completion_tokens`, at most what the model writes", "behavioural"),
    "max_completion_tokens": step("kept, at most what the model writes", "behavioural"),
    # Qianfan takes (0, 1].  We move to the nearest value rather than halve, so that what both take stays the same.
    "temperature": clamp(0.0, 1.0, above=0.01),
    "top_p": clamp(0.0, 1.0),
    "presence_penalty": keep(),
    "frequency_penalty": keep(),
    "n": drop("contract", means_nothing=(1,)),
    "stop": listed(),
    "seed": keep(),
    "logprobs": drop("contract", means_nothing=(False,)),
    "top_logprobs": drop("contract", means_nothing=(0,)),
    "user": typed(str),
    "metadata": keep(),
    "tool_choice": step("kept"),
    "parallel_tool_calls": step("kept"),
    "response_format": keep(),
    "stream_options": step("usage is always asked for"),
    "reasoning_effort": step("kept: high, max; else the model's switch", "behavioural"),
    "enable_thinking": step("the model's switch; off where it thinks by default and nobody asked", "behavioural"),
    "thinking": step("the model's switch"),
    "thinking_budget": drop("behavioural"),
    **dict.fromkeys(("penalty_score", "web_search", "fps", "plugin_options", "extra_parameters"), keep()),
}

FAULTS = (
    Rule("context", r"characters_too_long|tokens_too_long"),
    Rule("context", message=r"maximum context length|input (tokens|text) (is |are )?too long"),
    Rule("policy", r".*_unsafe|unsafe_request"),
    Rule("image", r"invalid_image_\w+"),
    # No money comes as a 403 with the type of a refusal, a plan that is used up as a 429 (logs of 2026-08 and -09).
    Rule("quota", r"billing_.*|account_overdue|.*quota_exceeded|.*balance.*"),
    Rule("tokens", r".*tpm_rate_limit_exceeded"),
    Rule("requests", r".*rate_limit_exceeded|offline_batch_reasoning_refused"),
    Rule("credentials", r"invalid_iam_token|invalid_appid|missing_authorization|coding_plan_api_key_not_allowed"),
    # One code for two things: a name that does not exist, and a request without one.
    Rule("invalid", r"invalid_model", message=r"empty"),
    Rule("model", r"invalid_model"),
    Rule("permission", r"no_parameter_permission|access_denied"),
    Rule("method", r"method_not_supported"),
    Rule("invalid", r"malformed_json|invalid_messages|invalid_argument|invalid_plugin_argument|inappropriatejson"),
    Rule("overloaded", message=r"high load"),
    Rule("failed", r"internal_error|dispatch_internal_error|image_genration_interal_error"),
    # Qianfan v1, which some gateways in front of it still speak: numbers, inside a 200.
    Rule("context", r"336007|336103"),
    Rule("quota", r"17|19"),
    Rule("tokens", r"336502"),
    Rule("requests", r"4|18|336501"),
    Rule("credentials", r"13|14|15|100|110|111|invalid_client"),
    Rule("permission", r"6|336004"),
    Rule("model", r"3|336005"),
    Rule("method", r"336101"),
    Rule("overloaded", r"2|336100"),
    Rule("invalid", r"33600[1-3]|33610[45]"),
    Rule("failed", r"1|336000|500000"),
)


def carry_parallel(ask: Ask) -> None:
    if "tools" in ask.body and "parallel_tool_calls" in ask.given:
        ask.body["parallel_tool_calls"] = ask.value("parallel_tool_calls", bool)


ERNIE = Vendor(
    name="ernie",
    fields=FIELDS,
    steps=(
        carry_messages(),
        carry_turns,
        carry_tools(),
        carry_parallel,
        carry_thinking(efforts=frozenset({"high", "max"})),
        carry_stream_options,
        carry_limit(lambda _: "max_completion_tokens"),
    ),
    faults=FAULTS,
    others={
        "embeddings": Embeddings(name="ernie", rules=FAULTS, most=16),
        "rerank": Rerank(name="ernie", rules=FAULTS, most=64, path="/rerank"),
    },
)
