"""OpenAI's Responses.  A vendor that has them gets the request as it came; the others come to it by way of chat.

request ─► Carried ─► chat        request · items: what becomes of each field and item
answer  ◄─ answer  ◄─ chat        stream, where it comes in pieces
"""

from gapura.wire.dialect import Dialect
from gapura.wire.openai import render, render_event
from gapura.wire.responses.request import Carried, read

RESPONSES = Dialect("responses", read, render, render_event, Carried)
