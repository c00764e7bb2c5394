"""What the real Fleet runs on, most of it built from Go modules.

Its controllers, etcd, the Kubernetes control plane, and Pulumi's provider, which asks that.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from semver import VersionInfo

from rehearsal.core.toolchain import Module, ToolchainError, ask
from rehearsal.real import provider
from rehearsal.real.provider import Provider, find_provider

_COMPONENT = "k8s.io/component-base/version"  # unset, API servers say v0.0.0-master and clients cannot compare
# The newest of the minor version that Kubernetes 1.36 is released with (k8s.io/kubernetes, build/dependencies.yaml).
_ETCD = Module("etcd", source="go.etcd.io/etcd/server/v3", takes="half a minute")
# The minor version that AKS gives to new clusters (Azure/AKS, release 2026-10-25).
_KUBERNETES = Module(
    "kubernetes",
    source="k8s.io/kubernetes",
    takes="about five minutes",
    link=f"-X {_COMPONENT}.gitVersion=v{{version}}"
    f" -X {_COMPONENT}.gitMajor={{version.major}} -X {_COMPONENT}.gitMinor={{version.minor}}",
)
_FLEET = Module("fleet", source="go.goms.io/fleet", takes="about a minute")
# v0.3.35 is newer, but the proxy of Go modules has no later one than v0.3.25. Between them, nothing changed in what is
# exported, imported or derived: only the agents' heartbeats no longer follow each other (commit c51f961), Go and flags.
_NETWORKING = Module("fleet-networking", source="go.goms.io/fleet-networking", takes="about a minute")

_MEMBER_ONLY = {"placement.kubernetes-fleet.io_appliedworks.yaml"}
"""What Fleet's own installer keeps off the hub (cmd/crdinstaller/utils/util.go, v0.18.12)."""

_ON_MEMBERS = {
    f"networking.fleet.azure.com_{plural}.yaml"
    for plural in ("serviceexports", "serviceimports", "multiclusterservices")
}
"""What the networking installer puts on members (cmd/net-crd-installer/utils/util.go, v0.3.25); the hub gets all."""


@dataclass(frozen=True)
class Tools:
    """Where the programs are, and the files with the CustomResourceDefinitions of each kind of cluster."""

    etcd: Path
    kube_apiserver: Path
    kube_controller_manager: Path
    kubectl: Path
    hubagent: Path
    memberagent: Path
    hub_net: Path
    member_net: Path
    mcs: Path
    provider: Provider
    hub_crds: tuple[Path, ...]
    member_crds: tuple[Path, ...]

    def __str__(self) -> str:
        """Return a line for each path: what it is, and where."""
        parts: dict[str, Path | Provider | tuple[Path, ...]] = vars(self)
        return "\n".join(
            f"{name} {path}" for name, part in parts.items() for path in (part if isinstance(part, tuple) else (part,))
        )


def find_tools() -> Tools:
    """Return the tools, after building or downloading what is missing.

    One module after the other: Go keeps every core busy within a module, and of their packages a quarter (1358 of
    5188, by `go list -deps tool`) is in more than one. Builds at the same time compile many of these twice.

    Raises:
        ToolchainError: if one of them cannot be had.
    """
    modules = (_ETCD, _KUBERNETES, _FLEET, _NETWORKING)
    try:
        etcd, kubernetes, fleet, networking = (module.commands() for module in modules)
        placement, network = (_definitions(module) for module in (_FLEET, _NETWORKING))
        kubernetes_provider = find_provider()
    except ToolchainError as error:
        oldest = max(module.go for module in (*modules, provider.MODULE))
        raise ToolchainError(
            f"The real Fleet lacks a tool: {error}\n"
            "Connect this machine to the network and run this again; what is finished is kept.\n"
            f"Go >= {oldest} on PATH saves one download."
        ) from error
    return Tools(
        etcd=etcd / "etcd",
        kube_apiserver=kubernetes / "kube-apiserver",
        kube_controller_manager=kubernetes / "kube-controller-manager",
        kubectl=_kubectl_on_path() or kubernetes / "kubectl",
        hubagent=fleet / "hubagent",
        memberagent=fleet / "memberagent",
        hub_net=networking / "hub-net-controller-manager",
        member_net=networking / "member-net-controller-manager",
        mcs=networking / "mcs-controller-manager",
        provider=kubernetes_provider,
        hub_crds=tuple(path for path in placement if path.name not in _MEMBER_ONLY) + network,
        member_crds=tuple(path for path in placement + network if path.name in _MEMBER_ONLY | _ON_MEMBERS),
    )


def _definitions(module: Module) -> tuple[Path, ...]:
    return tuple(sorted((module.source_folder() / "config" / "crd" / "bases").glob("*.yaml")))


def _kubectl_on_path() -> Path | None:
    """Return the user's own kubectl, if it may be used with the API servers here.

    Kubernetes supports one that is at most one minor version older or newer than the API server
    (https://kubernetes.io/releases/version-skew-policy/#kubectl).
    """
    found = shutil.which("kubectl")
    if not found:
        return None
    try:
        answer = json.loads(ask([found, "version", "--client", "--output=json"]))
        version = VersionInfo.parse(answer["clientVersion"]["gitVersion"].removeprefix("v"))
    except (ValueError, LookupError, TypeError):
        return None
    server = _KUBERNETES.version
    close = version.major == server.major and abs(version.minor - server.minor) <= 1
    return Path(found) if close else None
