"""What LangChain's ChatOpenAI makes of a gateway: arguments are its base URL, a key and models; prints one JSON."""

import json
import sys

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

URL, KEY, *MODELS = sys.argv[1:]
QUESTION = HumanMessage("Selamat pagi")


@tool
def weather(city: str) -> str:
    """Tells the weather of a city"""
    return "24 degrees"


def trial(model):
    chat = ChatOpenAI(base_url=URL, api_key=KEY, model=model, max_retries=0, stream_usage=True)
    plain = chat.invoke([QUESTION])
    chunks = list(chat.stream([QUESTION]))
    whole = sum(chunks[1:], chunks[0])
    asked = chat.bind_tools([weather]).invoke([QUESTION])
    call = asked.tool_calls[0]
    return {
        "plain": plain.content,
        "tokens": [plain.usage_metadata["total_tokens"], whole.usage_metadata["total_tokens"]],
        "pieces": [chunk.content for chunk in chunks],
        "called_with": call["args"],
        "after_the_call": chat.bind_tools([weather]).invoke([QUESTION, asked, weather.invoke(call)]).content,
    }


def refusal():
    try:
        ChatOpenAI(base_url=URL, api_key="sk-wrong", model=MODELS[0], max_retries=0).invoke([QUESTION])
    except Exception as error:  # noqa: BLE001 - whichever it raises is the finding
        return [type(error).__name__, error.status_code, error.code]


sys.stdout.write(json.dumps({"models": {model: trial(model) for model in MODELS}, "refused": refusal()}))
