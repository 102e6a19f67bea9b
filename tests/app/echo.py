"""A vendor that repeats what it was sent, its key above all, in every way of answering and of failing."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ANSWER: dict[str, Any] = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}


class Echo(http.server.BaseHTTPRequestHandler):
    """The model's name says what comes: `ok`, `html`, `garbage`, `broken`, `hang`, or the status of an error."""

    protocol_version = "HTTP/1.1"
    says = ""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        key = self.headers["authorization"].removeprefix("Bearer ")
        model, wants = body["model"], f"{key} sent {json.dumps(body)}"
        if body.get("stream"):
            self._stream(model, {"message": f"no {wants}", "type": "server_error", "code": "x", "param": key})
        elif model == "ok":
            message = {"role": "assistant", "content": self.says}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._say(200, json.dumps(ANSWER | {"choices": [choice], "usage": USAGE}))
        elif model in {"html", "garbage"}:
            self._say(502 if model == "html" else 200, f"<html>{wants}")
        else:
            error = {"message": f"no {wants}", "type": f"t-{key}", "param": f"p-{key}", "code": f"c-{key}"}
            self._say(int(model), json.dumps({"error": error}))

    def _say(self, status: int, text: str, kind: str = "application/json", *, more: int = 0) -> None:
        """`more`: so many bytes are announced that never come."""
        data = text.encode()
        self.send_response(status, self.headers["authorization"])
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data) + more))
        self.send_header("x-echo", self.headers["authorization"])
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, model: str, error: dict[str, str]) -> None:
        choices = [{"index": 0, "delta": {"content": self.says}, "finish_reason": None}]
        token = f"data: {json.dumps(ANSWER | {'object': 'chat.completion.chunk', 'choices': choices})}\n\n"
        last = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
        end = f"data: {json.dumps(ANSWER | {'choices': last, 'usage': USAGE})}\n\ndata: [DONE]\n\n"
        rest = {
            "ok": end,
            "garbage": f"data: {{{error['message']}\n\n",
            "broken": f"data: {json.dumps({'error': error})}\n\n",
        }
        if model == "hang":
            self._say(200, token, "text/event-stream", more=1)
            self.rfile.read(1)  # until the gate is gone
        else:
            self._say(200, token + rest[model], "text/event-stream")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def echoing(says: str) -> Iterator[int]:
    """Its port; `says` is its answer where it gives one."""
    kind = type("Echoing", (Echo,), {"says": says})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
