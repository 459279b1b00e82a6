"""Signatures of AWS, version 4, as the stand-ins check them: whoever signs must know the secret."""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple, Protocol
from urllib.parse import quote, unquote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
_HEADER = re.compile(
    ALGORITHM + r" Credential=([^,\s]+), ?SignedHeaders=([^,\s]+), ?Signature=([0-9a-f]{64})"
)
_DATE = "%Y%m%dT%H%M%SZ"


class Headers(Protocol):
    """What is asked of the headers of a request; names count in any case."""

    def get(self, name: str, default: str, /) -> str:
        """The value of one."""


class Signature(NamedTuple):
    """What a request brings to show who asks.

    Attributes:
        key_id: whose secret was used.
        scope: date, region and service, as they stand in the credential.
        headers: names of the headers that were signed.
        value: the signature, hexadecimal.
        at: when it was made, as it was written.
        lasts: seconds it is good for; None for that of a header.
    """

    key_id: str
    scope: tuple[str, str, str]
    headers: tuple[str, ...]
    value: str
    at: str
    lasts: int | None = None

    @classmethod
    def of(cls, target: str, headers: Headers) -> Signature | None:
        """The signature of a request, of a header or, of a presigned one, of the query; None without one."""
        if match := _HEADER.fullmatch(headers.get("Authorization", "")):
            return _made(match[1], match[2], match[3], headers.get("X-Amz-Date", ""), None)
        asked = {name.lower(): value for name, value in _query(target)}
        if asked.get("x-amz-algorithm") != ALGORITHM:
            return None
        lasts = asked.get("x-amz-expires", "")
        return _made(
            asked.get("x-amz-credential", ""),
            asked.get("x-amz-signedheaders", ""),
            asked.get("x-amz-signature", ""),
            asked.get("x-amz-date", ""),
            int(lasts) if lasts.isdecimal() else 0,
        )

    def is_over(self, now: datetime) -> bool:
        """Whether a presigned request came too late."""
        if self.lasts is None:
            return False
        try:
            made = datetime.strptime(self.at, _DATE).replace(tzinfo=UTC)
        except ValueError:
            return True
        return now > made + timedelta(seconds=self.lasts)

    def fits(self, method: str, target: str, headers: Headers, payload: str, secret: str) -> bool:
        """Whether it is the one that the secret gives for this request.

        Args:
            method: of HTTP.
            target: path and query as they were sent.
            headers: of the request.
            payload: SHA-256 of the body, or what stands for it.
            secret: of the key id.
        """
        path = urlsplit(target).path or "/"
        asked = sorted(
            f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}"
            for name, value in _query(target)
            if name.lower() != "x-amz-signature"
        )
        canonical = (
            method,
            path if self.scope[2] == "s3" else quote(path, safe="/~"),
            "&".join(asked),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in self.headers),
            "",
            ";".join(self.headers),
            payload,
        )
        hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
        signed = "\n".join((ALGORITHM, self.at, "/".join((*self.scope, "aws4_request")), hashed))
        wanted = hmac.new(_key(secret, *self.scope), signed.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted, self.value)


def _made(credential: str, headers: str, value: str, at: str, lasts: int | None) -> Signature | None:
    key_id, *scope = credential.split("/")
    if len(scope) != 4 or scope[3] != "aws4_request":
        return None
    return Signature(key_id, (scope[0], scope[1], scope[2]), tuple(headers.split(";")), value, at, lasts)


def _query(target: str) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in urlsplit(target).query.split("&") if part]
    return [(unquote(name), unquote(value)) for name, _, value in parts]


@lru_cache(maxsize=64)
def _key(secret: str, *scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (*scope, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key
