"""Anthropic's Messages, whose clients come to the same models by way of chat.

request ─► Carried ─► chat        request · blocks: what becomes of each field and block
answer  ◄─ answer  ◄─ chat        stream, where it comes in pieces; errors in Anthropic's words
"""

from gapura.wire.dialect import Dialect
from gapura.wire.messages.errors import render, render_event
from gapura.wire.messages.request import Carried, read

MESSAGES = Dialect("messages", read, render, render_event, Carried, headers=frozenset({b"anthropic-beta"}))
