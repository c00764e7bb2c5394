"""The kubeconfigs that Azure lists."""

import json
import ssl
from base64 import b64encode
from hashlib import shake_256
from typing import Any

from rehearsal.azure import errors
from rehearsal.azure.arm import Record, Subscription, last_segment, nested, resource_group_of, short_location
from rehearsal.azure.clusters import private_name, server_url
from rehearsal.azure.login import SERVER_ID
from rehearsal.core import certificate
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Properties

# The application "Azure Kubernetes Service AAD Client", the same in every tenant
# (Azure/kubelogin, README; learn: kubernetes-fleet/access-fleet-hub-cluster-kubernetes-api).
_CLIENT_ID = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"


def uses_entra(cluster: Record) -> bool:
    """Return whether users sign in to a cluster with Microsoft Entra ID."""
    return bool(nested(cluster["inputs"], "aadProfile").get("managed"))


def user_credentials(
    subscription: Subscription, cluster: Record, *, style: str | None = None, public: bool = False
) -> Properties:
    """Return the result of `listManagedClusterUserCredentials`.

    Args:
        subscription: the cluster's subscription.
        cluster: the cluster.
        style: for clusters with Entra ID, `exec` (the default since Kubernetes 1.24) or `azure`.
        public: whether the server has its public name; otherwise a private cluster has that of its private zone (learn:
            aks/private-clusters, "--public-fqdn"), where nobody finds it if there is no zone (assumed).
    """
    group, name = resource_group_of(cluster["id"]), last_segment(cluster["id"])
    if not uses_entra(cluster):
        user = _certificate_user(subscription, cluster["id"], "clusterUser")
    elif style == "azure":
        user = _auth_provider_user(subscription)
    else:
        user = _exec_user(subscription)
    fqdn: str = cluster["outputs"]["fqdn"]
    name_of_server = fqdn if public else private_name(fqdn, cluster["inputs"]) or fqdn
    server = _server(subscription, cluster["id"], name_of_server)
    return _result("clusterUser", _kubeconfig(name, server, f"clusterUser_{group}_{name}", user))


def admin_credentials(subscription: Subscription, cluster: Record) -> Properties:
    """Return the result of `listManagedClusterAdminCredentials`; there is none without local accounts."""
    if cluster["inputs"].get("disableLocalAccounts"):
        raise errors.LOCAL_ACCOUNTS_DISABLED.refusal()
    group, name = resource_group_of(cluster["id"]), last_segment(cluster["id"])
    server = _server(subscription, cluster["id"], cluster["outputs"]["fqdn"])
    user = _certificate_user(subscription, cluster["id"], "clusterAdmin")
    return _result("clusterAdmin", _kubeconfig(name, server, f"clusterAdmin_{group}_{name}", user))


def hub_credentials(subscription: Subscription, fleet: Record) -> Properties:
    """Return the result of `listFleetCredentials`: hubs have no local accounts."""
    hub = fleet["outputs"].get("hubProfile")
    if not hub:
        raise RefusedError(f"fleet '{fleet['id']}' has no hub, hence no credentials")
    # The hub is a cluster named `hub` in a managed group (learn: kubernetes-fleet/concepts-lifecycle).
    location = short_location(fleet["inputs"]["location"])
    group = f"FL_{resource_group_of(fleet['id'])}_{last_segment(fleet['id'])}_{location}"
    server = _server(subscription, fleet["id"], hub["fqdn"])
    return _result("clusterUser", _kubeconfig("hub", server, f"clusterUser_{group}_hub", _exec_user(subscription)))


def _result(name: str, kubeconfig: Properties) -> Properties:
    # JSON is valid YAML, and the standard library writes it.
    return {"kubeconfigs": [{"name": name, "value": b64encode(json.dumps(kubeconfig).encode()).decode()}]}


def _kubeconfig(name: str, server: Properties, user_name: str, user: Properties) -> Properties:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": server}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user_name}}],
        "current-context": name,
        "preferences": dict[str, Any](),
        "users": [{"name": user_name, "user": user}],
    }


def identity(subscription: Subscription, owner: str, host: str) -> ssl.SSLContext:
    """Return the TLS context of an API server in memory."""
    return certificate.issued(_secret(subscription, owner), "server", host).context()


def is_local(subscription: Subscription, owner: str, token: str) -> bool:
    """Return whether a token is in a cluster's kubeconfigs."""
    return token in {_token(subscription, owner, name) for name in ("clusterUser", "clusterAdmin")}


def _server(subscription: Subscription, owner: str, fqdn: str) -> Properties:
    if access := subscription.clusters.access(owner):
        return {"certificate-authority-data": access.certificate_authority, "server": access.server}
    authority = certificate.authority(_secret(subscription, owner))
    return {"certificate-authority-data": _encoded(authority.certificate), "server": server_url(fqdn)}


def _certificate_user(subscription: Subscription, owner: str, name: str) -> Properties:
    if access := subscription.clusters.access(owner):
        return {"token": access.token}
    pair = certificate.issued(_secret(subscription, owner), name)
    return {
        "client-certificate-data": _encoded(pair.certificate),
        "client-key-data": _encoded(pair.key),
        "token": _token(subscription, owner, name),
    }


def _exec_user(subscription: Subscription) -> Properties:
    arguments = ["get-token", "--environment", "AzurePublicCloud", "--server-id", SERVER_ID]
    arguments += ["--client-id", _CLIENT_ID, "--tenant-id", subscription.deployer.tenant_id, "--login", "devicecode"]
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "kubelogin",
            "args": arguments,
            "env": None,
            "provideClusterInfo": False,
        }
    }


def _auth_provider_user(subscription: Subscription) -> Properties:
    config = {
        "apiserver-id": SERVER_ID,
        "client-id": _CLIENT_ID,
        "config-mode": "1",
        "environment": "AzurePublicCloud",
        "tenant-id": subscription.deployer.tenant_id,
    }
    return {"auth-provider": {"name": "azure", "config": config}}


def _encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


# The same at each call, like Azure's until they are rotated. Valid only in this cloud.


def _secret(subscription: Subscription, owner: str) -> str:
    return f"{subscription.seed}|{owner.lower()}"


def _token(subscription: Subscription, owner: str, name: str) -> str:
    return shake_256(f"{_secret(subscription, owner)}|{name} token".encode()).hexdigest(64)
