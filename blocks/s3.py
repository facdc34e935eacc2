"""The objects of one bucket, without a client's layers: requests signed by botocore, over connections that stay open.

A part of the one door to AWS (`Aws.objects`): the account was compared before, a planning one refuses what is not a
read, and errors are botocore's `ClientError`. For hundreds of small objects a boto3 client takes three times the CPU a
call, and a tenth of a second to be made. Safe to share between threads.
"""

import base64
import hashlib
import socket
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from blocks.reads import refuse_unless_read

ATTEMPTS = 6
AGAIN = frozenset({"SlowDown", "RequestTimeout", "Throttling", "OperationAborted"})
"""S3's codes that mean: the same again, a little later. So does every status from 500 but SimulatorGap's 501."""
UNDELAYED = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
"""Botocore's session sets no such option by itself: a body would wait 40 ms until its headers are acknowledged."""
AT_ONCE = 1000
"""Keys of one `DeleteObjects`."""


@dataclass(frozen=True)
class Listed:
    """An object as a listing shows it. `version` is '' but in a listing of versions."""

    key: str
    etag: str
    """Without quotes: the MD5, unless it was sent in parts or encrypted with a key of KMS."""
    size: int
    version: str = ""


class Objects:
    """One bucket's objects. `endpoint` is where S3 is when it is not AWS's own."""

    def __init__(
        self,
        bucket: str,
        *,
        credentials: Any,
        region: str,
        endpoint: str | None = None,
        planning: bool = False,
        verify: bool | str = True,
        agent: str = "miyabi-pipelines",
        connections: int = 10,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.bucket, self.connections = bucket, connections
        by_path = endpoint or (f"https://s3.{region}.amazonaws.com" if "." in bucket else "")
        self._base = f"{by_path}/{bucket}" if by_path else f"https://{bucket}.s3.{region}.amazonaws.com"
        self._signer = S3SigV4Auth(credentials, "s3", region)
        self._planning, self._agent, self._sleep = planning, agent, sleep
        proxies = get_environ_proxies(self._base)
        self._http = URLLib3Session(
            verify=verify,  # type: ignore[arg-type]
            proxies=proxies,
            max_pool_connections=connections,
            timeout=(5, 60),  # type: ignore[arg-type]
            socket_options=UNDELAYED,  # type: ignore[arg-type]
        )

    def list(self) -> dict[str, Listed]:
        """Every object by its key; a request a thousand."""
        found: dict[str, Listed] = {}
        query = {"list-type": "2"}
        while True:
            page = self._read("ListObjectsV2", query)
            for item in page.iter("Contents"):
                found[text(item, "Key")] = listed(item)
            if text(page, "IsTruncated") != "true":
                return found
            query["continuation-token"] = text(page, "NextContinuationToken")

    def versions(self, *, markers: bool = False) -> Iterator[Listed]:
        """Every version of every object, newest first of each; with `markers` also what stands for a deletion."""
        query = {"versions": ""}
        while True:
            page = self._read("ListObjectVersions", query)
            for kind in ("Version", "DeleteMarker") if markers else ("Version",):
                yield from map(listed, page.iter(kind))
            if text(page, "IsTruncated") != "true":
                return
            query["key-marker"] = text(page, "NextKeyMarker")
            query["version-id-marker"] = text(page, "NextVersionIdMarker")

    def put(self, key: str, body: bytes, headers: Mapping[str, str], *, md5: str) -> str:
        """Store an object whose MD5 S3 checks; its ETag."""
        wanted = {**headers, "Content-MD5": base64.b64encode(bytes.fromhex(md5)).decode()}
        answer = self._send("PutObject", "PUT", key, headers=wanted, body=body)
        return str(answer.headers["ETag"]).strip('"')

    def copy(self, key: str, version: str, headers: Mapping[str, str]) -> str:
        """Make an earlier version of an object the newest, within S3; its ETag."""
        source = f"/{self.bucket}/{quote(key)}?versionId={quote(version)}"
        wanted = {**headers, "x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE"}
        answer = parsed(self._send("CopyObject", "PUT", key, headers=wanted).content)
        if answer.tag == "Error":  # S3 may say so in an answer 200, when it had begun already
            raise failure("CopyObject", text(answer, "Code"), text(answer, "Message"))
        return text(answer, "ETag").strip('"')

    def delete(self, objects: Sequence[Listed]) -> None:
        """Delete objects by key, or for good those that carry a version. What is gone already is no error."""
        for start in range(0, len(objects), AT_ONCE):
            body = deletion(objects[start : start + AT_ONCE])
            checked = {"Content-MD5": base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()}
            answer = self._send("DeleteObjects", "POST", query={"delete": ""}, headers=checked, body=body)
            for error in parsed(answer.content).iter("Error"):
                raise failure("DeleteObjects", text(error, "Code"), f"{text(error, 'Key')}: {text(error, 'Message')}")

    def _read(self, operation: str, query: Mapping[str, str]) -> ElementTree.Element:
        return parsed(self._send(operation, "GET", query=query).content)

    def _send(
        self,
        operation: str,
        method: str,
        key: str = "",
        *,
        query: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
        body: bytes = b"",
    ) -> Any:
        """One operation, tried again where that may help. Raises ClientError, or botocore's error of a connection."""
        refuse_unless_read("s3", operation, planning=self._planning)
        url = f"{self._base}/{quote(key, safe='/~')}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        for attempt in range(1, ATTEMPTS + 1):
            request = AWSRequest(method, url, headers={**headers, "User-Agent": self._agent}, data=body)
            self._signer.add_auth(request)
            try:
                answer = self._http.send(request.prepare())
            except HTTPClientError:
                if attempt == ATTEMPTS:
                    raise
            else:
                if answer.status_code < 300:
                    return answer
                code, message = error_of(answer)
                again = code in AGAIN or (answer.status_code >= 500 and answer.status_code != 501)
                if not again or attempt == ATTEMPTS:
                    raise failure(operation, code, message)
            self._sleep(min(0.05 * 2**attempt, 5.0))
        raise AssertionError("the last attempt returns or raises")


def listed(item: ElementTree.Element) -> Listed:
    size = int(text(item, "Size") or 0)
    return Listed(text(item, "Key"), text(item, "ETag").strip('"'), size, text(item, "VersionId"))


def deletion(objects: Sequence[Listed]) -> bytes:
    """The body of `DeleteObjects`."""
    items = "".join(
        f"<Object><Key>{escape(one.key)}</Key>"
        + (f"<VersionId>{escape(one.version)}</VersionId>" if one.version else "")
        + "</Object>"
        for one in objects
    )
    return f"<Delete><Quiet>true</Quiet>{items}</Delete>".encode()


def failure(operation: str, code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def error_of(answer: Any) -> tuple[str, str]:
    """S3's code and message; the status alone where there is no body."""
    try:
        page = parsed(answer.content)
    except ElementTree.ParseError:
        return str(answer.status_code), answer.content[:200].decode(errors="replace")
    return text(page, "Code") or str(answer.status_code), text(page, "Message")


def parsed(content: bytes) -> ElementTree.Element:
    """S3's XML, without its namespace."""
    return ElementTree.fromstring(content.replace(b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"', b""))


def text(item: ElementTree.Element, name: str) -> str:
    return item.findtext(name) or ""
