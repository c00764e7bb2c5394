"""Changes of what all clusters have in common."""

from collections.abc import Iterator
from typing import Final

from settings import ClusterRegion, Problem, Settings, show

from .state import POOL, State, region_key, value_at

# Azure's values, by the values in the settings.
_OUTBOUND: Final = {
    "loadBalancer": "loadBalancer",
    "natGateway": "userAssignedNATGateway",
    "routeTable": "userDefinedRouting",
}


def problems(stack: Settings, state: State) -> Iterator[Problem]:
    """Find features that AKS does not turn off, and changes for which azure-native replaces clusters.

    AKS turns off neither Entra ID [Azure/AKS issue 1519] nor the OIDC issuer [learn: aks/use-oidc-issuer]. azure-native
    replaces a cluster for parts of its network profile [provider/pkg/gen/replacement.go].
    """
    made = [
        name
        for region in stack.regions
        if (name := region_key(region.name, "cluster")) in state and not isinstance(region, ClusterRegion)
    ]
    if not stack.clusters.entra_id and any(value_at(state[name], ("aadProfile", "managed")) for name in made):
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
            before = value_at(state[name], ("networkProfile", output))
            if before and before != wanted:
                region = name.partition(" ")[2].removesuffix("-cluster")
                was = next((key for key, value in _OUTBOUND.items() if value == before), before)
                now = show(getattr(stack.clusters, setting))
                found = f"region {show(region)} was created with {show(was)}, not {now}"
                yield Problem(f"clusters.{setting}", found, f"put it back; {way}")
                break
    # It is fixed when a pool is created. [learn: aks/enable-host-encryption]
    encrypted = {name: bool(value_at(state[name], (*POOL, "enableEncryptionAtHost"))) for name in made}
    for name, before in encrypted.items():
        if before != stack.clusters.host_encryption:
            region = show(name.partition(" ")[2].removesuffix("-cluster"))
            found = f"region {region} was created with {show(before)}, not {show(stack.clusters.host_encryption)}"
            yield Problem("clusters.hostEncryption", found, "put it back; another value needs another stack")
            break
    private = ("apiServerAccessProfile", "enablePrivateCluster")
    if other := next(
        (name for name in made if bool(value_at(state[name], private)) != stack.clusters.private_api_server), ""
    ):
        region = other.partition(" ")[2].removesuffix("-cluster")
        was, now = ("public", "true") if stack.clusters.private_api_server else ("private", "false")
        # AKS keeps the VNet integration of a cluster. [learn: aks/api-server-vnet-integration]
        found = f"{now}, but the API server of region {show(region)} is {was}"
        remedy = "put it back; the other kind needs another stack, or a `pulumi destroy` before the change"
        yield Problem("clusters.privateApiServer", found, remedy)
    # Only the baseline turns workload identity on; Azure turns the issuer on by itself in newer clusters.
    identity = ("securityProfile", "workloadIdentity", "enabled")
    if not stack.clusters.baseline and any(value_at(state[name], identity) for name in made):
        found = "false, but the clusters have an OIDC issuer for their pods"
        yield Problem("clusters.baseline", found, "write true: AKS does not turn the issuer off again")
