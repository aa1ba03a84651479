# SPDX-License-Identifier: Apache-2.0
"""A picture from the web, only ever on request: first where the URL leads, then the bytes.

`look` asks the server and downloads nothing; what it found is shown to the person. `fetch` then
takes exactly that: another host than the one that was shown is refused. Only http and https, no
names or passwords in the URL; size, time and redirects are bounded. What comes is a file of a
stranger's: it is for `yuren_core.images` to say whether it is a picture. Blocks: call it in a
thread.
"""

from __future__ import annotations

import http.client
import os
import socket
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

from yuren_core import __version__
from yuren_core.attachments import printable
from yuren_core.errors import ImageError
from yuren_core.i18n import reason_of, tr
from yuren_core.paths import cache_dir, storing

MAX_BYTES = 64 * 1024 * 1024
"""The largest picture that is taken; as `yuren_core.images` has it."""

MAX_REDIRECTS = 5
_WAIT_S = 15.0  # for any one answer of the server's
_LONGEST_S = 120.0  # for the whole picture
_CHUNK = 64 * 1024
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Lead:
    """Where a URL leads.

    Attributes:
        url: where the picture would come from, after all redirects.
        host: whose machine that is, in letters that cannot be mistaken (punycode), with its port
            where that is not the usual one.
        redirects: the URLs before it, in order; empty where it leads there at once.
        media_type: as the server calls it; empty where it does not say.
        size_bytes: None where the server does not say.
    """

    url: str
    host: str
    redirects: tuple[str, ...]
    media_type: str
    size_bytes: int | None


def is_url(text: str) -> bool:
    """Whether a text is a web address, and not a path."""
    return text.strip().lower().startswith(("http://", "https://"))


def look(url: str) -> Lead:
    """Find out where a URL leads, and what lies there; follows redirects.

    Raises:
        ImageError: it is no web address, leads to no picture, or the server does not answer.
    """
    address = _checked(url)
    redirects: list[str] = []
    method = "HEAD"
    deadline = time.monotonic() + _LONGEST_S
    while True:
        if time.monotonic() > deadline:
            raise ImageError(tr("url.slow", host=_host(address)), tr("url.try_again"))
        status, headers = _ask(address, method)
        if status in (403, 405, 501) and method == "HEAD":
            method = "GET"  # some servers answer nothing else; the body is not read
            continue
        where = headers.get("Location")
        if status in (301, 302, 303, 307, 308) and where:
            redirects.append(urlunsplit(address))
            if len(redirects) > MAX_REDIRECTS:
                raise ImageError(tr("url.redirects", limit=MAX_REDIRECTS), tr("url.other"))
            address = _checked(urljoin(urlunsplit(address), where))
            continue
        if status != 200:
            raise ImageError(tr("url.status", host=_host(address), status=status), tr("url.check"))
        return _lead(address, headers, redirects)


def fetch(lead: Lead) -> Path:
    """Download what `look` found into a file of the cache.

    Returns:
        The file; whoever asked deletes it once the picture is stored.

    Raises:
        ImageError: the server answers otherwise than before, or too slowly, or with too much.
        StorageError: it cannot be written.
    """
    directory = cache_dir() / "downloads"
    suffix = Path(name_of(lead)).suffix if Path(name_of(lead)).suffix[1:].isalnum() else ".img"
    with storing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        handle, path = tempfile.mkstemp(prefix="picture-", suffix=suffix, dir=directory)
    try:
        with os.fdopen(handle, "wb") as file, _opened(_checked(lead.url), "GET") as response:
            if response.status != 200:
                raise ImageError(
                    tr("url.status", host=lead.host, status=response.status), tr("url.check")
                )
            with storing(Path(path)):
                _copy(response, file, lead.host)
    except BaseException:
        with suppress(OSError):
            Path(path).unlink()
        raise
    return Path(path)


def take(lead: Lead) -> tuple[bytes, str]:
    """Download a picture and make sure that it is one.

    Returns:
        Its bytes, and what it was called.

    Raises:
        ImageError, StorageError: as `fetch`; or it is no picture.
    """
    from yuren_core.images import image_part

    file = fetch(lead)
    try:
        image_part(file)
        return file.read_bytes(), name_of(lead)
    finally:
        file.unlink(missing_ok=True)


def name_of(lead: Lead) -> str:
    """What the picture is called there; only to be shown."""
    name = unquote(urlsplit(lead.url).path.rpartition("/")[2])
    return printable(name)[-80:] or lead.host


def _copy(response: http.client.HTTPResponse, file: IO[bytes], host: str) -> None:
    deadline, size = time.monotonic() + _LONGEST_S, 0
    while True:
        try:
            piece = response.read(_CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _unanswered(host, error) from error
        if not piece:
            return
        size += len(piece)
        if size > MAX_BYTES:
            raise ImageError(tr("url.large", limit=MAX_BYTES // 2**20), tr("url.other"))
        if time.monotonic() > deadline:
            raise ImageError(tr("url.slow", host=host), tr("url.try_again"))
        file.write(piece)


def _ask(address: SplitResult, method: str) -> tuple[int, Message]:
    with _opened(address, method) as response:
        return response.status, response.headers


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Redirects are followed by `look` alone, which shows them."""

    def redirect_request(self, *_: Any) -> None:
        return None


@contextmanager
def _opened(address: SplitResult, method: str) -> Iterator[http.client.HTTPResponse]:
    """An answer of the server's, whatever its status."""
    opener = urllib.request.build_opener(_NoRedirects)
    headers = {"User-Agent": f"yuren-chat/{__version__}", "Accept": "image/*"}
    request = urllib.request.Request(urlunsplit(address), headers=headers, method=method)
    try:
        try:
            response = opener.open(request, timeout=_WAIT_S)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            yield response
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _unanswered(_host(address), error) from error


def _unanswered(host: str, error: Exception) -> ImageError:
    match getattr(error, "reason", None) or error:
        case socket.gaierror():
            reason = tr("url.no_such_name")
        case TimeoutError():
            reason = tr("url.no_answer_in_time")
        case OSError() as refused:
            reason = reason_of(refused)
        case other:
            reason = str(other)
    return ImageError(
        tr("url.unanswered", host=host, reason=printable(reason)), tr("url.try_again")
    )


def _checked(url: str) -> SplitResult:
    """The parts of a web address that may be asked."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        name, port = parts.hostname or "", parts.port
        host = name.encode("idna").decode("ascii") if not name.isascii() else name
    except (ValueError, UnicodeError) as error:
        raise ImageError(tr("url.bad", url=printable(text)), tr("url.example")) from error
    if parts.scheme.lower() not in _PORTS or not host or not text.isprintable() or " " in text:
        raise ImageError(tr("url.bad", url=printable(text)), tr("url.example"))
    if parts.username or parts.password:
        raise ImageError(tr("url.password", host=host), tr("url.example"))
    place = f"[{host}]" if ":" in host else host
    netloc = place if port is None else f"{place}:{port}"
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return SplitResult(parts.scheme.lower(), netloc, path or "/", query, "")


def _host(address: SplitResult) -> str:
    usual = address.port in (None, _PORTS[address.scheme])
    return (address.hostname or "") if usual else address.netloc


def _lead(address: SplitResult, headers: Message, redirects: list[str]) -> Lead:
    media_type = headers.get_content_type() if headers.get("Content-Type") else ""
    host = _host(address)
    if media_type and media_type.split("/")[0] not in ("image", "application"):
        raise ImageError(tr("url.no_picture", host=host, kind=printable(media_type)), tr("url.own"))
    said = headers.get("Content-Length", "")
    size = int(said) if said.isascii() and said.isdigit() and len(said) < 16 else None
    if size is not None and size > MAX_BYTES:
        raise ImageError(tr("url.large", limit=MAX_BYTES // 2**20), tr("url.other"))
    return Lead(urlunsplit(address), host, tuple(redirects), media_type, size)
