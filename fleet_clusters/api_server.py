"""Requests to a cluster's API server, and the remedies for failed requests."""

# The Kubernetes client has few types.
# pyright: reportUnknownArgumentType=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import json
import threading
from base64 import b64decode
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from tempfile import NamedTemporaryFile
from typing import Any, Final

import yaml
from kubernetes import client, config
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import ConfigNode
from urllib3.exceptions import HTTPError, NewConnectionError, ProxySchemeUnknown, TimeoutError  # noqa: A004 - urllib3's own, of all its kinds

from .errors import AccessDeniedError, CheckFailedError, plain
from .objects import Object
from .proxies import REMEDY, log_in

_SECONDS: Final = (5, 15)  # to connect, and for an answer
_CONNECTIONS: Final = 64  # kept open: as many as `verify` makes checks at a time


@dataclass(frozen=True)
class Answer:
    """An API server's answer.

    Attributes:
        content: the object or the list; None if the object or its kind does not exist.
        now: the server's time, to compare with times in the content.
    """

    content: Object | None
    now: datetime


class ClusterClient:
    """A client of a cluster's API server.

    Args:
        name: the region, or `hub`.
        kubeconfig: the log-in; its active context is used.
        folder: a folder that only we can read, for certificates: Python's TLS reads keys from files only.
        silent: the remedy if it does not answer, in one line.
    """

    def __init__(self, name: str, kubeconfig: str, *, folder: str, silent: str) -> None:
        self.name = name
        self.kubectl = f"kubectl --kubeconfig {name}.kubeconfig"
        self._kubeconfig = kubeconfig
        self._folder = folder
        self._silent = silent
        self._lock = threading.Lock()
        self._client: client.ApiClient | CheckFailedError | None = None

    def _log_in(self) -> client.ApiClient | CheckFailedError:
        """Return the client that sends requests, or the error that prevents it."""
        try:
            document = yaml.safe_load(self._kubeconfig)
            _run_plugins(document)
            _write_certificates(document, self._folder)
            # The callers repeat requests; the client itself would retry for a minute, silently.
            settings = client.Configuration(retries=False)  # pyright: ignore[reportArgumentType] - urllib3 takes it
            config.load_kube_config_from_dict(document, client_configuration=settings, persist_config=False)
            settings.connection_pool_maxsize = _CONNECTIONS
            settings.proxy_headers = log_in(settings.proxy)  # the client would leave credentials out
            return client.ApiClient(settings)  # reads the certificates
        except yaml.YAMLError:  # its message quotes the text
            return CheckFailedError(f"the kubeconfig of {self.name} is invalid", "`pulumi up` writes a new one")
        except ImportError:  # (urllib3 2.8, contrib/socks.py)
            found = f"the proxy on the way to {self.name} speaks SOCKS, and the Python package PySocks is missing"
            return CheckFailedError(found, f"install it; or {REMEDY.format('HTTPS_PROXY')}")
        except ProxySchemeUnknown as error:
            return CheckFailedError(f"no way to {self.name}: {plain(error)}", REMEDY.format("HTTPS_PROXY or ALL_PROXY"))
        except (config.ConfigException, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            return CheckFailedError(
                f"no log-in to {self.name}: {plain(error)}", "`az login`, and see that `kubelogin` is on PATH"
            )

    def get(self, path: str) -> Answer:
        """Read an object. Safe to call from several threads.

        Raises:
            CheckFailedError: the log-in fails; the API server does not answer, or denies the request.
        """
        return self._request("GET", path)

    def merge(self, path: str, changes: Object) -> None:
        """Change an object by a JSON merge patch (RFC 7386); a missing object is not an error.

        Raises:
            CheckFailedError: the log-in fails; the API server does not answer, or refuses the request.
        """
        self._request("PATCH", path, changes)

    def _request(self, method: str, path: str, changes: Object | None = None) -> Answer:
        with self._lock:  # one log-in for all threads
            used = self._client = self._client or self._log_in()
        if isinstance(used, CheckFailedError):
            raise CheckFailedError(used.found, used.remedy)
        request = used.param_serialize(
            method,
            path,
            header_params={"Content-Type": "application/merge-patch+json"} if changes else None,
            body=changes,
            auth_settings=["BearerToken"],
        )
        try:
            response = used.call_api(*request, _request_timeout=_SECONDS)
            body = response.read()
        except client.ApiException:  # TLS errors only: a refused request has a status
            raise CheckFailedError(
                f"the certificate of {self.name} is not issued by the authority in its kubeconfig",
                "`pulumi up` reads a new kubeconfig; a proxy that opens TLS must not be on the way: `NO_PROXY`",
            ) from None
        except (HTTPError, OSError) as error:
            raise CheckFailedError(f"{self.name} does not answer: {_reason(error)}", self._silent) from None
        status = response.status
        if status == HTTPStatus.UNAUTHORIZED:
            with self._lock:  # a rollout may wait for longer than a token lasts: the next request logs in again
                self._client = None if self._client is used else self._client
            raise CheckFailedError(
                f"{self.name} rejects the credentials (401)",
                "they have expired or were rotated: `pulumi up` reads new ones (with Entra ID: `az login`)",
            )
        if status == HTTPStatus.FORBIDDEN:
            raise AccessDeniedError(
                f"{self.name} denies {'write' if changes else 'read'} access (403)",
                "a new role takes effect within ten minutes; else add yourself to `access.hubAdmins`, then `pulumi up`",
            )
        if status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND):
            raise CheckFailedError(
                f"{self.name} answers {status}", f"`{self.kubectl} get --raw '/readyz?verbose'` says why"
            )
        date = response.headers.get("Date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        try:
            return Answer(json.loads(body) if status == HTTPStatus.OK else None, now)
        except ValueError:
            raise CheckFailedError(
                f"the server at the address of {self.name} is not an API server", self._silent
            ) from None

    def items(self, path: str) -> list[Object]:
        """Read a list; empty if the cluster does not serve the kind.

        Raises:
            CheckFailedError: the API server does not answer, or denies the request.
        """
        return (self.get(path).content or {}).get("items") or []


def _run_plugins(document: Any) -> None:  # noqa: ANN401 - YAML
    """Replace a user's log-in command by its token: the client would hide the error of a failed command.

    Raises:
        ConfigException: the command fails.
        OSError: the command does not exist.
    """
    for entry in document["users"]:
        if plugin := entry["user"].pop("exec", None):
            entry["user"]["token"] = ExecProvider(ConfigNode("exec", plugin), "").run()["token"]


def _write_certificates(document: Any, folder: str) -> None:  # noqa: ANN401 - YAML
    """Replace certificates and keys by files.

    The client writes them too, but once in a process (kubernetes 37, config/kube_config.py, _temp_files): another
    log-in to the same cluster would read a file that is still empty, or that is in a folder that is gone.

    Raises:
        ValueError: the data is not base64.
    """
    parts = [each[kind] for kind in ("cluster", "user") for each in document[f"{kind}s"]]
    for part in parts:
        for key in ("certificate-authority", "client-certificate", "client-key"):
            if data := part.pop(f"{key}-data", None):
                with NamedTemporaryFile(dir=folder, delete=False) as file:
                    file.write(b64decode(data))
                part[key] = file.name


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError) and not isinstance(error, NewConnectionError):
        return "not in time"
    cause = error.__cause__ or next((each for each in error.args if isinstance(each, Exception)), error)
    return (cause.strerror if isinstance(cause, OSError) else None) or type(cause).__name__
