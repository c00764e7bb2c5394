"""Requests to the app: what counts as an answer, and the proxies on the way."""

import base64
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typing_extensions import override

from fleet_clusters import proxies, traffic
from fleet_clusters.errors import CheckFailedError

ADDRESS = "192.0.2.1"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


class App(BaseHTTPRequestHandler):
    """Answers with the status in the path; a redirect leads to where nobody listens."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(int(self.path[1:]))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def app() -> Iterator[str]:
    """The URL of an app."""
    with ThreadingHTTPServer(("127.0.0.1", 0), App) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "problem"),
    [(200, ""), (302, ""), (308, ""), (404, "404 Not Found"), (500, "500 Internal Server Error")],
)
def test_first_answer_is_the_apps(app: str, status: int, problem: str) -> None:
    assert traffic.request(f"{app}/{status}") == problem


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_proxy_of_another_kind_is_refused_by_its_variable(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "socks5://user:planted@127.0.0.1:1080")
    with pytest.raises(CheckFailedError) as refused:
        traffic.failure(ADDRESS, ("http", ""), [80], 1)
    assert refused.value.found.startswith(variable.upper())
    assert "planted" not in refused.value.found + refused.value.remedy
    monkeypatch.setenv("NO_PROXY", ADDRESS)
    assert proxies.http_proxy("http", ADDRESS) == ""


def test_connection_goes_through_the_proxy_for_everything_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert proxies.http_proxy("all", ADDRESS) == ""
    monkeypatch.setenv("all_proxy", "proxy:1080")
    assert (proxies.http_proxy("all", ADDRESS), proxies.http_proxy("http", ADDRESS)) == (
        "http://proxy:1080",
        "http://proxy:3128",
    )


def test_log_in_to_a_proxy_is_what_its_url_encodes() -> None:
    credentials = base64.b64encode(b"me@corp:p@ss:/word").decode()
    assert proxies.log_in("http://me%40corp:p%40ss%3A%2Fword@proxy:3128") == {
        "Proxy-Authorization": f"Basic {credentials}"
    }
    assert proxies.log_in("http://proxy:3128") == {}
