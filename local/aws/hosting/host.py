"""The process that stands for an instance: a model server as in AWS's images, with many models.

It is run by the interpreter of the image and imports nothing but the script it serves: ``model_fn`` loads a
model, ``transform_fn`` answers. Whoever started it talks the container contract of multi-model endpoints:

    GET  /ping                      200 once the script is there
    POST /models                    {"model_name", "url"}: 200, 409 loaded already, 507 not enough memory
    GET  /models, /models/NAME      what is loaded
    DELETE /models/NAME             200, or 404
    POST /models/NAME/invoke        the answer of the script

Memory is counted in bytes of the unpacked model. The process ends when its standard input does: it does not
outlive the server that started it, however that ended.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import os
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

PAGE = 100  # models of a list
TEXT = ("application/json", "text/csv")  # bodies that the toolkit hands over as text


class Answer(NamedTuple):
    """What a request is answered with."""

    status: int
    body: bytes
    kind: str = "application/json"


class Context:
    """What a script is told of a request, and what it may say of its answer.

    Attributes:
        status: of HTTP.
    """

    def __init__(self) -> None:
        self.status = 200

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Answer with another status."""
        self.status = code


class Models:
    """The models that are loaded. Threads may use it at once.

    Args:
        script: the module with ``model_fn`` and ``transform_fn``.
        memory: bytes that models may take together.
    """

    def __init__(self, script: Any, memory: int) -> None:
        self._script, self._memory = script, memory
        self._lock = threading.Lock()
        self._loaded: dict[str, tuple[str, int]] = {}
        self._models: dict[str, Any] = {}
        self._has_context = len(inspect.signature(script.transform_fn).parameters) == 5

    def load(self, name: str, url: str) -> Answer:
        """Load a model from a folder."""
        size = sum(path.stat().st_size for path in Path(url).rglob("*") if path.is_file())
        with self._lock:
            if name in self._loaded:
                return _told(409, f"Model {name} is loaded already.")
            if size + sum(other for _, other in self._loaded.values()) > self._memory:
                return _told(507, f"There is no memory for model {name} of {size:,} bytes.")
            self._loaded[name] = url, size
        try:
            model = self._script.model_fn(url)
        except Exception as error:
            self._forget(name)
            return _failed(507 if isinstance(error, MemoryError) else 500, error)
        with self._lock:
            self._models[name] = model
        return _told(200, f"Model {name} is loaded.")

    def unload(self, name: str) -> Answer:
        """Forget a model."""
        return _told(200, f"Model {name} is unloaded.") if self._forget(name) else _unknown(name)

    def list(self, after: int) -> Answer:
        """A page of what is loaded."""
        with self._lock:
            known = [{"modelName": name, "modelUrl": url} for name, (url, _) in self._loaded.items()]
        told: dict[str, Any] = {"models": known[after : after + PAGE]}
        if len(known) > after + PAGE:
            told["nextPageToken"] = str(after + PAGE)
        return Answer(200, json.dumps(told).encode())

    def show(self, name: str) -> Answer:
        """One model."""
        with self._lock:
            found = self._loaded.get(name)
        if found is None:
            return _unknown(name)
        return Answer(200, json.dumps({"modelName": name, "modelUrl": found[0]}).encode())

    def invoke(self, name: str, body: bytes, kind: str, accept: str) -> Answer:
        """Ask a model."""
        with self._lock:
            model = self._models.get(name)
        if model is None:
            return _unknown(name)
        context = Context()
        more = (context,) if self._has_context else ()
        try:
            given = body.decode() if kind.partition(";")[0] in TEXT else body
            told = self._script.transform_fn(model, given, kind, accept, *more)
        except Exception as error:
            return _failed(500, error)
        answer, answered = told if isinstance(told, tuple) else (told, accept)
        return Answer(context.status, answer.encode() if isinstance(answer, str) else answer, answered)

    def _forget(self, name: str) -> bool:
        with self._lock:
            self._models.pop(name, None)
            return self._loaded.pop(name, None) is not None


class Handler(BaseHTTPRequestHandler):
    """The contract over HTTP."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together
    models: Models  # of the server; its class sets it

    def do_GET(self) -> None:
        """Health and lists."""
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/ping":
            self._answer(Answer(200, b"{}"))
        elif path == "/models":
            self._answer(self.models.list(int(query.get("next_page_token", ["0"])[0])))
        else:
            self._answer(self.models.show(path.removeprefix("/models/")))

    def do_POST(self) -> None:
        """Load and ask."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/models":
            asked = json.loads(body)
            self._answer(self.models.load(asked["model_name"], asked["url"]))
            return
        name = self.path.removeprefix("/models/").removesuffix("/invoke")
        kind = self.headers.get("Content-Type") or "application/octet-stream"
        accept = self.headers.get("Accept") or "*/*"
        self._answer(self.models.invoke(name, body, kind, "application/json" if accept == "*/*" else accept))

    def do_DELETE(self) -> None:
        """Unload."""
        self._answer(self.models.unload(self.path.removeprefix("/models/")))

    def log_message(self, format: str, *args: Any) -> None:
        """Silence: the metrics count the requests."""

    def _answer(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)


class Server(ThreadingHTTPServer):
    """A thread for each connection.

    Args:
        descriptor: of the socket that listens already.
    """

    daemon_threads = True

    def __init__(self, descriptor: int) -> None:
        super().__init__(("", 0), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = socket.socket(fileno=descriptor)


def main() -> None:
    """Serve a script until standard input ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, help="script in the folder of the code")
    parser.add_argument("--memory", type=int, required=True, help="bytes for models")
    parser.add_argument("--listener", type=int, required=True, help="descriptor of the socket that listens")
    options = parser.parse_args()
    threading.Thread(target=_end_with_input, daemon=True).start()
    script = importlib.import_module(Path(options.program).stem)
    Handler.models = Models(script, options.memory)
    Server(options.listener).serve_forever()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _told(status: int, message: str) -> Answer:
    return Answer(status, json.dumps({"status": message}).encode())


def _unknown(name: str) -> Answer:
    return _told(404, f"Model {name} is not loaded.")


def _failed(status: int, error: Exception) -> Answer:
    traceback.print_exc()
    return Answer(status, f"{error}\n{traceback.format_exc()}".encode(), "text/plain")


if __name__ == "__main__":
    main()
