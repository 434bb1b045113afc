"""The demo's server: a page and a few answers in JSON, for this machine alone.

It listens on 127.0.0.1. A page from elsewhere cannot reach it through a name that it points here
(DNS rebinding), since only the host names of this machine are answered.
"""

import http
import http.server
import json
import pathlib
import urllib.parse
from collections.abc import Callable
from typing import Any

from jaxcnn.errors import DataError, RunError, one_line
from jaxcnn.pages.network import Forgotten, Network

ADDRESS = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")  # host names under which the page is asked for
LIMIT = 16 << 20  # bytes of an upload
TEMPLATES = pathlib.Path(__file__).parent / "templates"
# The page's files: {path: (file, type)}.
FILES = {
    "/": ("demo.html", "text/html; charset=utf-8"),
    "/style.css": ("style.css", "text/css; charset=utf-8"),
    "/demo.css": ("demo.css", "text/css; charset=utf-8"),
    "/demo.js": ("demo.js", "text/javascript; charset=utf-8"),
    "/stage.js": ("stage.js", "text/javascript; charset=utf-8"),
    "/drawing.js": ("drawing.js", "text/javascript; charset=utf-8"),
    "/backend.js": ("backend_server.js", "text/javascript; charset=utf-8"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refused(DataError):
    """A request that is not answered, with the status that says why."""

    def __init__(self, status: http.HTTPStatus, message: str):
        super().__init__(message)
        self.status = status


def make_server(network: Network, port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server for `network` on 127.0.0.1, on a free port for 0; `serve_forever` runs it.

    Raises RunError where the port is taken.
    """
    handler = type("Bound", (Handler,), {"network": network})
    try:
        server = http.server.ThreadingHTTPServer((ADDRESS, port), handler)
    except (OSError, OverflowError) as error:
        raise RunError(
            f"port {port} of {ADDRESS} cannot be used: {one_line(error)}; give another --port"
        ) from None
    server.daemon_threads = True
    return server


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers one request; errors are {"error": one sentence} with a status of 4xx."""

    network: Network
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "jaxcnn", ""
    timeout = 30  # seconds of silence after which a connection is closed

    def do_GET(self) -> None:
        """The page's files, and answers about an image that was sent before."""
        answers = {
            "/api/about": self._about,
            "/api/map": self._map,
            "/api/occlude": self._occlude,
            "/api/neighbours": self._neighbours,
        }
        self._answer(answers)

    def do_POST(self) -> None:
        """An image, in the body as it is."""
        self._answer({"/api/classify": self._classify})

    def _answer(self, answers: dict[str, Callable[[], Any]]) -> None:
        path = urllib.parse.urlsplit(self.path).path
        try:
            self._check_origin()
            if self.command == "GET" and path in FILES:
                name, kind = FILES[path]
                self._send(http.HTTPStatus.OK, (TEMPLATES / name).read_bytes(), kind)
                return
            if path not in answers:
                raise Refused(http.HTTPStatus.NOT_FOUND, "there is nothing at this address")
            self._json(http.HTTPStatus.OK, answers[path]())
        except Refused as error:
            self._json(error.status, {"error": str(error)})
        except Forgotten as error:
            self._json(http.HTTPStatus.GONE, {"error": str(error)})
        except DataError as error:
            self._json(http.HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)})

    def _check_origin(self) -> None:
        """Refuses requests under a foreign name, and those that a foreign page sends."""
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if not self._own(f"http://{host}"):
            self.close_connection = True
            raise Refused(
                http.HTTPStatus.FORBIDDEN,
                f"this demo answers under {ADDRESS} and localhost, not under {host or 'no name'}",
            )
        if origin is not None and not self._own(origin):
            self.close_connection = True
            raise Refused(http.HTTPStatus.FORBIDDEN, "this demo does not answer other pages")

    def _own(self, origin: str) -> bool:
        try:
            parts = urllib.parse.urlsplit(origin)
            port = self.connection.getsockname()[1]
            return parts.hostname in NAMES and (parts.port or 80) == port
        except ValueError:
            return False

    def _about(self) -> dict[str, Any]:
        return {"models": [self.network.about()]}

    def _classify(self) -> dict[str, Any]:
        return self.network.classify(self._body())

    def _map(self) -> dict[str, Any]:
        return self.network.map(self._text("image"), self._number("class"))

    def _occlude(self) -> dict[str, Any]:
        square = self._number("top"), self._number("left"), self._number("side")
        return self.network.occlude(self._text("image"), self._number("class"), square)

    def _neighbours(self) -> dict[str, Any]:
        return self.network.neighbours(self._text("image"))

    def _body(self) -> bytes:
        """The upload; raises Refused for one without a length, or too long."""
        length = self.headers.get("Content-Length", "")
        if not length.isascii() or not length.isdecimal():
            self.close_connection = True
            raise Refused(http.HTTPStatus.LENGTH_REQUIRED, "the length of the upload is missing")
        if int(length) > LIMIT:
            self._discard(int(length))
            raise Refused(
                http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"the image has {int(length) / 2**20:.0f} MiB; at most {LIMIT >> 20} are read",
            )
        if not int(length):
            raise Refused(http.HTTPStatus.BAD_REQUEST, "no image was sent")
        return self.rfile.read(int(length))

    def _discard(self, length: int) -> None:
        """Reads some of what is refused, so that the sender hears why, then ends the connection."""
        self.close_connection = True
        left = min(length, 4 * LIMIT)
        while left > 0:
            read = len(self.rfile.read(min(left, 1 << 16)))
            left = left - read if read else 0

    def _text(self, name: str) -> str:
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if name not in query:
            raise Refused(http.HTTPStatus.BAD_REQUEST, f"the request names no {name}")
        return query[name][0]

    def _number(self, name: str) -> int:
        text = self._text(name)
        if not text.isascii() or not text.isdecimal() or len(text) > 9:
            raise Refused(http.HTTPStatus.BAD_REQUEST, f"{name} is no whole number")
        return int(text)

    def _json(self, status: http.HTTPStatus, value: Any) -> None:
        body = json.dumps(value, allow_nan=False).encode()
        self._send(status, body, "application/json")

    def _send(self, status: http.HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the terminal is the user's."""
