"""What LlamaIndex makes of a gateway: arguments are its base URL, a key and models; prints one JSON.

The call of a tool, and what follows it, is its own agent's loop.
"""

import asyncio
import json
import sys

from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

URL, KEY, *MODELS = sys.argv[1:]
QUESTION = "Selamat pagi"


def weather(city: str) -> str:
    """Tells the weather of a city"""
    return "24 degrees"


def client(model, key=KEY):
    return OpenAILike(
        api_base=URL, api_key=key, model=model, max_retries=0, is_chat_model=True, is_function_calling_model=True
    )


async def loop(model):
    handler = FunctionAgent(tools=[weather], llm=client(model), streaming=False).run(user_msg=QUESTION)
    called = [event.tool_kwargs async for event in handler.stream_events() if isinstance(event, ToolCallResult)]
    return called[0], str(await handler)


def trial(model):
    chat, ask = client(model), [ChatMessage(role="user", content=QUESTION)]
    plain = chat.chat(ask)
    pieces = list(chat.stream_chat(ask, stream_options={"include_usage": True}))
    called, after = asyncio.run(loop(model))
    return {
        "plain": plain.message.content,
        "tokens": [plain.raw.usage.total_tokens, pieces[-1].raw.usage.total_tokens],
        "pieces": [piece.delta for piece in pieces if piece.delta],
        "called_with": called,
        "after_the_call": after,
    }


def refusal():
    try:
        client(MODELS[0], "sk-wrong").chat([ChatMessage(role="user", content=QUESTION)])
    except Exception as error:  # noqa: BLE001 - whichever it raises is the finding
        return [type(error).__name__, error.status_code, error.code]


sys.stdout.write(json.dumps({"models": {model: trial(model) for model in MODELS}, "refused": refusal()}))
