"""The server: one handler method per operation of S3."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO, NamedTuple
from urllib.parse import unquote

from local.s3 import documents as xml
from local.s3.connection import Connection
from local.s3.documents import Node, document
from local.s3.faults import Fault
from local.s3.objects import Draft, Entry, Objects
from local.s3.uploads import Upload, Uploads
from local.s3.wire import BLOCK
from local.stand_in import is_our_name

HOST = "127.0.0.1"
KEY_ID, SECRET = "bqx-local", "secret"  # clients must sign with them; `make run` has a secret of its own
_KEPT = ("content-type", "content-encoding", "content-disposition", "cache-control", "content-language")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class Server(ThreadingHTTPServer):
    """Serves the objects of one folder.

    Args:
        folder: where they are.
        port: 0 for any that is free.
        key_id, secret: AWS access key that clients sign with.
        public: beginnings of keys that anybody may read without a signature, as a bucket policy grants it.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        key_id: str = KEY_ID,
        public: tuple[str, ...] = (),
        secret: str = SECRET,
    ) -> None:
        self.objects, self.key, self.public = Objects(folder), (key_id, secret), public
        self.uploads = Uploads(self.objects)
        try:
            super().__init__((HOST, port), Handler)
        except OSError:
            self.objects.close()
            raise

    def server_close(self) -> None:
        """Give port and folder back."""
        super().server_close()
        self.objects.close()

    def handle_error(self, *_: object) -> None:
        """A client that went away is nothing to tell anybody about."""


class Handler(Connection):
    """The operations of S3; `ROUTES` says which request is for which."""

    server: Server

    def _key(self) -> tuple[str, str]:
        return self.server.key

    def _is_public(self) -> bool:
        asked = (
            self.command in ("GET", "HEAD") and not self.query and is_our_name(self.headers.get("Host", ""))
        )
        return asked and self.key.startswith(self.server.public)

    def _operation(self) -> Callable[[], None]:
        level = "object" if self.key else "bucket" if self.bucket else "service"
        for route in ROUTES:
            if (route.method, route.level) == (self.command, level) and (
                not route.marker or route.marker in self.query or route.marker in self.headers
            ):
                return partial(route.operation, self)
        raise Fault("MethodNotAllowed")

    # Service and buckets

    def _list_buckets(self) -> None:
        buckets: list[Node] = [
            ("Bucket", (("Name", name), ("CreationDate", xml.moment(created))))
            for name, created in self.server.objects.buckets()
        ]
        owner = ("Owner", (("ID", "bqx"), ("DisplayName", "bqx")))
        self._answer(document("ListAllMyBucketsResult", owner, ("Buckets", buckets)))

    def _create_bucket(self) -> None:
        self.body.drain()
        self.server.objects.create_bucket(self.bucket)
        self._answer(headers={"Location": f"/{self.bucket}"})

    def _delete_bucket(self) -> None:
        self.server.objects.delete_bucket(self.bucket)
        self._answer(status=204)

    def _head_bucket(self) -> None:
        self.server.objects.bucket(self.bucket)
        self._answer(headers={"x-amz-bucket-region": "us-east-1"})

    def _location(self) -> None:
        self.server.objects.bucket(self.bucket)
        self._answer(document("LocationConstraint"))

    def _list_objects(self) -> None:
        """Version 2, and version 1 for clients that do not say ``list-type=2``."""
        ask = self.query.get
        second = ask("list-type") == "2"
        prefix, delimiter, coding = ask("prefix", ""), ask("delimiter", ""), ask("encoding-type", "")
        after = ask("start-after" if second else "marker", "")
        if "continuation-token" in self.query:
            after = xml.from_token(self.query["continuation-token"])
        size = min(_number(ask("max-keys", str(xml.PAGE))), xml.PAGE)
        page = xml.page(self.server.objects.keys(self.bucket, prefix), prefix, delimiter, after, size)
        told: list[Node] = [
            ("Name", self.bucket),
            ("Prefix", xml.coded(prefix, coding)),
            ("Delimiter", xml.coded(delimiter, coding)),
            ("MaxKeys", size),
            ("IsTruncated", "false" if page.last is None else "true"),
        ]
        if coding:
            told.append(("EncodingType", coding))
        if second:
            told.append(("KeyCount", len(page.keys) + len(page.prefixes)))
        if page.last is not None:
            name, value = ("NextContinuationToken", xml.token(page.last)) if second else (
                "NextMarker", xml.coded(page.last, coding)
            )  # fmt: skip
            told.append((name, value))
        told += [("Contents", contents) for contents in self._contents(page.keys, coding)]
        told += [("CommonPrefixes", (("Prefix", xml.coded(one, coding)),)) for one in page.prefixes]
        self._answer(document("ListBucketResult", *told))

    def _contents(self, keys: list[str], coding: str) -> Iterator[list[Node]]:
        for key in keys:
            try:
                entry = self.server.objects.entry(self.bucket, key)
            except Fault:
                continue  # deleted since
            yield [
                ("Key", xml.coded(key, coding)), ("LastModified", xml.moment(entry.modified)),
                ("ETag", f'"{entry.etag}"'), ("Size", entry.size), ("StorageClass", "STANDARD"),
            ]  # fmt: skip

    def _delete_objects(self) -> None:
        root = xml.parse(self.body.read())
        quiet = root.findtext("Quiet", "false") == "true"
        self.server.objects.bucket(self.bucket)
        keys = [one.findtext("Key", "") for one in root.iter("Object")]
        if not 0 < len(keys) <= xml.PAGE:
            raise Fault("MalformedXML")
        for key in keys:
            self.server.objects.delete(self.bucket, key)
        deleted: list[Node] = [] if quiet else [("Deleted", (("Key", key),)) for key in keys]
        self._answer(document("DeleteResult", *deleted))

    # Objects

    def _put_object(self) -> None:
        ask = self.headers.get
        with self.server.objects.draft() as path:
            draft = self._received(path)
            entry = self.server.objects.put(
                self.bucket, self.key, draft, ask("If-None-Match", ""), ask("If-Match", "")
            )
        self._answer(headers={"ETag": f'"{entry.etag}"'} | self.body.checksums)

    def _received(self, path: Path) -> Draft:
        self.server.objects.bucket(self.bucket)
        self.server.objects.receive(path, self.body)
        return Draft(path, self.body.etag, self._kept_headers() | self.body.checksums)

    def _kept_headers(self) -> dict[str, str]:
        kept = {"content-type": "binary/octet-stream"}
        for name, value in self.headers.items():
            if name.lower() in _KEPT or name.lower().startswith("x-amz-meta-"):
                kept[name.lower()] = value
        encodings = kept.pop("content-encoding", "").split(",")
        if others := [one.strip() for one in encodings if one.strip() not in ("", "aws-chunked")]:
            kept["content-encoding"] = ",".join(others)
        return kept

    def _get_object(self) -> None:
        entry, stream = self.server.objects.open(self.bucket, self.key)
        with stream:
            self._check_conditions(entry)
            span = _span(self.headers.get("Range"), entry.size)
            begin, end = span or (0, entry.size)
            headers = self._described(entry)
            if span:
                headers = {name: value for name, value in headers.items() if "checksum" not in name}
                headers["Content-Range"] = f"bytes {begin}-{end - 1}/{entry.size}"
            self._begin(206 if span else 200, end - begin, headers)
            if self.command == "GET" and end > begin:
                self.connection.sendfile(stream, begin, end - begin)

    def _check_conditions(self, entry: Entry) -> None:
        ask = self.headers.get
        if ask("If-Match", entry.etag).strip('"') not in (entry.etag, "*"):
            raise Fault("PreconditionFailed")
        if ask("If-None-Match", "").strip('"') in (entry.etag, "*"):
            raise Fault("NotModified")

    def _described(self, entry: Entry) -> dict[str, str]:
        return entry.headers | {
            "ETag": f'"{entry.etag}"',
            "Last-Modified": xml.http_date(entry.modified),
            "Accept-Ranges": "bytes",
        }

    def _copy_object(self) -> None:
        replaced = self.headers.get("x-amz-metadata-directive", "COPY") == "REPLACE"
        source, stream = self._source()
        with stream, self.server.objects.draft() as path:
            self.server.objects.receive(path, _blocks(stream, 0, source.size))
            headers = self._kept_headers() if replaced else source.headers
            etag = source.etag
            entry = self.server.objects.put(self.bucket, self.key, Draft(path, etag, headers))
        self._answer(_copied("CopyObjectResult", entry.etag, entry.modified))

    def _source(self) -> tuple[Entry, BinaryIO]:
        text = unquote(self.headers["x-amz-copy-source"]).partition("?versionId")[0]
        bucket, _, key = text.removeprefix("/").partition("/")
        return self.server.objects.open(bucket, key)

    def _delete_object(self) -> None:
        self.server.objects.delete(self.bucket, self.key)
        self._answer(status=204)

    # Multipart uploads

    def _create_upload(self) -> None:
        name = self.server.uploads.create(self.bucket, self.key, self._kept_headers())
        told = ("Bucket", self.bucket), ("Key", self.key), ("UploadId", name)
        self._answer(document("InitiateMultipartUploadResult", *told))

    def _upload(self) -> Upload:
        return self.server.uploads.get(self.bucket, self.key, self.query["uploadId"])

    def _upload_part(self) -> None:
        upload = self._upload()
        with self.server.objects.draft() as path:
            draft = self._received(path)
            self.server.uploads.put(upload, _number(self.query.get("partNumber", "")), draft)
        self._answer(headers={"ETag": f'"{draft.etag}"'} | self.body.checksums)

    def _complete_upload(self) -> None:
        upload = self._upload()
        root = xml.parse(self.body.read())
        wanted = [
            (_number(part.findtext("PartNumber", "")), part.findtext("ETag", "").strip('"'))
            for part in root.iter("Part")
        ]
        unless = self.headers.get("If-None-Match", "")
        entry = self.server.uploads.complete(self.bucket, upload, wanted, unless)
        told = (
            ("Location", self.path),
            ("Bucket", self.bucket),
            ("Key", self.key),
            ("ETag", f'"{entry.etag}"'),
        )
        self._answer(document("CompleteMultipartUploadResult", *told))

    def _abort_upload(self) -> None:
        self.server.uploads.abort(self._upload())
        self._answer(status=204)

    def _list_parts(self) -> None:
        parts: list[Node] = [
            ("Part", (("PartNumber", number), ("ETag", f'"{etag}"'), ("Size", path.stat().st_size)))
            for number, etag, path in self._upload().parts
        ]
        told: list[Node] = [("Bucket", self.bucket), ("Key", self.key), ("IsTruncated", "false")]
        self._answer(document("ListPartsResult", *told, *parts))

    def _list_uploads(self) -> None:
        uploads: list[Node] = [
            ("Upload", (("Key", upload.key), ("UploadId", upload.id)))
            for upload in self.server.uploads.list(self.bucket)
        ]
        told: list[Node] = [("Bucket", self.bucket), ("IsTruncated", "false")]
        self._answer(document("ListMultipartUploadsResult", *told, *uploads))

    def _not_implemented(self) -> None:
        raise Fault("NotImplemented")


class Route(NamedTuple):
    """Which requests an operation is for: the first that fits counts.

    Attributes:
        marker: a query parameter or header that must be there; empty for none.
    """

    method: str
    level: str
    marker: str
    operation: Callable[[Handler], None]


_ABSENT = ("acl", "tagging", "versioning", "policy", "lifecycle", "versions", "object-lock", "cors")
ROUTES = (
    *(
        Route(method, level, marker, Handler._not_implemented)
        for method in ("GET", "PUT", "DELETE")
        for level in ("bucket", "object")
        for marker in _ABSENT
    ),
    Route("GET", "service", "", Handler._list_buckets),
    Route("PUT", "bucket", "", Handler._create_bucket),
    Route("HEAD", "bucket", "", Handler._head_bucket),
    Route("DELETE", "bucket", "", Handler._delete_bucket),
    Route("GET", "bucket", "location", Handler._location),
    Route("GET", "bucket", "uploads", Handler._list_uploads),
    Route("GET", "bucket", "", Handler._list_objects),
    Route("POST", "bucket", "delete", Handler._delete_objects),
    Route("PUT", "object", "x-amz-copy-source-range", Handler._not_implemented),
    Route("PUT", "object", "uploadId", Handler._upload_part),
    Route("PUT", "object", "x-amz-copy-source", Handler._copy_object),
    Route("PUT", "object", "", Handler._put_object),
    Route("GET", "object", "uploadId", Handler._list_parts),
    Route("GET", "object", "", Handler._get_object),
    Route("HEAD", "object", "", Handler._get_object),
    Route("DELETE", "object", "uploadId", Handler._abort_upload),
    Route("DELETE", "object", "", Handler._delete_object),
    Route("POST", "object", "uploads", Handler._create_upload),
    Route("POST", "object", "uploadId", Handler._complete_upload),
)


def _span(asked: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last of a Range header; None for what is no range of bytes."""
    match = _RANGE.fullmatch(asked or "")
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match[1], match[2]
    begin = int(first) if first else max(0, size - int(last))
    end = min(int(last) + 1, size) if first and last else size
    if begin >= size or end <= begin:
        raise Fault("InvalidRange")
    return begin, end


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Fault("InvalidArgument", f"{text!r} is no number")
    return int(text)


def _copied(root: str, etag: str, modified: float) -> bytes:
    return document(root, ("LastModified", xml.moment(modified)), ("ETag", f'"{etag}"'))


def _blocks(stream: BinaryIO, begin: int, end: int) -> Iterator[bytes]:
    stream.seek(begin)
    while begin < end and (block := stream.read(min(BLOCK, end - begin))):
        begin += len(block)
        yield block
