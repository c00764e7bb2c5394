"""Two times to compare a program's time with: the shortest possible on Azure, and the article's script.

Both are computed here for any number of regions, independently of the program.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from rehearsal.timing.durations import Durations, Scale, Verb
from rehearsal.timing.schedule import Operation

_AZURE = "azure-native:"
_GROUP = f"{_AZURE}resources:ResourceGroup"
_NETWORK = f"{_AZURE}network:VirtualNetwork"
_PEERING = f"{_AZURE}network:VirtualNetworkPeering"
_IDENTITY = f"{_AZURE}managedidentity:UserAssignedIdentity"
_ROLE = f"{_AZURE}authorization:RoleAssignment"
_CLUSTER = f"{_AZURE}containerservice:ManagedCluster"
_POOL = f"{_AZURE}containerservice:AgentPool"
_ADDRESS = f"{_AZURE}network:PublicIPAddress"
_GATEWAY = f"{_AZURE}network:NatGateway"
_BALANCER = f"{_AZURE}network:LoadBalancer"
_FLEET = f"{_AZURE}containerservice:Fleet"
_MEMBER = f"{_AZURE}containerservice:FleetMember"
_NAMESPACE = "kubernetes:core/v1:Namespace"
_OBJECT = "kubernetes:apps/v1:Deployment"
_PLACEMENT = "kubernetes:placement.kubernetes-fleet.io/v1:ClusterResourcePlacement"
_ENTRY_SERVICE = "kubernetes:core/v1:ServicePatch"
_ENTRY_POINT = "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService"


@dataclass(frozen=True)
class Dependency:
    """A step that must wait for another one in any program.

    Attributes:
        step: the one that waits; a key of `STEPS`.
        needs: the step that it waits for. A regional step waits for the one in the same region; any other step waits
            for the ones in all regions.
        reason: why.
        source: the source.
    """

    step: str
    needs: str
    reason: str
    source: str


STEPS: Final = {
    "group": _GROUP,
    "network": _NETWORK,
    "peerings": _PEERING,
    "identity": _IDENTITY,
    "role": _ROLE,
    "cluster": _CLUSTER,
    "member": _MEMBER,
    "hub group": _GROUP,
    "hub": _FLEET,
    "hub role": _ROLE,
    "namespace": _NAMESPACE,
    "app": _OBJECT,
    "placement": _PLACEMENT,
    "entry point": _ENTRY_POINT,
}
"""The steps without which there is no multi-cluster service, with the types of their resources."""

OPTIONAL: Final = {
    "gateway address": _ADDRESS,
    "gateway": _GATEWAY,
    "pool": _POOL,
    "entry service": _ENTRY_SERVICE,
    "global balancer": _BALANCER,
}
"""More steps, of stacks that have these types of resources: a NAT gateway, a pool for the apps, a global address."""

_OF_REGIONS: Final = (
    *("group", "network", "peerings", "identity", "role", "cluster", "member"),
    *("gateway address", "gateway", "pool"),
)

_IN_GROUP = ("it is in the group", "learn: azure-resource-manager/management/overview, Resource groups")
DEPENDENCIES: Final = (
    # One request makes a VNet with its subnet (learn: rest/api/virtualnetwork/virtual-networks/create-or-update).
    Dependency("network", "group", *_IN_GROUP),
    Dependency("identity", "group", *_IN_GROUP),
    Dependency("hub", "hub group", *_IN_GROUP),
    Dependency(
        "peerings",
        "network",
        "a peering is a part of its VNet, and is refused while the VNet is being written",
        "pulumi/pulumi-azure-native issue 4340",
    ),
    Dependency(
        "peerings",
        "cluster",
        "a cluster fails if its VNet is written while it is created, and the peerings first would delay all that waits "
        "for the cluster",
        "learn: troubleshoot/azure/azure-kubernetes/error-codes/virtualnetworknotinsucceededstate-error",
    ),
    Dependency(
        "role",
        "identity",
        "the role is assigned to the identity; on the group, it need not wait for the subnet",
        "learn: role-based-access-control/role-assignments-steps",
    ),
    Dependency(
        "cluster",
        "role",
        "AKS must be allowed to join the subnet before it starts",
        "learn: aks/concepts-network-legacy-cni",
    ),
    Dependency("cluster", "network", "its nodes are in the subnet", "learn: aks/concepts-network-legacy-cni"),
    Dependency("gateway address", "group", *_IN_GROUP),
    Dependency("gateway", "gateway address", "it sends from the address", "learn: nat-gateway/nat-overview"),
    Dependency("cluster", "gateway", "the cluster asks for the gateway on its subnet", "learn: aks/nat-gateway"),
    Dependency("pool", "cluster", "it is a part of the cluster", "learn: rest/api/aks, Agent Pools"),
    Dependency(
        "peerings",
        "pool",
        "a pool fails if its VNet is written while its nodes are created",
        "learn: troubleshoot/azure/azure-kubernetes/error-codes/virtualnetworknotinsucceededstate-error",
    ),
    Dependency(
        "member",
        "pool",
        "AKS does one operation on a cluster at a time, and a cluster that joins is being updated; the app waits for "
        "both in any order",
        "aka.ms/aks-pending-operation",
    ),
    Dependency(
        "member",
        "cluster",
        "the fleet installs its agents on a running cluster",
        "learn: kubernetes-fleet/concepts-lifecycle",
    ),
    Dependency("member", "hub", "a member is a part of its fleet", "learn: rest/api/fleet, Fleet Members"),
    Dependency(
        "hub role",
        "hub",
        "only this role on the fleet gives access to the hub's objects",
        "learn: kubernetes-fleet/access-fleet-hub-cluster-kubernetes-api",
    ),
    Dependency(
        "namespace", "hub role", "it is an object of the hub", "learn: kubernetes-fleet/access-fleet-hub-cluster-…"
    ),
    Dependency("app", "namespace", "its objects are in the namespace", "Kubernetes: concepts, Namespaces"),
    Dependency(
        "placement",
        "app",
        "a placement that comes before its objects is available without them",
        "Azure/fleet v0.18.12, pkg/controllers/placement",
    ),
    Dependency(
        "placement",
        "member",
        "it is available on members that have joined",
        "Azure/fleet v0.18.12, pkg/scheduler",
    ),
    Dependency(
        "entry point",
        "placement",
        "its namespace and the exported Service come to the cluster with the placement",
        "Azure/fleet-networking v0.3.25, pkg/controllers/multiclusterservice",
    ),
    Dependency(
        "entry service",
        "entry point",
        "Fleet makes the Service that accepts the global address from the entry point",
        "Azure/fleet-networking v0.3.25, ensureDerivedService",
    ),
    Dependency(
        "global balancer",
        "entry service",
        "it refers to the frontend of the Service",
        "Azure/azure-rest-api-specs, LoadBalancerCreateGlobalTier.json",
    ),
)

PEERED_BEFORE_JOINING: Final = Dependency(
    "member",
    "peerings",
    "a cluster is updated when it joins, and its update may fail if its VNet is written meanwhile; in the other order, "
    "a region that leaves would lose its peerings while its pods still get requests",
    "docs/decisions.md, 3",
)
"""What the program adds to `DEPENDENCIES` for safety. It is not one of them, because nobody has tried on Azure whether
it is necessary."""


def least(
    regions: int,
    durations: Durations,
    scale: Scale = "typical",
    *,
    types: Collection[str] = (),
    dependencies: Sequence[Dependency] = DEPENDENCIES,
) -> list[Operation]:
    """Return the necessary steps of an `up`; their longest chain is a lower bound of any program's time.

    Args:
        regions: how many there are.
        durations: the table.
        scale: the column of the table.
        types: the types of the stack's resources, which say what steps of `OPTIONAL` it has.
        dependencies: what the steps wait for.

    All peerings of a region are one step: a VNet has 2 (n - 1), its own and the opposite ones, and only one at a time
    can write it.
    """

    def names(step: str) -> list[str]:
        return [f"{step} {region}" for region in range(1, regions + 1)] if step in _OF_REGIONS else [step]

    steps = STEPS | {step: token for step, token in OPTIONAL.items() if token in types}

    def needs(name: str, step: str) -> Iterator[str]:
        for dependency in dependencies:
            if dependency.step == step and dependency.needs in steps:
                same = step in _OF_REGIONS and dependency.needs in _OF_REGIONS
                yield from [name.replace(step, dependency.needs, 1)] if same else names(dependency.needs)

    times = {"peerings": 2 * (regions - 1)}
    return [
        _step(name, token, durations.seconds(token, "create", scale) * times.get(step, 1), needs(name, step))
        for step, token in steps.items()
        for name in names(step)
    ]


GROUP_WITH_A_CLUSTER: Final = 380
"""Seconds to delete a group with a hub in it: the shortest time of a `destroy` that deletes only the groups. The
fleet's own deletion takes as long (Azure/azure-cli-extensions, test_fleet_*: n = 19, median 379 s); groups with an AKS
cluster took 364 to 368 s (Azure/azure-service-operator, v2/internal/controllers/recordings, 2023 to 2026)."""


def script(regions: int, durations: Durations, scale: Scale = "typical") -> list[Operation]:
    """Return the steps of the article's script, one after the other.

    Its `deploy` runs nothing in the background (appdevgbb/pattern-fleet-manager, run.sh). `az aks create` assigns the
    role on the subnet by itself (azure-cli, its option --skip-subnet-role-assignment). The script does not wait for the
    placement and never applies the MultiClusterService; the article waits for both, so their time counts.
    """
    each = [str(region) for region in range(1, regions + 1)]
    steps = [
        *((f"{step} {region}", STEPS[step]) for region in each for step in ("group", "network")),
        *((f"{step} {region}", STEPS[step]) for region in each for step in ("cluster", "role")),
        *((f"peering {here}-{there}", _PEERING) for a, b in combinations(each, 2) for here, there in ((a, b), (b, a))),
        *((step, STEPS[step]) for step in ("hub group", "hub")),
        *((f"member {region}", _MEMBER) for region in each),
        *((step, STEPS[step]) for step in ("hub role", "namespace", "app", "placement", "entry point")),
    ]
    operations: list[Operation] = []
    for name, token in steps:
        before = [operations[-1].urn] if operations else []
        operations.append(_step(name, token, durations.seconds(token, "create", scale), before))
    return operations


def _step(name: str, token: str, seconds: float, after: Iterator[str] | list[str]) -> Operation:
    verb: Verb = "create"
    return Operation(urn=name, token=token, name=name, region="", verb=verb, seconds=seconds, after=tuple(after))
