"""Checks kubelogin's arguments: unattended, and for a token for AKS clusters."""

import re
from collections.abc import Sequence
from typing import Final

SERVER_ID: Final = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The application "Azure Kubernetes Service AAD Server", the same in every tenant (Azure/kubelogin, README)."""

# The modes that work unattended; the default is `devicecode` (Azure/kubelogin, docs: concepts/login-modes).
_UNATTENDED: Final = frozenset(
    {"azurecli", "azuredeveloperclicredential", "azd", "azurepipelines", "msi", "spn", "workloadidentity"}
)


def refusal(arguments: Sequence[str]) -> str:
    """Return the reason why kubelogin gets no token with these arguments; empty if it gets one."""
    mode = _given("--login|-l", arguments) or "devicecode"
    if mode not in _UNATTENDED:
        return (
            f"kubelogin --login {mode} waits for a person to sign in; unattended runs need another mode, such as "
            "azurecli, workloadidentity or spn"
        )
    if (application := _given("--server-id", arguments)) != SERVER_ID:
        return f"kubelogin --server-id {application or '(none)'} is not the application of AKS clusters, {SERVER_ID}"
    return ""


def _given(flag: str, arguments: Sequence[str]) -> str:
    found = re.search(rf"(?:^| )(?:{flag})[ =](\S+)", " ".join(arguments))
    return found[1] if found else ""
