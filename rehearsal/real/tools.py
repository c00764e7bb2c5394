"""The tools of the real Fleet, most of them built from Go modules.

These are Fleet's controllers, etcd, the Kubernetes control plane, and Pulumi's Kubernetes provider.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from rehearsal.core.errors import ToolchainError
from rehearsal.core.toolchain import Module, cache_folder, filled
from rehearsal.real.provider import Provider, find_provider

_COMPONENT = "k8s.io/component-base/version"  # unset, API servers say v0.0.0-master and clients cannot compare
# The newest patch of the minor version that Kubernetes 1.36 is released with (k8s.io/kubernetes,
# build/dependencies.yaml).
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
# v0.3.35 is newer, but the Go module proxy has no later version than v0.3.25. Between them, exports, imports and
# derived objects did not change: only the order of the agents' heartbeats (commit c51f961), Go and flags.
_NETWORKING = Module("fleet-networking", source="go.goms.io/fleet-networking", takes="about a minute")

_MEMBER_ONLY = {"placement.kubernetes-fleet.io_appliedworks.yaml"}
"""Definitions that Fleet's own installer does not install on the hub (cmd/crdinstaller/utils/util.go, v0.18.12)."""

_ON_MEMBERS = {
    f"networking.fleet.azure.com_{plural}.yaml"
    for plural in ("serviceexports", "serviceimports", "multiclusterservices")
}
"""Definitions that the networking installer installs on members (cmd/net-crd-installer/utils/util.go, v0.3.25); the hub
gets all."""


@dataclass(frozen=True)
class Tools:
    """The paths of the programs, and of the CustomResourceDefinitions for each role of cluster."""

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
        """Return a line with the name and the path of each tool."""
        parts: dict[str, Path | Provider | tuple[Path, ...]] = vars(self)
        return "\n".join(
            f"{name} {path}" for name, part in parts.items() for path in (part if isinstance(part, tuple) else (part,))
        )


def find_tools() -> Tools:
    """Return the tools, after building or downloading what is missing.

    Modules are built one after the other. Go uses all cores within a module, and a quarter of the packages (1358 of
    5188, by `go list -deps tool`) is in more than one module. Parallel builds would compile many of these twice.

    Raises:
        ToolchainError: if a tool cannot be downloaded or built.
    """
    try:
        etcd, kubernetes, fleet, networking = (
            module.commands() for module in (_ETCD, _KUBERNETES, _FLEET, _NETWORKING)
        )
        placement, network = (_definitions(module) for module in (_FLEET, _NETWORKING))
        kubernetes_provider = find_provider()
    except ToolchainError as error:
        raise ToolchainError(
            f"The real Fleet needs a tool that is missing: {error}\n"
            "Remove the cause and run this again; finished tools are kept."
        ) from error
    return Tools(
        etcd=etcd / "etcd",
        kube_apiserver=kubernetes / "kube-apiserver",
        kube_controller_manager=kubernetes / "kube-controller-manager",
        kubectl=kubernetes / "kubectl",
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
    """Return copies of a module's CustomResourceDefinitions, which `go clean -modcache` does not remove."""

    def fill(folder: Path) -> None:
        for file in (module.source_folder() / "config" / "crd" / "bases").glob("*.yaml"):
            shutil.copyfile(file, folder / file.name)

    return tuple(sorted(filled(cache_folder() / module.name / f"{module.version}-definitions", fill).iterdir()))
