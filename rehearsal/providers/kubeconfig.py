"""The cluster and the user of a provider instance."""

from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import yaml

from rehearsal.azure.login import refusal
from rehearsal.cluster.objects import child
from rehearsal.core.errors import UnreachableError
from rehearsal.core.protocol import Properties

Entry: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """The active context of a kubeconfig.

    Attributes:
        server: the API server's URL.
        entra: whether the user is the deploying identity, rather than a local account with its own certificate.
        namespace: the namespace of objects that name none.
    """

    server: str
    entra: bool
    namespace: str


def active_cluster(config: Properties) -> Entry | None:
    """Return the cluster entry of a provider's active context (provider/util.go, getActiveClusterFromConfig).

    Raises:
        UnreachableError: the kubeconfig is invalid.
    """
    document = _parse(config)
    context = _context(document, config)
    return _named(document, "clusters", config.get("cluster") or context.get("cluster")) or None


def resolve(config: Properties) -> Target:
    """Return the target of a provider's configuration.

    Raises:
        UnreachableError: there is no cluster, or its log-in is not unattended.
    """
    document = _parse(config)
    context = _context(document, config)
    cluster = active_cluster(config)
    if cluster is None:
        raise UnreachableError(
            "unable to load Kubernetes client configuration from kubeconfig file: no current context with a cluster"
        )
    server: str = cluster["server"]
    user = _named(document, "users", context.get("user"))
    if plugin := user.get("auth-provider"):
        raise UnreachableError(f'no Auth Provider found for name "{plugin["name"]}"')
    if exec_plugin := user.get("exec"):
        _check_login(server, exec_plugin)
    elif not (user.get("token") or user.get("client-certificate-data")):
        raise UnreachableError("unable to load schema information from the API server: Unauthorized")
    namespace = config.get("namespace") or context.get("namespace") or "default"
    return Target(server, entra="exec" in user, namespace=namespace)


def _parse(config: Properties) -> Entry:
    text = config.get("kubeconfig") or ""
    try:
        # An object is accepted too. YAML's error messages would quote the text, with keys and tokens.
        document: object = yaml.safe_load(text) if isinstance(text, str) else text
    except yaml.YAMLError:
        document = None
    if not isinstance(document, dict):
        raise UnreachableError("failed to parse kubeconfig data in `kubernetes:config:kubeconfig`- not a kubeconfig")
    return cast("Entry", document)


def _context(document: Entry, config: Properties) -> Entry:
    return _named(document, "contexts", config.get("context") or document.get("current-context"))


def _named(document: Entry, section: str, name: str | None) -> Entry:
    entries: list[Entry] = document.get(section) or []
    # Entries are `{name: …, cluster: {…}}`, `{name: …, user: {…}}`, `{name: …, context: {…}}`.
    found = next((entry for entry in entries if entry.get("name") == name), dict[str, Any]())
    return child(found, section.removesuffix("s"))


def _check_login(server: str, plugin: Entry) -> None:
    arguments: list[str] = plugin.get("args") or []
    prefix = (
        f'unable to load schema information from the API server: Get "{server}/openapi/v2": getting credentials: exec: '
    )
    if plugin.get("command", "").rpartition("/")[2] != "kubelogin":
        raise UnreachableError(f'{prefix}"{plugin.get("command")}" is not known to this rehearsal; kubelogin is')
    if reason := refusal(arguments):
        raise UnreachableError(prefix + reason)
