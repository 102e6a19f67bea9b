"""The parameters of chat that a vendor's own SDK publishes: the argument is the package; prints one JSON."""

import importlib
import inspect
import json
import sys

METHODS = {
    "zai": ("zai.api_resource.chat.completions", "Completions", "create"),
    "zhipuai": ("zhipuai.api_resource.chat.completions", "Completions", "create"),
    "dashscope": ("dashscope.aigc.generation", "Generation", "call"),
}

module, kind, method = METHODS[sys.argv[1]]
function = getattr(getattr(importlib.import_module(module), kind), method)
print(json.dumps(list(inspect.signature(function).parameters)))  # noqa: T201 - the answer
