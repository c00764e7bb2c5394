"""A policy pack: the pattern's rules, and a score by published baselines: `pulumi up --policy-pack policies`.

A configuration switches on the rules that are off by default (`--policy-pack-config policies/prod.json`).
"""
# ruff: noqa: INP001 - the engine runs the folder; nobody imports it

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from itertools import combinations
from typing import Any, Final, TypeAlias, cast

from baseline.policies import Baseline
from pulumi.runtime.rpc import UNKNOWN
from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    PolicyResource,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    Secret,
    StackValidationArgs,
    StackValidationPolicy,
)

Report: TypeAlias = Callable[..., None]
"""Takes the message and, in a rule for the stack, the resource's URN."""

_CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
_FLEET: Final = "azure-native:containerservice:Fleet"
_NETWORK: Final = "azure-native:network:VirtualNetwork"
_GROUP: Final = "azure-native:resources:ResourceGroup"
_IDENTITY: Final = "azure-native:managedidentity:UserAssignedIdentity"
_TAGGED: Final = (_GROUP, _NETWORK, _IDENTITY, _CLUSTER, _FLEET)
_INTERNAL: Final = tuple(
    f"{prefix}/azure-load-balancer-internal" for prefix in ("networking.fleet.azure.com", "service.beta.kubernetes.io")
)
_ON_HUB: Final = "FleetHub$pulumi:providers:kubernetes::"
_AWAITED: Final = ("Namespace", "ClusterResourcePlacement")
_CREDENTIAL: Final = re.compile("PASS|TOKEN|SECRET|CREDENTIAL|PRIVATE_KEY|API_KEY", re.IGNORECASE)
_SECRETS: Final = {"pulumi:providers:kubernetes": ("kubeconfig",), "kubernetes:core/v1:Secret": ("data", "stringData")}


def flat_network(args: ResourceValidationArgs, report: Report) -> None:
    """Pods have addresses of the VNet: those of an overlay cannot be reached from another cluster."""
    if args.resource_type != _CLUSTER:
        return
    if _at(args.props, "networkProfile", "networkPlugin") != "azure":
        report("networkProfile.networkPlugin must be azure")
    for key in ("networkPluginMode", "podCidr", "podCidrs"):
        if _at(args.props, "networkProfile", key):
            report(f"networkProfile.{key} makes an overlay; remove it")
    for pool in _at(args.props, "agentPoolProfiles") or ():
        if "vnetSubnetID" not in set(pool):  # checks keys only: in a preview the value is not known
            report(f"node pool {pool['name']} must name its subnet, vnetSubnetID")


def hub_not_awaited(args: ResourceValidationArgs, report: Report) -> None:
    """The hub runs no pods: awaiting an object of the app on it would wait until the timeout."""
    on_hub = args.provider and _ON_HUB in args.provider.urn
    if not on_hub or _at(args.props, "kind") in _AWAITED:
        return
    if _at(args.props, "metadata", "annotations", "pulumi.com/skipAwait") != "true":
        report('the annotation pulumi.com/skipAwait must be "true" on the hub')


def private_entry(args: ResourceValidationArgs, report: Report) -> None:
    """Entry points and Services of type LoadBalancer have addresses in a VNet, not public ones."""
    kind, annotations = _at(args.props, "kind"), _at(args.props, "metadata", "annotations")
    if kind != "MultiClusterService" and (kind != "Service" or _at(args.props, "spec", "type") != "LoadBalancer"):
        return
    if not any(_at(annotations, key) == "true" for key in _INTERNAL):
        report("the entry is public; set internal: true for its app")


def tags_present(args: ResourceValidationArgs, report: Report) -> None:
    """Resources that can have tags have the configured ones."""
    missing = [name for name in args.get_config()["names"] if not _at(args.props, "tags", name)]
    if args.resource_type in _TAGGED and missing:
        report(f"missing tags: {', '.join(missing)}")


def networks_apart(args: StackValidationArgs, report: Report) -> None:
    """Peered VNets do not overlap each other or the service range of any cluster."""
    ranges = [(each, cidr) for each in sorted(args.resources, key=lambda each: each.name) for cidr in _ranges(each)]
    for (one, first), (other, second) in combinations(ranges, 2):
        # A service range is known inside its cluster only, so clusters may share one.
        is_network = _NETWORK in (one.resource_type, other.resource_type)
        if is_network and ip_network(first).overlaps(ip_network(second)):
            report(f"{first} of {one.name} overlaps {second} of {other.name}", other.urn)


def no_plain_credentials(args: ResourceValidationArgs, report: Report) -> None:
    """Credentials are in Secrets: neither in the environment of a container nor in a ConfigMap."""
    if _at(args.props, "kind") == "ConfigMap":
        data: Mapping[str, str] = _at(args.props, "data") or {}
        for key, text in data.items():
            if "PRIVATE KEY-----" in text:
                report(f"data.{key} is a private key; put it into a Secret")
    pod = _at(args.props, "spec", "template", "spec") if args.resource_type.startswith("kubernetes:") else None
    for container in _at(pod, "containers") or ():
        for variable in _at(container, "env") or ():
            if _CREDENTIAL.search(variable["name"]) and "value" in set(variable):
                report(f"{variable['name']} of container {container['name']} is in clear; use valueFrom.secretKeyRef")


def keep_secret(args: ResourceValidationArgs) -> Mapping[str, Any] | None:
    """Mark credentials as secret that are not marked yet.

    A remediation, because a check gets plain values. In a remediation, only the SDK's inner mapping shows which values
    are marked (pulumi-policy 1.21.0, pulumi_policy/secret.py).
    """
    props: dict[str, Any] = args.props["__target"]
    keys = [key for key in _SECRETS.get(args.resource_type, ()) if key in props and not _is_secret(props[key])]
    return {**props, **{key: Secret(props[key]) for key in keys}} if keys else None


def _is_secret(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_secret, cast("Mapping[str, Any]", value)["__target"].values()))
    return isinstance(value, Secret) or value == UNKNOWN


def _ranges(resource: PolicyResource) -> list[str]:
    prefixes = _at(resource.props, "addressSpace", "addressPrefixes") if resource.resource_type == _NETWORK else None
    services = _at(resource.props, "networkProfile", "serviceCidr") if resource.resource_type == _CLUSTER else None
    return [*(prefixes or ()), *([services] if services else ())]


def _at(value: Any, *path: str) -> Any:  # noqa: ANN401 - properties are any JSON value
    """Return the value at a path; None if there is none."""
    for key in path:
        value = value.get(key) if value else None
    return value


def _rule(
    check: Callable[[ResourceValidationArgs, Report], None],
    level: EnforcementLevel = EnforcementLevel.MANDATORY,
    *,
    remediate: Callable[[ResourceValidationArgs], Mapping[str, Any] | None] | None = None,
    schema: PolicyConfigSchema | None = None,
) -> Policy:
    return ResourceValidationPolicy(
        name=check.__name__.replace("_", "-"),
        description=str(check.__doc__),
        validate=check,
        remediate=cast("Any", remediate),  # declared as asynchronous; the SDK accepts both
        enforcement_level=level,
        config_schema=schema,
    )


POLICIES: Final[list[Policy]] = [
    _rule(flat_network),
    _rule(hub_not_awaited),
    _rule(no_plain_credentials, EnforcementLevel.REMEDIATE, remediate=keep_secret),
    _rule(private_entry, EnforcementLevel.DISABLED),
    _rule(tags_present, schema=PolicyConfigSchema({"names": {"type": "array", "default": []}})),
    StackValidationPolicy(
        "networks-apart", str(networks_apart.__doc__), networks_apart, enforcement_level=EnforcementLevel.MANDATORY
    ),
    *Baseline().policies(),
]

if __name__ == "__main__":
    PolicyPack("fleet-l4-lb", POLICIES)
