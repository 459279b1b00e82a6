"""Errors as AWS writes them in each of its protocols."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

JSON, CBOR, QUERY, REST = "json", "cbor", "query", "rest"


class ServiceError(Exception):
    """A request that is answered with an error of AWS.

    Args:
        code: what a client finds as ``Error.Code``.
        message: what a person reads.
        status: of HTTP.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.status = code, message, status

    def body(self, protocol: str) -> tuple[bytes, dict[str, str]]:
        """Body and headers of the answer.

        Args:
            protocol: JSON, CBOR, QUERY or REST (the XML of S3).
        """
        if protocol == CBOR:
            told = _cbor({"__type": self.code, "message": self.message})
            return told, {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"}
        if protocol == JSON:
            told = json.dumps({"__type": self.code, "message": self.message}).encode()
            return told, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-ErrorType": self.code}
        inner = f"<Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message>"
        text = f"<Error>{inner}</Error>"
        if protocol == QUERY:
            text = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error></ErrorResponse>"
        return text.encode(), {"Content-Type": "text/xml"}


def invalid(message: str) -> ServiceError:
    """A request that SageMaker refuses as it is."""
    return ServiceError("ValidationException", message)


def _cbor(texts: dict[str, str]) -> bytes:
    """A small map of texts in CBOR (RFC 8949)."""
    return bytes([0xA0 + len(texts)]) + b"".join(_cbor_text(text) for pair in texts.items() for text in pair)


def _cbor_text(text: str) -> bytes:
    data = text.encode()
    return b"\x7a" + len(data).to_bytes(4, "big") + data
