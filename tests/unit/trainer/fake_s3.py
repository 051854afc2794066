"""An S3 server in memory: objects appear when a PUT or a multipart upload is complete, as in any S3."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

XML = '<?xml version="1.0" encoding="UTF-8"?>'


@dataclass
class Bucket:
    """What the server holds."""

    port: int = 0
    objects: dict[str, bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Multipart uploads that were begun and neither completed nor aborted."""
    refuse: str = ""
    """Query parameter whose requests are refused, for example partNumber."""


class Handler(BaseHTTPRequestHandler):
    """The requests that s3fs makes to write, read and look."""

    bucket: ClassVar[Bucket]
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Nothing: the test says what went wrong."""

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"etag"', **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self._answer(status, f"{XML}<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _handle(self) -> None:
        at = urlsplit(self.path)
        path, query = unquote(at.path).strip("/"), parse_qs(at.query, keep_blank_values=True)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.bucket.refuse and self.bucket.refuse in query:
            self._refuse(403, "AccessDenied")
        elif "uploads" in query or "uploadId" in query:
            self._multipart(path, query, body)
        elif "list-type" in query:
            self._list(path, query.get("prefix", [""])[0])
        elif self.command == "PUT":
            self.bucket.objects[path] = body
            self._answer(200)
        elif path not in self.bucket.objects:
            self._refuse(404, "NoSuchKey")
        elif self.command == "DELETE":
            del self.bucket.objects[path]
            self._answer(204)
        else:
            self._read(self.bucket.objects[path])

    def _multipart(self, path: str, query: dict[str, list[str]], body: bytes) -> None:
        if "uploads" in query:
            upload = str(len(self.bucket.uploads))
            self.bucket.uploads[upload] = {}
            name = f"<Key>{path}</Key><UploadId>{upload}</UploadId>"
            self._answer(200, f"{XML}<InitiateMultipartUploadResult>{name}</InitiateMultipartUploadResult>".encode())
        elif "partNumber" in query:
            self.bucket.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = body
            self._answer(200)
        else:
            parts = self.bucket.uploads.pop(query["uploadId"][0])
            if self.command == "DELETE":
                self._answer(204)
                return
            self.bucket.objects[path] = b"".join(parts[number] for number in sorted(parts))
            done = "<CompleteMultipartUploadResult><ETag>etag</ETag></CompleteMultipartUploadResult>"
            self._answer(200, f"{XML}{done}".encode())

    def _list(self, bucket: str, prefix: str) -> None:
        found = [path for path in self.bucket.objects if path.startswith(f"{bucket}/{prefix}")]
        keys = "".join(
            f"<Contents><Key>{path.removeprefix(f'{bucket}/')}</Key><Size>{len(self.bucket.objects[path])}</Size>"
            '<ETag>"etag"</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>'
            for path in found
        )
        body = f"{XML}<ListBucketResult><KeyCount>{len(found)}</KeyCount>{keys}</ListBucketResult>"
        self._answer(200, body.encode())

    def _read(self, content: bytes) -> None:
        modified = {"Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}
        wanted = self.headers.get("Range")
        if wanted is None:
            self._answer(200, content, **modified)
            return
        start, _, end = wanted.removeprefix("bytes=").partition("-")
        self._answer(206, content[int(start) : int(end or len(content)) + 1], **modified)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle


@contextmanager
def running() -> Iterator[Bucket]:
    """A server on a free port."""
    bucket = Bucket()
    handler = type("BoundHandler", (Handler,), {"bucket": bucket})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        bucket.port = server.server_address[1]
        try:
            yield bucket
        finally:
            server.shutdown()
            thread.join()
