"""The handler as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from include.serving.api import problems, schema
from include.serving.api.handler import Answering, Handler, Head, Reply

ARRIVING = 5.0  # seconds that a body may take

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Application:
    """Serves a handler.

    Args:
        handler: answers.
        arriving: seconds that a body may take.
    """

    def __init__(self, handler: Handler, arriving: float = ARRIVING) -> None:
        self._handler, self._arriving = handler, arriving

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer what a server hands over."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            raise ValueError(f"{scope['type']} is not served")

    async def _live(self, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await asyncio.to_thread(self._handler.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        handler, head = self._handler, _head(scope)
        record = handler.arrive(head)
        try:
            handler.admit(head)
            body = await self._body(receive)
            task = handler.start(head, body, record)
            reply = handler.reply(head, record, None if task is None else await self._result(task))
        except Exception as error:
            reply = handler.refuse(head, record, error)
        await _send(send, reply)

    async def _body(self, receive: Receive) -> bytes:
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._arriving):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise problems.client_gone()
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > schema.LARGEST:
                        raise problems.too_large(schema.LARGEST)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError as error:
            raise problems.too_slow(self._arriving) from error

    async def _result(self, task: Answering) -> Any:
        result = asyncio.wrap_future(task.future)
        await asyncio.wait([result], timeout=self._handler.patience)
        if result.done():
            return result.result()
        result.add_done_callback(_forget)
        task.give_up()
        raise problems.late(self._handler.patience)


def _forget(result: asyncio.Future[Any]) -> None:
    """Look at the end of what was given up, or asyncio complains that nobody did."""
    if not result.cancelled():
        result.exception()


def _head(scope: Message) -> Head:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Head(scope["method"], scope["path"], headers)


async def _send(send: Send, reply: Reply) -> None:
    headers = {**reply.headers, "Content-Length": str(len(reply.body))}
    listed = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": listed})
    await send({"type": "http.response.body", "body": reply.body})
