"""What Zhipu's SDKs make of the sandbox: arguments are the package (zhipuai or zai) and the base URL; prints one
JSON.  The two differ in a name and in how the key is sent: zhipuai signs a token with it, zai sends it as it is
unless it is told otherwise."""

import importlib
import json
import sys

PACKAGE, URL = sys.argv[1:]
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


def clients():
    Client = getattr(importlib.import_module(PACKAGE), {"zhipuai": "ZhipuAI", "zai": "ZhipuAiClient"}[PACKAGE])  # noqa: N806
    for signs in (True, False):
        yield Client(api_key="id.secret", base_url=URL, max_retries=0, disable_token_cache=not signs)


def outcome(work):
    """What an application would have to catch."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whichever the SDK raises is the finding
        return {"raised": type(error).__name__, "status": getattr(error, "status_code", None), "text": str(error)[:300]}


def trial(client):
    def chat(**more):
        return client.chat.completions.create(**{"model": "glm-4.5", "messages": MESSAGES, **more})

    def streamed(**more):
        return [chunk.model_dump() for chunk in chat(stream=True, **more)]

    tool_turn = [
        *MESSAGES,
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "24 degrees"},
    ]
    return {
        "plain": chat().model_dump(),
        "quiet": chat(thinking={"type": "disabled"}).model_dump() if PACKAGE == "zai" else None,
        "stream": streamed(),
        "usage_apart": streamed(model="glm-4.6"),
        "tools": chat(tools=TOOLS, tool_choice="auto").model_dump(),
        "stream_tools": streamed(tools=TOOLS),
        "tool_turn": chat(messages=tool_turn, tools=TOOLS).model_dump(),
        "sensitive": streamed(model="sandbox-content-filter"),
        "refused": outcome(lambda: chat(stop=["a", "b"]).model_dump()),
        "spent": outcome(lambda: chat(model="sandbox-quota").model_dump()),
        "unknown": outcome(lambda: chat(model="sandbox-404").model_dump()),
        "overloaded": outcome(lambda: chat(model="sandbox-503").model_dump()),
        "wrong_key": outcome(lambda: chat(model="sandbox-401").model_dump()),
    }


sys.stdout.write(json.dumps([trial(client) for client in clients()]))
