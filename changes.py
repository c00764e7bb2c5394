"""Changes that a running stack cannot make. The preview reports them, before anything is done.

A change that replaces a cluster or a fleet cannot succeed in one `up`. The engine closes the old provider before it
deletes the objects on the old cluster through it (pulumi v3.274.1, pkg/resource/deploy/providers/registry.go, Diff),
and a member cannot leave the fleet while the placement selects it. Azure refuses other changes after half of the plan
has been carried out. So the settings are compared with the outputs in the state.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_network
from operator import attrgetter
from typing import Any, Final, NamedTuple, cast

import pulumi
from pulumi_azure_native import authorization
from pydantic.alias_generators import to_camel

from components.existing import id_part
from components.roles import Principal
from components.subscriptions import own_subscription
from settings import (
    App,
    ClusterRegion,
    Entry,
    ExistingFleet,
    Hub,
    NewRegion,
    Problem,
    Region,
    Settings,
    SubnetRegion,
    report,
    secret_keys,
    short_name,
    show,
)

State = Mapping[str, Mapping[str, Any]]
"""The outputs of the state's resources. A component's key is its type and name, `FleetHub hub`. Its child's key has
both types, `FleetHub/Fleet hub-fleet`, because a region may have the name of another component or child. The stack's
own outputs are under `""`."""

_HEADING: Final = (
    'The running stack cannot be changed like this; nothing was done. See docs/operations.md, "What cannot change":'
)


class ChangeError(pulumi.RunError):
    """The message lists all changes that cannot be made. Pulumi shows the message of a RunError without a traceback."""


def refuse_what_cannot_change(stack: Settings) -> State:
    """Compare a stack's settings with the running stack, and return its state, which is empty for a new stack.

    Raises:
        ChangeError: a change cannot be made; the message lists all such changes. Or the state cannot be read.
    """
    state = _state()
    problems = [
        *_subscription(state),
        *_regions(stack, state),
        *_clusters(stack, state),
        *_fleet(stack, state),
        *_monitoring(stack, state),
        *_rollout(stack, state),
        *_renamed(stack, state),
    ]
    problems = problems or [*_entries(stack, state)]
    if problems:
        raise ChangeError(report(_HEADING, problems, secret_keys()))
    if "MultiClusterApp app" in state and not stack.all_apps:
        pulumi.log.warn(
            "the app of the running stack is deleted, because a stack with teams has no app by default; to keep it, "
            f"write one of its keys, such as app.service: {stack.app.service}"
        )
    lost: Mapping[str, str] = _value(state.get(""), ("lostMembers",)) or {}
    for region, member in lost.items():
        if member_key(region) in state and region not in {each.name for each in stack.regions}:
            pulumi.log.warn(
                f"the member {member} of region {region} stays in the fleet, because Fleet does not release it without "
                'its agents: see docs/operations.md, "A region is lost for good"'
            )
    return state


def refuse_moved_overrides(state: State, overrides: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> None:
    """Refuse an override of an object that is in another override of the running stack.

    Fleet allows one for an object, and the engine deletes the other one last.
    [Azure/fleet v0.18.12, pkg/utils/validator/resourceoverride.go]

    Args:
        state: the stack's state.
        overrides: the selectors of the objects of each override, by the names of app and override.

    Raises:
        ChangeError: the message lists all such overrides.
    """
    problems: list[Problem] = []
    for app, found in overrides.items():
        running = [
            (selector, name)
            for name, outputs in _overrides(app, state).items()
            for selector in _value(outputs, ("spec", "resourceSelectors")) or ()
        ]
        problems += [
            Problem(
                f"ResourceOverride {name}",
                f"{selector['kind']} {selector['name']} is still in {before} on the hub",
                f"keep the name {before}; or take the object out of both, `pulumi up`, and then put it into {name}",
            )
            for name, selectors in found.items()
            for selector, before in running
            if selector in selectors and before != name
        ]
    if problems:
        raise ChangeError(report(_HEADING, problems, secret_keys()))


def leaving_overrides(state: State, app: str, overrides: Mapping[str, object]) -> list[str]:
    """Return the names of an app's overrides that the running stack has, and that this `up` deletes at its end."""
    return [name for name in _overrides(app, state) if name not in overrides]


def _overrides(app: str, state: State) -> dict[str, Mapping[str, Any]]:
    prefix = f"MultiClusterApp/ResourceOverride {app}-resourceoverride-"
    return {key.removeprefix(prefix): outputs for key, outputs in state.items() if key.startswith(prefix)}


def has_kubelet_identity(stack: Settings, state: State, region: str) -> bool:
    """Return whether the nodes of a region have an identity that the program makes.

    A running cluster keeps the identity that it was created with: for another one, Azure gives every node a new image,
    and only once there is one. [learn: aks/pre-created-kubelet-managed-identity]
    """
    if _key_of(region, "cluster") in state:
        return _key_of(region, "kubelets") in state
    return stack.clusters.registry_id is not None


def has(state: State, region: Region, resource: str, *, wanted: bool) -> bool:
    """Return whether a region has a resource. A lost one keeps those that the state has, and gets no others.

    Args:
        state: the stack's state.
        region: the region.
        resource: the resource's key in the state.
        wanted: whether the settings want it.
    """
    return resource in state if region.lost else wanted


def additions(stack: Settings, state: State, region: Region) -> dict[str, bool]:
    """Return whether a region with a new cluster has what a setting adds to it, by the setting's key."""
    return {each.key: has(state, region, each.resource, wanted=each.wanted) for each in _additions(stack, region)}


def switched(state: State, region: Region) -> Sequence[str] | None:
    """Return what earlier updates have switched on or off in a cluster that the stack creates; None for a new one."""
    return _value(state.get(f"RegionalCluster {region.name}"), ("switched",))


def existing(stack: Settings, state: State, kind: str) -> list[str] | None:
    """Return the logical names of the resources of a kind in the state; None if no region is lost.

    Args:
        stack: the settings.
        state: the stack's state.
        kind: the type, and before it, for a component's child, the component's.
    """
    if not any(region.lost for region in stack.regions):
        return None
    return [key.removeprefix(f"{kind} ") for key in state if key.startswith(f"{kind} ")]


def kept_admins(state: State, region: Region) -> dict[str, Principal]:
    """Return those who have a role on a lost region's cluster, by logical name."""
    kind = "ExistingCluster" if isinstance(region, ClusterRegion) else "RegionalCluster"
    found: dict[str, Principal] = {}
    for key, role in state.items():
        name, holder = key.removeprefix(f"{kind}/RoleAssignment {region.name}-"), str(role.get("principalId"))
        # The name has the ID as the user wrote it; Azure ignores its case.
        if name == "deployer" or name.lower() == f"admin-{holder}".lower():
            object_id = holder if name == "deployer" else name.removeprefix("admin-")
            found[name] = Principal(object_id=object_id, type=authorization.PrincipalType(role["principalType"]))
    return found


def _state() -> State:
    # `pulumi.StackReference` reads the stack's outputs only, which are missing after a failed `up`.
    # [pulumi v3.274.1, pkg/resource/deploy/builtins.go, readStackResourceOutputs]
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        answer: Any = pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", {"stackName": stack}).value
    except Exception as error:  # noqa: BLE001 - the SDK raises nothing more specific
        raise ChangeError(
            f"The state of the stack cannot be read: {error}; nothing was done, because a plan without it could give "
            "running clusters other identities, and lost regions other resources. Run it again; if "
            "`pulumi stack export` fails too, make the state's backend readable first."
        ) from None
    found: dict[str, Mapping[str, Any]] = {}
    for urn, resource in answer["outputs"].items():
        types = [token.rpartition(":")[2] for token in urn.split("::")[2].split("$")]
        found["" if types == ["Stack"] else f"{'/'.join(types[-2:])} {urn.rpartition('::')[2]}"] = resource["outputs"]
    return found


def _subscription(state: State) -> Iterator[Problem]:
    """Find a changed default subscription: Azure would look there for resources of the old one."""
    outputs = [
        state[name].get("clusterId", state[name].get("fleetId"))
        for name in state
        if name.partition(" ")[0] in ("RegionalCluster", "ExistingCluster", "FleetHub")
    ]
    found = sorted({id_part(each, "subscriptions").lower() for each in outputs if isinstance(each, str)})
    # Resources in another subscription have a provider of that name.
    before = next((each for each in found if f"azure-native azure-{each}" not in state), None)
    if not found or (own := own_subscription()) == before or (not before and own not in found):
        return
    was = show(before) if before else f"{show(own)} has existing resources only"
    yield Problem(
        "azure-native:subscriptionId",
        f"{show(own)} is not the subscription that this stack works in: {was}",
        "put the former one back, here or with `az account set`; another subscription needs another stack",
    )


_TYPES: Final = {
    "api-subnet": "Subnet",
    "group": "ResourceGroup",
    "vnet": "VirtualNetwork",
    "subnet": "Subnet",
    "cluster": "ManagedCluster",
    "kubelets": "UserAssignedIdentity",
    "apps": "AgentPool",
}


def _key_of(region: str, resource: str) -> str:
    """Return the key in the state of a region's resource, by the suffix of its logical name."""
    return f"RegionalCluster/{_TYPES[resource]} {region}-{resource}"


def member_key(region: str) -> str:
    """Return the key in the state of a region's member of the fleet."""
    return f"FleetHub/FleetMember hub-member-{region}"


# --- Regions ---------------------------------------------------------------------------------------------------


class Fixed(NamedTuple):
    """A key of a region whose value cannot change.

    Attributes:
        field: its path in the settings.
        resource: the suffix of the resource's logical name.
        output: its path in the resource's outputs.
        same: brings both values into one form.
        absent: whether the outputs lack the value if the region was created without the key.
    """

    field: str
    resource: str
    output: tuple[str | int, ...]
    same: Callable[[Any], object] = str
    absent: bool = False

    @property
    def key(self) -> str:
        """The key, as the user writes it."""
        return ".".join(map(to_camel, self.field.split(".")))


def _name(value: object) -> str:
    return str(value).lower()  # Azure ignores case in names


def _zones(value: object) -> list[str]:
    return sorted(cast("Sequence[str]", value))


def _key(value: str) -> list[str]:
    return value.split()[:2]  # without the comment


_POOL: Final = ("agentPoolProfiles", 0)
FIXED: Final = (
    # Parts of the IDs or locations of the region's resources: another value makes other resources.
    Fixed("resource_group", "group", ("name",), _name),
    Fixed("location", "group", ("location",), short_name),
    Fixed("virtual_network", "vnet", ("name",), _name),
    Fixed("subnet", "subnet", ("name",), _name),
    Fixed("cluster", "cluster", ("name",), _name),
    # The range of a subnet with nodes in it. [hashicorp/terraform-provider-azurerm issues 7687, 11211:
    # InUseSubnetCannotBeUpdated]
    Fixed("node_subnet", "subnet", ("addressPrefix",)),
    Fixed("api_server_subnet", "api-subnet", ("addressPrefix",)),
    # azure-native replaces the cluster for these. [provider/pkg/gen/replacement.go]
    Fixed("service_cidr", "cluster", ("networkProfile", "serviceCidr")),
    Fixed("dns_service_ip", "cluster", ("networkProfile", "dnsServiceIP")),
    Fixed(
        "ssh_public_key",
        "cluster",
        ("linuxProfile", "ssh", "publicKeys", 0, "keyData"),
        _key,
        absent=True,
    ),
    # Azure refuses changes of these in a running pool. [Azure/bicep-registry-modules issue 7130:
    # PropertyChangeNotAllowed]
    Fixed("node_pool.vm_size", "cluster", (*_POOL, "vmSize"), _name),
    Fixed("node_pool.max_pods", "cluster", (*_POOL, "maxPods"), int),
    Fixed(
        "node_pool.zones",
        "cluster",
        (*_POOL, "availabilityZones"),
        _zones,
        absent=True,
    ),
)
# azure-native would create the new pool before it deletes the old one, and both have the same name. [the same]
FIXED_IN_POOL: Final = (
    Fixed("user_pool.vm_size", "apps", ("vmSize",), _name),
    Fixed("user_pool.max_pods", "apps", ("maxPods",), int),
    Fixed("user_pool.zones", "apps", ("availabilityZones",), _zones, absent=True),
)


def _regions(stack: Settings, state: State) -> Iterator[Problem]:
    for number, region in enumerate(stack.regions):
        path = f"regions[{number}]"
        made, there = f"RegionalCluster {region.name}" in state, f"ExistingCluster {region.name}" in state
        if not made and not there:
            yield from _newcomer(path, region, stack, state)
            if region.lost and state:
                found = f"true, but region {show(region.name)} does not exist yet"
                yield Problem(f"{path}.lost", found, "remove the key: only a running region can be lost")
        elif region.lost and made and _key_of(region.name, "cluster") not in state:
            found = f"true, but region {show(region.name)} has no cluster yet"
            yield Problem(f"{path}.lost", found, "remove the region: it has nothing to keep")
        elif isinstance(region, ClusterRegion):
            where = f"{path}.existing.clusterId"
            if made:
                found = f"region {show(region.name)} has a cluster that this stack has made"
                yield Problem(where, found, "remove the key, or choose another name for the region")
                continue
            before = state[f"ExistingCluster {region.name}"].get("clusterId")
            yield from _other_id(where, before, region.existing.cluster_id, "region", region.name)
            yield from _member(path, region, state)
        elif there:
            found = f"is missing: region {show(region.name)} is on a cluster that existed before it"
            yield Problem(f"{path}.existing.clusterId", found, "put it back, or choose another name for the region")
        elif _key_of(region.name, "cluster") in state:
            # Without a cluster, the engine can replace all of the region's resources.
            yield from _fixed(path, region, state)
            if region.lost:
                yield from _taken_from_lost(path, region, stack, state)


class Addition(NamedTuple):
    """What a setting adds to each region with a new cluster.

    Attributes:
        key: the setting, as the user writes it.
        resource: the key in the state of a resource that comes with it.
        wanted: whether the settings have it.
        elsewhere: whether its resources are not in the region itself.
    """

    key: str
    resource: str
    wanted: bool
    elsewhere: bool = False


def _additions(stack: Settings, region: Region) -> Iterator[Addition]:
    name, clusters, monitoring = region.name, stack.clusters, stack.monitoring
    pool = not isinstance(region, ClusterRegion) and region.user_pool is not None
    yield Addition("userPool", _key_of(name, "apps"), pool)
    group = f"RegionalCluster/NetworkSecurityGroup {name}-rules"
    yield Addition("clusters.securityGroup", group, clusters.security_group)
    role = f"RegionalCluster/RoleAssignment {name}-pull-images"
    yield Addition("clusters.registryId", role, clusters.registry_id is not None)
    window = f"MaintenanceWindows/MaintenanceConfiguration {name}-maintenance-kubernetes"
    yield Addition("clusters.maintenance", window, clusters.maintenance is not None)
    logs = f"MonitoredCluster/DiagnosticSetting {name}-monitoring-diagnostics"
    yield Addition("monitoring.enabled", logs, monitoring.enabled)
    alerts = f"Alerts/PrometheusRuleGroup alerts-{name}"
    yield Addition("monitoring.alerts", alerts, monitoring.alerts is not None, elsewhere=True)


def _taken_from_lost(path: str, region: Region, stack: Settings, state: State) -> Iterator[Problem]:
    """Find settings without which a lost region would lose a resource: Azure may not answer for the region."""
    for each in _additions(stack, region):
        if each.resource in state and not (each.wanted or each.elsewhere):
            where = f"{path}.{each.key}" if each.key == "userPool" else each.key
            found = f"is switched off, but region {show(region.name)} is lost, and still has what the setting added"
            yield Problem(where, found, "put it back until the region answers again, or remove the region, too")


def _member(path: str, region: Region, state: State) -> Iterator[Problem]:
    """Find a changed member name: a member cannot leave the fleet while the placement selects it."""
    joined = _value(state.get(member_key(region.name)), ("name",))
    if joined and joined != region.cluster:
        found = f"region {show(region.name)} joined the fleet as {show(joined)}, not {show(region.cluster)}"
        yield Problem(f"{path}.cluster", found, "put it back; or remove the region, `pulumi up`, and add it again")


def _fixed(path: str, region: NewRegion | SubnetRegion, state: State) -> Iterator[Problem]:
    """Find changes that would replace the region's resources, or that Azure refuses."""
    cluster = state.get(_key_of(region.name, "cluster"), {})
    subnet = str(_value(cluster, (*_POOL, "vnetSubnetID")) or "").lower()
    group = f"/resourcegroups/{_value(state.get(_key_of(region.name, 'group')), ('name',))}/".lower()
    existing = region.existing.subnet_id.lower() if region.existing else ""
    if subnet and group not in subnet and not existing:
        found = f"is missing: region {show(region.name)} is in a subnet that existed before it"
        yield Problem(f"{path}.existing.subnetId", found, "put it back, or choose another name for the region")
        return
    table = [each for each in FIXED if not (existing and each.resource in {"vnet", "subnet", "api-subnet"})]
    yield from _differences(path, region, state, table, "add a region with the new value, and remove this one")
    if region.user_pool and _key_of(region.name, "apps") in state:
        remedy = "take userPool out, `pulumi up`, and write it anew"
        yield from _differences(path, region, state, FIXED_IN_POOL, remedy)
    if existing and (group in existing or subnet != existing):
        found = f"region {show(region.name)} was created in another subnet"
        remedy = "put it back, or leave it out; or add a region with the new value, and remove this one"
        yield Problem(f"{path}.existing.subnetId", found, remedy)
    before = str(_value(cluster, ("apiServerAccessProfile", "subnetId")) or "").lower()
    after = str(region.existing.api_server_subnet_id or "").lower() if region.existing else ""
    if existing and before and after and before != after:
        found = f"the API server of region {show(region.name)} is in another subnet"
        yield Problem(f"{path}.existing.apiServerSubnetId", found, "put it back: AKS does not move an API server")
    yield from _version(path, region, _value(cluster, ("currentKubernetesVersion",)))


def _differences(
    path: str, region: NewRegion | SubnetRegion, state: State, table: Sequence[Fixed], otherwise: str
) -> Iterator[Problem]:
    for fixed in table:
        before = _value(state.get(_key_of(region.name, fixed.resource)), fixed.output)
        after = attrgetter(fixed.field)(region)
        if not (before and after):
            if not fixed.absent or not (before or after):
                continue
        elif fixed.same(before) == fixed.same(after):
            continue
        created = f"region {show(region.name)} was created with"
        if fixed.field == "ssh_public_key":
            found = f"{created} {'another key' if after else 'a key'}"
        else:
            found = f"{created} {show(before) if before else 'none'}, not {show(after) if after else 'none'}"
        yield Problem(f"{path}.{fixed.key}", found, f"put it back; or {otherwise}")


def _version(path: str, region: NewRegion | SubnetRegion, runs: object) -> Iterator[Problem]:
    """Find a version of Kubernetes that AKS does not upgrade to. [learn: aks/upgrade-aks-cluster]."""
    if not region.kubernetes_version or not isinstance(runs, str):
        return
    before, after = ([int(part) for part in text.split(".")] for text in (runs, region.kubernetes_version))
    where = f"{path}.kubernetesVersion"
    if after < before[: len(after)]:
        found = f"{show(region.kubernetes_version)} is older than the version of the cluster, {runs}"
        yield Problem(where, found, "write that version or a newer one: AKS does not go back")
    elif after[:1] == before[:1] and after[1] > before[1] + 1:
        found = f"{show(region.kubernetes_version)} skips a minor version: the cluster runs {runs}"
        yield Problem(where, found, f'write "{before[0]}.{before[1] + 1}" first: AKS takes one minor version at a time')


def _newcomer(path: str, region: Region, stack: Settings, state: State) -> Iterator[Problem]:
    """Find names and ranges of a new region that belong to a region which the same update removes."""
    names = {region.name for region in stack.regions}
    for component, outputs in state.items():
        kind, _, gone = component.partition(" ")
        if kind not in ("RegionalCluster", "ExistingCluster") or gone in names:
            continue
        later = f"remove {show(gone)} in one `pulumi up`, add this in the next"
        identity = f"put the name {show(gone)} back: it is the region's identity"
        group = _value(state.get(_key_of(gone, "group")), ("name",))
        if not isinstance(region, ClusterRegion) and group and _name(group) == _name(region.resource_group):
            found = f"{show(region.name)} would have the resource group {show(group)}, which region {show(gone)} has"
            yield Problem(f"{path}.name", found, f"{identity}. A new region needs a group of its own")
            continue
        if isinstance(region, ClusterRegion) and _name(outputs.get("clusterId")) == _name(region.existing.cluster_id):
            found = f"{show(region.name)} would have the cluster that region {show(gone)} has"
            yield Problem(f"{path}.name", found, identity)
            continue
        if _name(_value(state.get(member_key(gone)), ("name",))) == _name(region.cluster):
            found = f"{show(region.cluster)} is the member of region {show(gone)}, until it is gone"
            yield Problem(f"{path}.cluster", found, f"choose another name, or {later}")
        space = _value(state.get(_key_of(gone, "vnet")), ("addressSpace", "addressPrefixes", 0))
        if isinstance(region, NewRegion) and space and ip_network(str(space)).overlaps(region.address_space):
            # Azure refuses to peer it with a network that is peered with the other.
            # [learn: virtual-network/virtual-network-manage-peering]
            found = f"{show(region.address_space)} overlaps {space}, which region {show(gone)} has until it is gone"
            yield Problem(f"{path}.addressSpace", found, later)
        subnet = str(_value(state.get(_key_of(gone, "cluster")), (*_POOL, "vnetSubnetID")) or "").lower()
        if isinstance(region, SubnetRegion) and subnet.startswith(f"{_name(region.existing.network_id)}/"):
            # Its peerings would be created before the other region's are deleted. [cloud-manager of kyma-project,
            # errors.go]
            found = f"is in the VNet that region {show(gone)} is in, until it is gone"
            yield Problem(f"{path}.existing.subnetId", found, later)


# Azure's values, by the values in the settings.
_OUTBOUND: Final = {
    "loadBalancer": "loadBalancer",
    "natGateway": "userAssignedNATGateway",
    "routeTable": "userDefinedRouting",
}


def _clusters(stack: Settings, state: State) -> Iterator[Problem]:
    """Find features that AKS does not turn off, and changes for which azure-native replaces clusters.

    AKS turns off neither Entra ID [Azure/AKS issue 1519] nor the OIDC issuer [learn: aks/use-oidc-issuer]. azure-native
    replaces a cluster for parts of its network profile [provider/pkg/gen/replacement.go].
    """
    made = [
        name
        for region in stack.regions
        if (name := _key_of(region.name, "cluster")) in state and not isinstance(region, ClusterRegion)
    ]
    if not stack.clusters.entra_id and any(_value(state[name], ("aadProfile", "managed")) for name in made):
        found = "false, but the clusters sign in with Microsoft Entra ID"
        yield Problem("clusters.entraId", found, "write true: AKS does not turn it off again")
    for setting, output, wanted, way in (
        (
            "dataplane",
            "networkDataplane",
            stack.clusters.dataplane,
            "or change each cluster with `az aks update`, then run `pulumi refresh`",
        ),
        (
            "outbound",
            "outboundType",
            _OUTBOUND[stack.clusters.outbound],
            "another outbound type needs another stack, or a `pulumi destroy` before the change",
        ),
    ):
        for name in made:
            before = _value(state[name], ("networkProfile", output))
            if before and before != wanted:
                region = name.partition(" ")[2].removesuffix("-cluster")
                was = next((key for key, value in _OUTBOUND.items() if value == before), before)
                now = show(getattr(stack.clusters, setting))
                found = f"region {show(region)} was created with {show(was)}, not {now}"
                yield Problem(f"clusters.{setting}", found, f"put it back; {way}")
                break
    # It is fixed when a pool is created. [learn: aks/enable-host-encryption]
    encrypted = {name: bool(_value(state[name], (*_POOL, "enableEncryptionAtHost"))) for name in made}
    for name, before in encrypted.items():
        if before != stack.clusters.host_encryption:
            region = show(name.partition(" ")[2].removesuffix("-cluster"))
            found = f"region {region} was created with {show(before)}, not {show(stack.clusters.host_encryption)}"
            yield Problem("clusters.hostEncryption", found, "put it back; another value needs another stack")
            break
    private = ("apiServerAccessProfile", "enablePrivateCluster")
    if other := next(
        (name for name in made if bool(_value(state[name], private)) != stack.clusters.private_api_server), ""
    ):
        region = other.partition(" ")[2].removesuffix("-cluster")
        was, now = ("public", "true") if stack.clusters.private_api_server else ("private", "false")
        # AKS keeps the VNet integration of a cluster. [learn: aks/api-server-vnet-integration]
        found = f"{now}, but the API server of region {show(region)} is {was}"
        remedy = "put it back; the other kind needs another stack, or a `pulumi destroy` before the change"
        yield Problem("clusters.privateApiServer", found, remedy)
    # Only the baseline turns workload identity on; Azure turns the issuer on by itself in newer clusters.
    identity = ("securityProfile", "workloadIdentity", "enabled")
    if not stack.clusters.baseline and any(_value(state[name], identity) for name in made):
        found = "false, but the clusters have an OIDC issuer for their pods"
        yield Problem("clusters.baseline", found, "write true: AKS does not turn the issuer off again")


# --- The fleet -------------------------------------------------------------------------------------------------


def _fleet(stack: Settings, state: State) -> Iterator[Problem]:
    if "FleetHub/Fleet hub-fleet" not in state:
        return
    fleet, made = stack.fleet, "FleetHub/ResourceGroup hub-group" in state
    if isinstance(fleet, ExistingFleet):
        if made:
            yield Problem("fleet.existingId", "this stack has made its fleet", "remove the key")
            return
        before = _value(state.get("FleetHub hub"), ("fleetId",))
        yield from _other_id("fleet.existingId", before, fleet.existing_id, "stack", pulumi.get_stack())
    elif not made:
        yield Problem("fleet.existingId", "is missing: this stack is in a fleet that existed before it", "put it back")
    else:
        hub = fleet.hub
        yield from _private_hub(hub, state)
        for key, resource, output, wanted, same in (
            ("name", "Fleet hub-fleet", ("name",), fleet.name, _name),
            ("location", "Fleet hub-fleet", ("location",), fleet.location, short_name),
            ("resourceGroup", "ResourceGroup hub-group", ("name",), fleet.resource_group, _name),
            # A hub's properties cannot be changed. [Azure/azure-rest-api-specs: fleets.json, FleetHubProfile]
            ("hub.dnsPrefix", "Fleet hub-fleet", ("hubProfile", "dnsPrefix"), hub.dns_prefix, _name),
            ("hub.vmSize", "Fleet hub-fleet", ("hubProfile", "agentProfile", "vmSize"), hub.vm_size, _name),
        ):
            before = _value(state.get(f"FleetHub/{resource}"), output)
            # Azure does not return the hub's values that it chose itself. [Azure/azure-cli-extensions:
            # test_fleet_hubful]
            if wanted and (before or key.startswith("hub.")) and (not before or same(before) != same(wanted)):
                created = show(before) if before else "a value that Azure chose"
                found = f"the fleet was created with {created}, not {show(wanted)}"
                yield Problem(f"fleet.{key}", found, _ANOTHER_FLEET)


_ANOTHER_FLEET: Final = "put it back; another fleet needs another stack, or a `pulumi destroy` before the change"


def _private_hub(hub: Hub, state: State) -> Iterator[Problem]:
    """Find a hub that would become private or public, or move. [learn: kubernetes-fleet/concepts-choosing-fleet]."""
    access = ("hubProfile", "apiServerAccessProfile", "enablePrivateCluster")
    was = bool(_value(state["FleetHub/Fleet hub-fleet"], access))
    if was != bool(hub.private):
        words = ("is missing", "private") if was else ("is set", "public")
        found = f"{words[0]}, but the fleet was created with a {words[1]} hub"
        yield Problem("fleet.hub.private", found, _ANOTHER_FLEET)
        return
    before = _value(state.get("FleetHub/VirtualNetwork hub-vnet"), ("addressSpace", "addressPrefixes", 0))
    if hub.private and before and before != (after := str(hub.private.address_space)):
        found = f"the hub was created in {show(before)}, not {show(after)}"
        yield Problem("fleet.hub.private.addressSpace", found, _ANOTHER_FLEET)


def _monitoring(stack: Settings, state: State) -> Iterator[Problem]:
    """Find a change that would replace the workspaces, with all that has been collected."""
    group = state.get("Monitoring/ResourceGroup monitoring-group")
    if not stack.monitoring.enabled or not group:
        return
    for key, before, after, same in (
        ("location", group.get("location"), stack.monitoring.location, short_name),
        ("resourceGroup", group.get("name"), stack.monitoring.resource_group, _name),
    ):
        if before and same(before) != same(after):
            found = f"the workspaces were created with {show(before)}, not {show(after)}"
            remedy = "put it back: new workspaces would be empty. Or remove monitoring, `pulumi up`, and add it again"
            yield Problem(f"monitoring.{key}", found, remedy)


def _rollout(stack: Settings, state: State) -> Iterator[Problem]:
    """Find a removed rollout: Fleet's API server refuses to change the strategy back.

    [Azure/fleet v0.18.12, apis/placement/v1/clusterresourceplacement_types.go, RolloutStrategy.Type]
    """
    for name, app in stack.all_apps.items():
        # The placement is left to the stages before the first run exists.
        there = {
            f"MultiClusterApp/ClusterStagedUpdateStrategy {name}-rollout-stages",
            f"MultiClusterApp/ClusterResourcePlacement {name}-placement",
        }
        if not app.rollout and there <= state.keys():
            found = "is missing: the app is rolled out in stages, and Fleet cannot change that"
            remedy = "put it back; for all regions at once, write one stage with all of them"
            yield Problem(f"{stack.path_of(name)}.rollout", found, remedy)


def _renamed(stack: Settings, state: State) -> Iterator[Problem]:
    """Find a namespace or resource group that belongs to another app, team or address of the running stack.

    For example, an app gets another name and keeps its namespace. The engine creates the new app's namespace before it
    deletes the old app's, and the hub refuses a second namespace of the same name.
    """
    held = dict[tuple[str, str], tuple[str, str]]()
    for key, outputs in state.items():
        for prefix, (kind, field, output) in _HELD.items():
            if key.startswith(prefix):
                owner = kind, key.removeprefix(prefix).rpartition("-")[0]
                held[field, _name(_value(outputs, output))] = owner
    at = "globalAddresses.{}" if stack.apps else "app.globalAddress"
    addresses = stack.addresses.items()
    for kind, name, path, value in (
        *(("app", name, f"{stack.path_of(name)}.namespace", app.namespace) for name, app in stack.all_apps.items()),
        *(("team", name, f"teams.{name}.namespace", team.namespace) for name, team in stack.teams.items()),
        *(("address", name, f"{at.format(name)}.resourceGroup", each.resource_group) for name, each in addresses),
    ):
        field = path.rpartition(".")[2]
        other, owner = held.get((field, _name(value)), (kind, name))
        if (other, owner) != (kind, name):
            found = f"{show(value)} belongs to {other} {show(owner)} of the running stack"
            remedy = f"keep the name {show(owner)}; or choose another {field}"
            after = f"or remove {other} {show(owner)} in one `pulumi up`, and add {kind} {show(name)} in the next"
            yield Problem(path, found, f"{remedy}; {after}")


# The kind of owner, the setting and the output of a namespace or resource group, by the beginning of its key in the
# state.
_HELD: Final[Mapping[str, tuple[str, str, tuple[str | int, ...]]]] = {
    "MultiClusterApp/Namespace ": ("app", "namespace", ("metadata", "name")),
    "TeamNamespace/Namespace team-": ("team", "namespace", ("metadata", "name")),
    "GlobalAddress/ResourceGroup ": ("address", "resourceGroup", ("name",)),
}


def _other_id(path: str, before: object, after: object, kind: str, name: str) -> Iterator[Problem]:
    """Find a changed ID, even if only its spelling changed: the engine would replace the member."""
    if not before or before == after:  # missing after a failed `up`
        return
    what = "this spelling of the ID" if _name(before) == _name(after) else "another ID"
    yield Problem(path, f"{kind} {show(name)} was created with {what}: {before}", "put it back")


def _entries(stack: Settings, state: State) -> Iterator[Problem]:
    """Find entry Services that would move to another region, or be replaced, so that an address would be lost.

    A Service has one importer in the whole fleet, which must release it before another one can have it.
    """
    numbers = {region.name: place for place, region in enumerate(stack.regions)}
    for name, app in stack.all_apps.items():
        at, after = stack.path_of(name), stack.entries(app)
        yield from _first_service(at, name, app, after, state)
        for region, shared, service in _running_entries(name, state):
            suffix = show(service.removeprefix(shared))
            other = next((each.region for each in after if each.name == service and each.region != region), None)
            kept = any(each.region == region and each.name == service for each in after)
            renamed = any(each.region == region and each.service == shared for each in after)
            if other and app.entry_regions:
                found = f"{show(service)} is the entry Service of region {show(region)}"
                remedy = (
                    f"choose another suffix; or remove the entry point of {show(region)}, or its app, in one "
                    "`pulumi up`, and add this in the next"
                )
                yield Problem(f"regions[{numbers[other]}].entrySuffix", found, remedy, at.partition(".")[0])
            elif other:
                found = (
                    f"is missing: the address is in {show(region)}, and would move to {show(other)}, the first region"
                )
                keep = f"put {show(region)} first in {at}.regions" if app.placed_in else f"write [{region}]"
                remedy = f"write [{other}] to have a new one there"
                if region in [each.name for each in stack.regions_of(app)]:
                    remedy = f"{keep} to keep it; or {remedy}"
                yield Problem(f"{at}.entryRegions", found, remedy, "regions")
            elif renamed and not kept:
                found = f"is not what the entry Service of region {show(region)} has: {suffix}"
                remedy = f"write {suffix} to keep the address; or take the region out of {at}.entryRegions first"
                yield Problem(f"regions[{numbers[region]}].entrySuffix", found, remedy, at.partition(".")[0])


def _first_service(at: str, name: str, app: App, after: Sequence[Entry], state: State) -> Iterator[Problem]:
    """Find another first Service: the resources of the first one's entry point are called after the app alone."""
    key = f"MultiClusterApp/MultiClusterService {name}-entry-point"
    before, first = _value(state.get(key), ("metadata", "name")), app.shared[0]
    stays = before in [each.name for each in after]
    if before and before != first and (stays or f"{key}-{first}" in state):
        found = f"{show(first)} cannot take the place of {show(before)}, which is the first in the running stack"
        other = f"; or take {show(first)} out, `pulumi up`, and write it then, for another address"
        yield Problem(f"{at}.services", found, f"write {show(before)} first{'' if stays else other}")


def _running_entries(app: str, state: State) -> Iterator[tuple[str, str, str]]:
    """Yield region, shared Service and entry Service of each entry point that an app has in the state."""
    outputs = state.get("", {})
    apps: Mapping[str, Mapping[str, Mapping[str, Any]]] = outputs.get("apps") or {"app": {"": outputs}}
    there = {
        (_value(each, ("metadata", "namespace")), _value(each, ("metadata", "name")))
        for name, each in state.items()
        if name.startswith("MultiClusterApp/MultiClusterService ")
    }
    for each in apps.get(app, {}).values():
        namespace, _, shared = str(each.get("service")).rpartition("/")
        found: Mapping[str, str] | None = each.get("entryServices")
        if found is None:  # an older stack, with one entry point: its entry Service is the app's own
            region = each.get("entryRegion")
            found = {region: shared} if region and shared else {}
        yield from ((region, shared, name) for region, name in found.items() if (namespace, name) in there)


def _value(outputs: object, path: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at a path of outputs; None if there is none."""
    for step in path:
        try:
            outputs = cast("Any", outputs)[step]
        except (KeyError, IndexError, TypeError):
            return None
    # The engine sends every number as a float.
    return int(outputs) if isinstance(outputs, float) and outputs.is_integer() else outputs
