# SPDX-License-Identifier: Apache-2.0
"""Pictures from the web: what is asked, shown, refused; against a server on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.tui.chat_app import running
from yuren_core.errors import ImageError
from yuren_core.paths import cache_dir
from yuren_tui import url_picture
from yuren_tui.screens.confirm_url import ConfirmUrl
from yuren_tui.url_picture import Lead, fetch, is_url, look

CAT = (Path(__file__).parents[2] / "assets" / "pictures" / "cat.png").read_bytes()


class Handler(BaseHTTPRequestHandler):
    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, with_body: bool) -> None:
        self.asked.append(f"{self.command} {self.path}")
        kind, body = "image/png", CAT
        if self.path == "/only-get" and not with_body:
            self.send_error(405)
            return
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to"))
            self.end_headers()
            return
        if self.path == "/loop":
            self.send_response(302)
            self.send_header("Location", "/loop")
            self.end_headers()
            return
        if self.path == "/to-file":
            self.send_response(302)
            self.send_header("Location", "file:///etc/passwd")
            self.end_headers()
            return
        if self.path == "/page":
            kind, body = "text/html", b"<img>"
        elif self.path == "/fake.png":
            body = b"no picture at all"
        elif self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@contextmanager
def served() -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []
    handler = type("Asked", (Handler,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_looking_downloads_nothing_and_shows_every_step() -> None:
    with served() as (base, asked):
        lead = look(f"{base}/to/to/cat.png")
        assert lead.url == f"{base}/cat.png"
        assert lead.redirects == (f"{base}/to/to/cat.png", f"{base}/to/cat.png")
        assert (lead.media_type, lead.size_bytes) == ("image/png", len(CAT))
        assert lead.host == base.removeprefix("http://")
        assert all(line.startswith("HEAD") for line in asked)
        file = fetch(lead)
        assert file.read_bytes() == CAT


def test_a_server_that_answers_get_alone() -> None:
    with served() as (base, _):
        assert look(f"{base}/only-get").size_bytes == len(CAT)


@pytest.mark.parametrize("path", ["/loop", "/to-file", "/page", "/gone"])
def test_what_is_no_picture_is_refused(path: str) -> None:
    with served() as (base, _), pytest.raises(ImageError):
        look(base + path)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/cat.png",
        "http://",
        "http://user:secret@example.org/cat.png",
        "http://exa mple.org/cat.png",
        "http://example.org/\x1b[31m",
        "http://[::1/cat.png",
        "http://example.org:99999/cat.png",
    ],
)
def test_an_address_that_may_not_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ImageError) as caught:
        look(url)
    assert "secret" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


def test_a_host_that_looks_like_another_is_shown_as_it_is() -> None:
    address = url_picture._checked("https://gооgle.com/cat.png")  # Cyrillic о
    assert url_picture._host(address) == "xn--ggle-55da.com"


def test_more_than_the_limit_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with served() as (base, _):
        lead = look(f"{base}/cat.png")
        monkeypatch.setattr(url_picture, "MAX_BYTES", 1000)
        with pytest.raises(ImageError, match="larger"):
            fetch(lead)
        with pytest.raises(ImageError, match="larger"):
            look(f"{base}/cat.png")
        assert list((cache_dir() / "downloads").iterdir()) == []


def test_a_lead_is_fetched_from_where_it_was_shown_to_lead() -> None:
    with served() as (base, _):
        moved = Lead(f"{base}/to/cat.png", "127.0.0.1", (), "image/png", None)
        with pytest.raises(ImageError, match="302"):
            fetch(moved)


def test_what_is_a_web_address() -> None:
    assert is_url(" HTTPS://example.org/cat.png")
    assert not is_url("/home/https/cat.png")


async def test_a_picture_is_attached_after_a_yes(tmp_path: Path) -> None:
    with served() as (base, asked):
        async with running(tmp_path / "log") as chat:
            await chat.ready()
            chat.chat.prompt.text = f"/image {base}/to/cat.png"
            await chat.pilot.press("enter")
            await chat.until(lambda: isinstance(chat.app.screen, ConfirmUrl))
            text = chat.screen_text()
            assert base.removeprefix("http://") in text
            assert "led on from" in text
            assert "image/png" in text
            assert not any(line.startswith("GET") for line in asked)
            await chat.pilot.press("escape")
            await chat.pilot.pause(0.2)
            assert not any(line.startswith("GET") for line in asked)
            chat.chat.prompt.text = f"/image {base}/cat.png"
            await chat.pilot.press("enter")
            await chat.until(lambda: isinstance(chat.app.screen, ConfirmUrl))
            await chat.pilot.press("enter")
            await chat.until(lambda: chat.chat.pictures.pictures)
            assert list((cache_dir() / "downloads").iterdir()) == []


async def test_what_only_says_that_it_is_a_picture_is_not_attached(tmp_path: Path) -> None:
    with served() as (base, _):
        async with running(tmp_path / "log") as chat:
            await chat.ready()
            chat.chat.attach_url(f"{base}/fake.png")
            await chat.until(lambda: isinstance(chat.app.screen, ConfirmUrl))
            await chat.pilot.press("enter")
            await chat.until(lambda: len(chat.toasts) > 2)
            assert not chat.chat.pictures.pictures
            assert list((cache_dir() / "downloads").iterdir()) == []
