"""How the program logs in to a Kubernetes API server."""

import base64
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

import pulumi
import yaml


class KubeloginMode(StrEnum):
    """The unattended log-in modes of kubelogin."""

    AZURECLI = "azurecli"
    """With the log-in of `az login`."""
    WORKLOADIDENTITY = "workloadidentity"
    """With a federated token, as GitHub and Kubernetes issue."""
    SPN = "spn"
    """As a service principal with a client secret or certificate."""
    MSI = "msi"
    """As the managed identity of the Azure machine that deploys."""


# The flags that `kubelogin convert-kubeconfig` carries over from an Entra ID kubeconfig, for each mode
# (Azure/kubelogin, pkg/internal/converter/convert.go). The environment provides the rest of the log-in.
_KEPT_FLAGS: Final[dict[KubeloginMode, tuple[str, ...]]] = {
    KubeloginMode.AZURECLI: ("--server-id",),
    KubeloginMode.WORKLOADIDENTITY: ("--server-id",),
    KubeloginMode.SPN: ("--server-id", "--client-id", "--tenant-id", "--environment"),
    KubeloginMode.MSI: ("--server-id",),
}


def unattended(credential: pulumi.Output[str], mode: KubeloginMode) -> pulumi.Output[str]:
    """Return a kubeconfig that Azure lists, decoded and with an unattended log-in, as a secret.

    Args:
        credential: base64, as in `kubeconfigs[0].value` of a credentials listing; Azure does not mark it secret.
        mode: the log-in that replaces Azure's default, which asks for a code in a browser. A kubeconfig with a client
            certificate (local accounts) is not changed.
    """
    return pulumi.Output.secret(credential).apply(lambda value: with_login(base64.b64decode(value).decode(), mode))


def with_login(kubeconfig: str, mode: KubeloginMode) -> str:
    """Return a kubeconfig in which every user that logs in through kubelogin does so in the given mode."""
    config: dict[str, Any] = yaml.safe_load(kubeconfig)
    for user in config["users"]:
        login = user["user"].get("exec")
        if login and "kubelogin" in login["command"]:
            values = dict(pairwise(login["args"]))
            kept = [part for flag in _KEPT_FLAGS[mode] if flag in values for part in (flag, values[flag])]
            login["args"] = ["get-token", "--login", str(mode), *kept]
    return yaml.safe_dump(config, sort_keys=False)
