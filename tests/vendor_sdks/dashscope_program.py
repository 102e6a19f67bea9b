"""What dashscope's SDK makes of the sandbox: arguments are the base URLs (native, compatible); prints one JSON."""

import json
import sys

import dashscope

NATIVE, COMPATIBLE = sys.argv[1:]
MESSAGES = [{"role": "user", "content": "Selamat pagi"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "Tells something of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
    }
    for name in ("weather", "traffic")
]
dashscope.base_http_api_url = NATIVE


def native(**more):
    arguments = {"model": "qwen-plus", "messages": MESSAGES, "api_key": "sk-any", "result_format": "message"}
    return dashscope.Generation.call(**{**arguments, **more})


def shown(answer):
    return {
        "status": answer.status_code,
        "code": answer.code,
        "request": answer.request_id,
        "output": answer.output,
        "usage": answer.usage,
    }


def streamed(**more):
    return [shown(answer) for answer in native(stream=True, **more)]


def outcome(work):
    """What an application would have to catch."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whichever the SDK raises is the finding
        return {"raised": type(error).__name__, "status": getattr(error, "status_code", None), "text": str(error)[:200]}


compatible = dashscope.Client(api_key="sk-any", base_url=COMPATIBLE, protocol="openai", max_retries=0)


def chat(**more):
    return compatible.chat.completions.create(**{"model": "qwen-plus", "messages": MESSAGES, **more})


def dumped(answer):
    return answer.model_dump() if hasattr(answer, "model_dump") else json.loads(json.dumps(answer, default=vars))


found = {
    "plain": shown(native()),
    "text": shown(native(result_format="text")),
    "tools": shown(native(tools=TOOLS, parallel_tool_calls=True)),
    "incremental": streamed(incremental_output=True),
    "cumulative": streamed(incremental_output=False),
    "thinking": streamed(incremental_output=True, enable_thinking=True),
    "stream_tools": streamed(incremental_output=True, tools=TOOLS),
    "refused": shown(native(temperature=2.0)),
    "refused_stream": streamed(temperature=2.0),
    "limited": shown(native(model="sandbox-429")),
    "arrears": shown(native(model="sandbox-quota")),
    "late": outcome(lambda: streamed(model="sandbox-error-in-stream", incremental_output=True)),
    "compatible_plain": dumped(chat()),
    "compatible_stream": [dumped(c) for c in chat(stream=True, parameters={"stream_options": {"include_usage": True}})],
    "compatible_tools": [dumped(c) for c in chat(stream=True, tools=TOOLS)],
    "compatible_limited": outcome(lambda: dumped(chat(model="sandbox-429"))),
}
sys.stdout.write(json.dumps(found, default=dict))
