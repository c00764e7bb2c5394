"""Managed clusters and their node pools."""

import re
import sys
from collections.abc import Collection, Iterator, Sequence
from ipaddress import ip_address, ip_network
from secrets import token_hex
from string import ascii_lowercase, digits
from typing import Final
from uuid import uuid4

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.azure.access import MANAGED_IDENTITY_OPERATOR, OWNER, holds, may_join, principals_of
from rehearsal.azure.arm import (
    Name,
    Record,
    ResourceType,
    Subscription,
    known,
    last_segment,
    listed,
    nested,
    resource_group_of,
    short_location,
    some_of,
)
from rehearsal.azure.balancers import referring
from rehearsal.azure.network import (
    AKS_DELEGATION,
    SUBNET,
    api_access,
    delegated_to,
    overlaps,
    prefixes,
    subnet_users,
)
from rehearsal.core.protocol import UNKNOWN, Problem, Properties

CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
AGENT_POOL: Final = "azure-native:containerservice:AgentPool"

# Defaults: learn: aks/concepts-network-legacy-cni ("Deployment parameters"), templates/microsoft.containerservice.
_SERVICE_CIDR: Final = "10.0.0.0/16"
_DNS_SERVICE_IP: Final = "10.0.0.10"
_POD_CIDR: Final = "10.244.0.0/16"
_MANAGED_SUBNET: Final = "10.224.0.0/16"
_MAX_PODS: Final = 30
_KUBERNETES_VERSION: Final = "1.36"  # Azure/AKS, release 2026-10-25

# No range of a cluster may touch these (learn: aks/concepts-network-legacy-cni).
_RESERVED: Final = [ip_network(r) for r in ("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24")]

# Azure keeps five addresses of each subnet (learn: virtual-network/virtual-networks-faq).
_KEPT_BY_AZURE: Final = 5


def server_name(dns_prefix: str, location: str) -> str:
    """Return the host name of a new API server, in Azure's form."""
    return f"{dns_prefix}-{some_of(ascii_lowercase + digits, 8)}.hcp.{location}.azmk8s.io"


def server_url(fqdn: str) -> str:
    """Return the URL in a kubeconfig."""
    return f"https://{fqdn}:443"


def _is_flat(inputs: Properties) -> bool:
    profile = nested(inputs, "networkProfile")
    return profile.get("networkPlugin") == "azure" and profile.get("networkPluginMode") != "overlay"


def _pool_problems(pool: Properties, path: str) -> Iterator[Problem]:
    low, high = (known(pool.get(key)) for key in ("minCount", "maxCount"))
    if known(pool.get("enableAutoScaling")):
        # Source: learn: aks/cluster-autoscaler
        if pool.get("minCount") is None or pool.get("maxCount") is None:
            yield Problem(f"{path}enableAutoScaling", "autoscaling needs minCount and maxCount")
        elif low is not None and high is not None and low > high:
            yield Problem(f"{path}minCount", f"{low:g} is more than maxCount {high:g}")
    elif pool.get("enableAutoScaling") is not UNKNOWN and (low is not None or high is not None):
        yield Problem(f"{path}minCount", "minCount and maxCount are for pools with enableAutoScaling only")
    pods = known(pool.get("maxPods"))
    if pods is not None and not 10 <= pods <= 250:  # noqa: PLR2004 - Azure's limits
        # Source: learn: aks/concepts-network-legacy-cni ("Maximum pods per node")
        yield Problem(f"{path}maxPods", f"{pods:g} is not between 10 and 250")
    surge = known(nested(pool, "upgradeSettings").get("maxSurge"))
    if surge is not None and not re.fullmatch(r"[1-9][0-9]*%?", surge):
        # Source: learn: aks/upgrade-aks-node-pools-rolling: a number of nodes, or a percentage
        yield Problem(f"{path}upgradeSettings.maxSurge", f"{surge!r} is neither a number nor a percentage")


_CRITICAL_ONLY: Final = "CriticalAddonsOnly"


def _require_room_for_system_pods(pool: Properties) -> None:
    hard = [taint for taint in listed(pool, "nodeTaints") if not taint.endswith(":PreferNoSchedule")]
    if pool.get("mode") == "System" and any(not taint.startswith(f"{_CRITICAL_ONLY}=") for taint in hard):
        raise errors.SYSTEM_POOL_HAS_RESTRICTED_TAINT.refusal()


def _admit_pools(
    subscription: Subscription, pools: Sequence[Properties], cluster_inputs: Properties, old: Record | None
) -> None:
    """Refuse system pools without room for AKS's own pods, and pools that need more addresses than are left."""
    for pool in pools:
        _require_room_for_system_pods(pool)
    for subnet_id in {pool["vnetSubnetID"].lower() for pool in pools if pool.get("vnetSubnetID")}:
        subnet = subscription.require(subnet_id)
        own = [pool for pool in pools if str(pool.get("vnetSubnetID")).lower() == subnet_id]
        demand = sum(_addresses(pool, cluster_inputs) for pool in own)
        for user, other in subnet_users(subscription, subnet_id):
            if user is not old:
                cluster = user if user["token"] == CLUSTER else subscription.require(user["id"].rsplit("/", 2)[0])
                demand += _addresses(other, cluster["inputs"])
        free = sum(network.num_addresses for network in prefixes(subnet["inputs"])) - _KEPT_BY_AZURE
        if demand > free:
            ranges = ", ".join(map(str, prefixes(subnet["inputs"])))
            raise errors.INSUFFICIENT_SUBNET_SIZE.refusal(
                demand=demand, free=free, ranges=ranges, subnet=last_segment(subnet["id"])
            )


def _addresses(pool: Properties, cluster_inputs: Properties) -> int:
    # On flat Azure CNI each node takes its own address and one for each pod that it may run.
    nodes = pool.get("maxCount") if pool.get("enableAutoScaling") else pool.get("count")
    pods = int(pool.get("maxPods") or _MAX_PODS)
    return int(nodes or 1) * (1 + (pods if _is_flat(cluster_inputs) and not pool.get("podSubnetID") else 0))


# A pool's properties that cannot change (hashicorp/terraform-provider-azurerm, kubernetes_cluster_resource.go,
# properties that cycle the default pool; PRs 21719, 8814). Azure now changes the rest of that list in place, or it is
# never sent.
_POOL_KEEPS: Final = (
    "availabilityZones",
    "enableEncryptionAtHost",
    "kubeletDiskType",
    "maxPods",
    "osDiskSizeGB",
    "osDiskType",
    "osType",
    "podSubnetID",
    "type",
    "vmSize",
    "vnetSubnetID",
)


def _admit_changes(old: Record, inputs: Properties) -> None:
    """Refuse changes that AKS does not make on an existing cluster, although azure-native plans an update."""
    pools = {pool["name"]: pool for pool in old["outputs"]["agentPoolProfiles"]}
    for pool in listed(inputs, "agentPoolProfiles"):
        if pool["name"] not in pools:
            raise errors.NEW_AGENT_POOL.refusal()
        _admit_pool_changes(old["id"], pools[pool["name"]], pool)
    if inputs.get("enableRBAC") not in (None, old["outputs"]["enableRBAC"]):
        # Documented in learn: rest/api/aks/managed-clusters/create-or-update; Azure's text is assumed.
        raise errors.PROPERTY_CHANGE_NOT_ALLOWED.refusal(path="enableRBAC")
    if nested(old["inputs"], "aadProfile").get("managed") and not nested(inputs, "aadProfile").get("managed"):
        # "Integration can't be disabled" (learn: aks/enable-authentication-microsoft-entra-id); text: Azure/AKS issue
        # 1519. Whether Azure refuses a cluster without the profile, or keeps it silently, is not documented.
        raise errors.PROPERTY_CHANGE_NOT_ALLOWED.refusal(path="aadProfile.managed")
    if _issues(old["outputs"]) and nested(inputs, "oidcIssuerProfile").get("enabled") is False:
        # It is assumed that Azure keeps the issuer of a cluster without the profile.
        raise errors.OIDC_ISSUER_CANNOT_BE_DISABLED.refusal()
    before, after = api_access(old), nested(inputs, "apiServerAccessProfile")
    for key in _API_FIXED:
        if (before.get(key) or None) != (after.get(key) or None):
            raise errors.PRIVATE_CLUSTER_IS_FIXED.refusal(key=key)
    _admit_version(old["outputs"]["currentKubernetesVersion"], inputs.get("kubernetesVersion"))


def require_api_subnet(subscription: Subscription, subnet_id: str) -> None:
    """Refuse a subnet that cannot hold an API server (learn: aks/api-server-vnet-integration)."""
    subnet = subscription.require(subnet_id)
    if delegated_to(subnet["inputs"]) != [AKS_DELEGATION]:
        raise errors.SUBNET_MISSING_REQUIRED_DELEGATION.refusal(subnet=subnet_id, service=AKS_DELEGATION)
    ranges = prefixes(subnet["inputs"])
    if all(each.prefixlen > _API_PREFIX for each in ranges):
        raise errors.API_SERVER_SUBNET_TOO_SMALL.refusal(subnet=subnet_id, ranges=", ".join(map(str, ranges)))


def _admit_api_server(subscription: Subscription, inputs: Properties) -> None:
    subnet_id: str | None = nested(inputs, "apiServerAccessProfile").get("subnetId")
    if not subnet_id:
        return
    require_api_subnet(subscription, subnet_id)
    if not may_join(subscription, principals_of(subscription, inputs), subnet_id):
        raise errors.API_SERVER_SUBNET_PERMISSION_MISSING.refusal(subnet=subnet_id)


_API_PREFIX: Final = 28  # learn: aks/api-server-vnet-integration
_API_FIXED: Final = ("enablePrivateCluster", "enableVnetIntegration", "subnetId")


def shut_out(subscription: Subscription, inputs: Properties) -> str | None:
    """Return the error of a creation whose nodes do not reach the API server; None if they do.

    AKS admits the address of its own load balancer, but not that of a NAT gateway (MicrosoftDocs/azure-docs issue
    111834). Behind a route table, this rehearsal does not know the address.
    """
    ranges = [ip_network(each) for each in listed(nested(inputs, "apiServerAccessProfile"), "authorizedIPRanges")]
    if not ranges or nested(inputs, "networkProfile").get("outboundType") != "userAssignedNATGateway":
        return None
    for pool in listed(inputs, "agentPoolProfiles"):
        subnet = subscription.require(pool["vnetSubnetID"])
        gateway = subscription.require(nested(subnet["inputs"], "natGateway")["id"])
        for address in listed(gateway["inputs"], "publicIpAddresses"):
            seen = ip_address(subscription.require(address["id"])["outputs"]["ipAddress"])
            if not any(seen in each for each in ranges):
                return errors.NODES_DO_NOT_REACH_API_SERVER.printed({})
    return None


def _kubelet_identity(properties: Properties) -> Properties:
    return nested(nested(properties, "identityProfile"), "kubeletidentity")


def _admit_kubelet_identity(subscription: Subscription, inputs: Properties) -> None:
    """Refuse an identity of nodes that the cluster's own may not assign."""
    kubelets = _kubelet_identity(inputs).get("resourceId")
    if not kubelets:
        return
    subscription.require(kubelets)
    for principal in principals_of(subscription, inputs):
        # Whether a wider role is enough is not documented; Owner has the action (learn: role-based-access-control/
        # built-in-roles/identity).
        if not holds(subscription, principal, {MANAGED_IDENTITY_OPERATOR, OWNER}, kubelets):
            raise errors.KUBELET_IDENTITY_MISSING_PERMISSION.refusal()


_WAYS_OUT: Final = {
    "userAssignedNATGateway": ("natGateway", "NAT gateway"),
    "userDefinedRouting": ("routeTable", "route table"),
}


def _admit_outbound(subscription: Subscription, inputs: Properties) -> None:
    """Refuse a cluster whose subnets do not have their way out yet (learn: aks/egress-outboundtype)."""
    outbound = nested(inputs, "networkProfile").get("outboundType")
    if outbound not in _WAYS_OUT:
        return
    key, kind = _WAYS_OUT[outbound]
    for pool in listed(inputs, "agentPoolProfiles"):
        subnet = subscription.require(pool["vnetSubnetID"])
        if not nested(subnet["inputs"], key).get("id"):
            raise errors.NO_WAY_OUT_ON_SUBNET.refusal(outbound=outbound, kind=kind, subnet=subnet["id"])


def _admit_dataplane(profile: Properties) -> None:
    dataplane, policy = profile.get("networkDataplane") == "cilium", profile.get("networkPolicy") == "cilium"
    if dataplane and not policy:
        raise errors.CILIUM_DATAPLANE_REQUIRES_NETWORK_POLICY_CILIUM.refusal()
    if policy and not dataplane:
        raise errors.NETWORK_POLICY_CILIUM_REQUIRES_CILIUM_DATAPLANE.refusal()


def _issues(properties: Properties) -> bool:
    return bool(known(nested(properties, "oidcIssuerProfile").get("enabled")))


def _admit_pool_changes(cluster_id: str, old: Properties, pool: Properties) -> None:
    for key in _POOL_KEEPS:
        was, wanted = old.get(key), pool.get(key)
        if key == "availabilityZones":  # also if all are removed
            was, wanted = sorted(was or ()), sorted(wanted or ())
        elif wanted is None:
            continue
        if was == wanted or (isinstance(was, str) and isinstance(wanted, str) and was.lower() == wanted.lower()):
            continue
        if key == "vmSize":
            raise errors.VM_SIZE_CHANGE_NOT_ALLOWED.refusal(
                cluster=last_segment(cluster_id), group=resource_group_of(cluster_id)
            )
        raise errors.PROPERTY_CHANGE_NOT_ALLOWED.refusal(path=f"agentPoolProfile.{key}")


def _admit_version(current: str, wanted: str | None) -> None:
    """Refuse a version that is lower, or more than one minor version higher.

    Source: learn: aks/upgrade-aks-cluster
    """
    if wanted is None:
        return
    now, then = (tuple(map(int, version.split("."))) for version in (current, wanted))
    now = now[: len(then)]  # the cluster's own minor version is no change (Azure/azure-rest-api-specs)
    if now <= then <= (now[0], now[1] + 1, sys.maxsize):
        return
    raise errors.VERSION_CHANGE_NOT_ALLOWED.refusal(
        change="Downgrading" if then < now else "Upgrading",
        current=current,
        wanted=wanted,
        available=f"{now[0]}.{now[1] + 1}.0",
    )


def _pool_outputs(pool: Properties, version: str, old: Properties) -> Properties:
    # Defaults: pulumi/pulumi-azure-native, recording upgrade-aks-api-version (2025-11-21).
    return {
        "enableFIPS": False,
        "enableNodePublicIP": False,
        "kubeletDiskType": "OS",
        "mode": "User",
        "maxPods": _MAX_PODS,
        "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202511.07.0",
        "orchestratorVersion": version,
        "osDiskSizeGB": 128,
        "osDiskType": "Managed",
        "osSKU": "Ubuntu",
        "osType": "Linux",
        "scaleDownMode": "Delete",
        "securityProfile": {"enableSecureBoot": False, "enableVTPM": False, "sshAccess": "LocalUser"},
        "type": "VirtualMachineScaleSets",
        "upgradeSettings": {"maxSurge": "10%"},
        **{key: old[key] for key in (*_POOL_KEEPS, "nodeTaints") if key in old},
        **pool,
        "currentOrchestratorVersion": _full_version(version),
        "powerState": {"code": "Running"},
        "provisioningState": "Succeeded",
    }


def _full_version(version: str) -> str:
    return version if version.count(".") > 1 else f"{version}.0"


class ManagedCluster(ResourceType):
    """An AKS cluster with its inline node pools."""

    kind = "Microsoft.ContainerService/managedClusters"
    api_version = "2025-09-01"
    name = Name(
        "resourceName",
        r"[a-zA-Z0-9]([\w-]{0,61}[a-zA-Z0-9])?",
        "learn: azure-resource-manager/management/resource-name-rules",
        "random",
    )
    located = True
    # pulumi/pulumi-azure-native, recording upgrade-aks-api-version: azure-native stores both in this spelling.
    groups = "resourcegroups"
    shown = "Microsoft.ContainerService/ManagedClusters"
    immutable = (
        "diskEncryptionSetID",
        "dnsPrefix",
        "fqdnSubdomain",
        "linuxProfile",
        "location",
        *(
            f"networkProfile.{key}"
            for key in (
                "dnsServiceIP",
                "networkDataplane",
                "networkMode",
                "networkPlugin",
                "networkPluginMode",
                "networkPolicy",
                "outboundType",
                "podCidr",
                "serviceCidr",
                "serviceCidrs",
            )
        ),
        "nodeResourceGroup",
        "windowsProfile",
    )

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        if inputs.get("identity") is None and inputs.get("servicePrincipalProfile") is None:
            # Source: learn: aks/use-managed-identity
            yield Problem("identity", "a cluster needs an identity or a service principal")
        if _kubelet_identity(inputs) and nested(inputs, "identity").get("type") not in ("UserAssigned", UNKNOWN):
            # Source: Azure/AgentBaker, error code CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster
            yield Problem("identityProfile.kubeletidentity", "needs a user-assigned identity of the cluster")
        pools = listed(inputs, "agentPoolProfiles")
        if inputs.get("agentPoolProfiles") is not UNKNOWN and not any(
            pool is UNKNOWN or pool.get("mode") in ("System", UNKNOWN) for pool in pools
        ):
            # Source: learn: aks/use-system-pools
            yield Problem("agentPoolProfiles", "a cluster needs at least one pool of mode System")
        for index, pool in enumerate(pools):
            if pool is not UNKNOWN:
                yield from _pool_problems(pool, f"agentPoolProfiles[{index}].")
        entra = inputs.get("aadProfile")
        if known(inputs.get("disableLocalAccounts")) and (
            entra is not UNKNOWN and not nested(inputs, "aadProfile").get("managed")
        ):
            # Source: learn: aks/manage-local-accounts-managed-azure-ad; text: cilium/cilium PR 48265.
            yield Problem(
                "disableLocalAccounts",
                "Since kubernetes version 1.25, disableLocalAccounts can only be set on Azure AD integration enabled "
                "cluster. Please integrate your cluster with AAD.",
            )
        if inputs.get("networkProfile") is not UNKNOWN:
            yield from _network_problems(nested(inputs, "networkProfile"))
        yield from _security_problems(inputs)
        yield from _api_problems(inputs)

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        group = resource_group_of(resource_id)
        if not group.isascii():
            raise errors.UNICODE_IN_GROUP_NAME.refusal(group=group)
        if old:
            require_rest(old)
            _admit_changes(old, inputs)
        for each in listed(nested(inputs, "identity"), "userAssignedIdentities"):
            subscription.require(each)
        _admit_kubelet_identity(subscription, inputs)
        _admit_api_server(subscription, inputs)
        _admit_dataplane(nested(inputs, "networkProfile"))
        _admit_outbound(subscription, inputs)
        services = [ip_network(nested(inputs, "networkProfile").get("serviceCidr") or _SERVICE_CIDR)]
        for pool in listed(inputs, "agentPoolProfiles"):
            subnet_id = pool.get("vnetSubnetID")
            if not subnet_id:
                continue
            subnet = subscription.require(subnet_id)
            if delegated_to(subnet["inputs"]):
                raise errors.SUBNET_IS_DELEGATED.refusal(subnet=subnet_id)
            for other in subscription.all_of(SUBNET, subnet["id"].rsplit("/", 2)[0]):
                for taken in overlaps(prefixes(other["inputs"]), services):
                    raise errors.SERVICE_CIDR_OVERLAPS_SUBNET.refusal(services=services[0], subnet=taken)
        _admit_pools(subscription, listed(inputs, "agentPoolProfiles"), inputs, old)
        for workspace in _workspaces(inputs):
            subscription.require(workspace)  # assumed

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        location, name = short_location(inputs["location"]), last_segment(resource_id)
        group = resource_group_of(resource_id)
        node_group = inputs.get("nodeResourceGroup") or f"MC_{group}_{name}_{location}"
        version = inputs.get("kubernetesVersion") or old.get("kubernetesVersion") or _KUBERNETES_VERSION
        current = str(old.get("currentKubernetesVersion"))
        fqdn = old.get("fqdn") or server_name(inputs.get("dnsPrefix") or name, location)
        kubelet = f"{subscription.id}/resourcegroups/{node_group}/providers/Microsoft.ManagedIdentity"
        pools = {pool["name"]: pool for pool in listed(old, "agentPoolProfiles")}
        outputs: Properties = {
            "agentPoolProfiles": [
                _pool_outputs(pool, version, pools.get(pool["name"], {}))
                for pool in listed(inputs, "agentPoolProfiles")
            ],
            "azurePortalFQDN": fqdn.replace(".hcp.", ".portal.hcp."),
            "currentKubernetesVersion": current if current.startswith(f"{version}.") else _full_version(version),
            "enableRBAC": inputs.get("enableRBAC", True),
            "fqdn": fqdn,
            "privateFQDN": private_name(fqdn, inputs)
            if nested(inputs, "apiServerAccessProfile").get("privateDNSZone") != "none"
            else None,
            "identity": identity_outputs(subscription, inputs, old),
            "identityProfile": inputs.get("identityProfile")
            or old.get("identityProfile")
            or {
                "kubeletidentity": {
                    "clientId": str(uuid4()),
                    "objectId": str(uuid4()),
                    "resourceId": f"{kubelet}/userAssignedIdentities/{name}-agentpool",
                }
            },
            "kubernetesVersion": version,
            "maxAgentPools": 100,
            "networkProfile": _network_outputs(subscription, node_group, nested(inputs, "networkProfile"), old),
            "nodeResourceGroup": node_group,
            "powerState": {"code": "Running"},
            "provisioningState": "Succeeded",
            "resourceUID": old.get("resourceUID") or token_hex(12),
            "sku": {"name": "Base", "tier": "Free", **nested(inputs, "sku")},
            "supportPlan": inputs.get("supportPlan", "KubernetesOfficial"),
            **{key: inputs.get(key) or value for key, value in _CLUSTER_DEFAULTS.items()},
        }
        if _issues(old):
            outputs["oidcIssuerProfile"] = old["oidcIssuerProfile"]
        elif _issues(inputs):
            # Source: learn: aks/use-oidc-issuer
            issuer = f"https://{location}.oic.prod-aks.azure.com/{subscription.deployer.tenant_id}/{uuid4()}/"
            outputs["oidcIssuerProfile"] = {"enabled": True, "issuerURL": issuer}
        if addons := nested(inputs, "addonProfiles"):
            outputs["addonProfiles"] = {
                name: _addon(addon, f"{kubelet}/userAssignedIdentities/{name.lower()}-{last_segment(resource_id)}", was)
                for name, addon in addons.items()
                for was in [nested(nested(old, "addonProfiles"), name)]
            }
        _keep_what_is_left_out(inputs, outputs, old)
        return outputs

    @override
    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        for pool in (*listed(record["inputs"], "agentPoolProfiles"), *record["outputs"]["agentPoolProfiles"]):
            _scale(pool)
        if old is None:
            inputs = record["inputs"]
            subscription.clusters.add_cluster(
                record["id"],
                server_url(record["outputs"]["fqdn"]),
                location=short_location(inputs["location"]),
                network=_network(record["id"], inputs),
                pods=_pod_range(subscription, inputs),
                flat=_is_flat(inputs),
                nodes=sum(int(pool.get("count") or pool.get("minCount") or 1) for pool in inputs["agentPoolProfiles"]),
                services=nested(inputs, "networkProfile").get("serviceCidr") or _SERVICE_CIDR,
            )
        taints = listed(record["outputs"]["agentPoolProfiles"][0], "nodeTaints")
        if taints != (listed(old["outputs"]["agentPoolProfiles"][0], "nodeTaints") if old else []):
            subscription.clusters.set_pool(record["id"], "", None, taints)

    @override
    def admit_deletion(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        require_rest(record)
        for balancer, frontend_id in referring(subscription, record["outputs"]["nodeResourceGroup"]):
            if balancer["id"].lower() not in to_delete:
                regional = frontend_id.rpartition("/frontendIPConfigurations/")[0]
                raise errors.FRONTEND_IN_USE_BY_GLOBAL_BALANCER.refusal(
                    balancer=regional, frontend=frontend_id, user=balancer["id"]
                )

    @override
    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        del to_delete
        subscription.clusters.remove(record["id"])


# What AKS keeps if a request leaves it out: add-ons (Azure/AKS issue 2904) and ranges (hashicorp/
# terraform-provider-azurerm issues 20085, 23317); assumed for the others. Of a pool, also its taints (rancher/ui PR
# 5042).
_KEPT: Final = (
    ("addonProfiles", "omsagent"),
    ("addonProfiles", "azurepolicy"),
    ("addonProfiles", "azureKeyvaultSecretsProvider"),
    ("apiServerAccessProfile", "authorizedIPRanges"),
    ("azureMonitorProfile", "metrics"),
    ("metricsProfile", "costAnalysis"),
    ("nodeResourceGroupProfile", "restrictionLevel"),
    ("securityProfile", "defender"),
)


def _keep_what_is_left_out(inputs: Properties, outputs: Properties, old: Properties) -> None:
    for profile, key in _KEPT:
        was = nested(old, profile).get(key)
        if was is not None and nested(inputs, profile).get(key) is None:
            outputs[profile] = {**nested(inputs, profile), **nested(outputs, profile), key: was}


def private_name(fqdn: str, inputs: Properties) -> str | None:
    """Return the name of a private cluster in its private DNS zone (learn: aks/private-clusters)."""
    access = nested(inputs, "apiServerAccessProfile")
    if not access.get("enablePrivateCluster"):
        return None
    # learn: aks/api-server-vnet-integration; without the integration, privatelink
    zone = "private" if access.get("enableVnetIntegration") else "privatelink"
    return fqdn.replace(".hcp.", f".{zone}.")


def require_rest(cluster: Record) -> None:
    """Refuse an operation on a cluster while another one runs. It is assumed that deletions are refused too."""
    if "busy_until" in cluster:
        raise errors.CLUSTER_BUSY.refusal()


def may_balance(subscription: Subscription, cluster_id: str) -> bool:
    """Return whether a cluster's identity may read its nodes' subnet, as its load balancers require.

    AKS creates a cluster whose identity may not (Azure/azure-cli, recordings
    test_aks_control_plane_user_assigned_identity, test_aks_create_with_vnet_and_skip_role_assignment_msi,
    test_aks_virtual_node_addon); its load balancers get no address (Azure/terraform-azurerm-aks issue 178).
    """
    record = subscription.find(cluster_id)
    if record is None:
        return True  # not an AKS cluster
    identities = nested(record["outputs"], "identity")
    principals = [each["principalId"] for each in nested(identities, "userAssignedIdentities").values()]
    principals += [identities["principalId"]] if "principalId" in identities else []
    subnets = {pool["vnetSubnetID"] for pool in listed(record["inputs"], "agentPoolProfiles") if "vnetSubnetID" in pool}
    return not principals or all(may_join(subscription, principals, subnet) for subnet in subnets)


def _scale(pool: Properties) -> None:
    """Scale an autoscaled pool up to its minimum, like the autoscaler. A pool above its maximum is not changed.

    Azure accepts a number of nodes outside the range (Azure/AKS issues 1481, 1758; Azure/azure-cli-extensions PR 1606;
    hashicorp/terraform-provider-azurerm PR 26417), and the autoscaler acts on a new minimum (learn:
    aks/cluster-autoscaler).
    """
    if pool.get("enableAutoScaling"):
        pool["count"] = max(pool.get("count") or 0, pool["minCount"])


def identity_outputs(subscription: Subscription, inputs: Properties, old: Properties) -> Properties | None:
    """Return the identity of a cluster or fleet: its own principal, or a map of its user-assigned identities."""
    identity = nested(inputs, "identity")
    if not identity:
        return None
    outputs: Properties = {"type": identity["type"]}
    if "SystemAssigned" in identity["type"]:
        outputs["principalId"] = nested(old, "identity").get("principalId") or str(uuid4())
        outputs["tenantId"] = subscription.deployer.tenant_id
    given = {each: subscription.require(each)["outputs"] for each in listed(identity, "userAssignedIdentities")}
    if given:
        outputs["userAssignedIdentities"] = {
            identity_id: {key: values[key] for key in ("clientId", "principalId")}
            for identity_id, values in given.items()
        }
    return outputs


def _addon(addon: Properties, identity_id: str, old: Properties) -> Properties:
    """Return an add-on with the identity that AKS makes for it (learn: aks/csi-secrets-store-identity-access)."""
    if not addon.get("enabled"):
        return addon
    identity = {"clientId": str(uuid4()), "objectId": str(uuid4()), "resourceId": identity_id}
    return {**addon, "identity": old.get("identity") or identity}


def _workspaces(inputs: Properties) -> Iterator[str]:
    """Return the IDs of the workspaces that a cluster writes into."""
    insights = nested(nested(inputs, "addonProfiles"), "omsagent")
    if insights.get("enabled"):
        yield nested(insights, "config")["logAnalyticsWorkspaceResourceID"]
    if workspace := nested(nested(inputs, "securityProfile"), "defender").get("logAnalyticsWorkspaceResourceId"):
        yield workspace


_CLEANER_HOURS: Final = (24, 3 * 30 * 24)  # learn: aks/image-cleaner: 24 hours to 3 months


def _security_problems(inputs: Properties) -> Iterator[Problem]:
    security, issuer = nested(inputs, "securityProfile"), inputs.get("oidcIssuerProfile")
    if known(nested(security, "workloadIdentity").get("enabled")) and issuer is not UNKNOWN and not _issues(inputs):
        # Source: learn: aks/workload-identity-deploy-cluster
        yield Problem("securityProfile.workloadIdentity", "workload identity needs oidcIssuerProfile.enabled")
    cleaner = nested(security, "imageCleaner")
    if (
        known(cleaner.get("enabled"))
        and not _CLEANER_HOURS[0] <= (cleaner.get("intervalHours") or 0) <= _CLEANER_HOURS[1]
    ):
        reason = f"must be between {_CLEANER_HOURS[0]} and {_CLEANER_HOURS[1]}"
        yield Problem("securityProfile.imageCleaner.intervalHours", reason)
    defender = nested(security, "defender")
    if known(nested(defender, "securityMonitoring").get("enabled")) and not defender.get(
        "logAnalyticsWorkspaceResourceId"
    ):
        # Source: Azure/azure-rest-api-specs, managedClusters.json, ManagedClusterSecurityProfileDefender
        yield Problem("securityProfile.defender.logAnalyticsWorkspaceResourceId", "Defender needs a workspace")
    analysis = nested(nested(inputs, "metricsProfile"), "costAnalysis")
    if known(analysis.get("enabled")) and nested(inputs, "sku").get("tier", "Free") == "Free":
        # Source: Azure/azure-rest-api-specs, managedClusters.json, ManagedClusterCostAnalysis
        yield Problem("metricsProfile.costAnalysis", "cost analysis needs sku.tier Standard or Premium")


_MOST_RANGES: Final = 200  # learn: aks/api-server-authorized-ip-ranges


def _api_problems(inputs: Properties) -> Iterator[Problem]:
    access = nested(inputs, "apiServerAccessProfile")
    path, ranges = "apiServerAccessProfile.authorizedIPRanges", listed(access, "authorizedIPRanges")
    if ranges and known(access.get("enablePrivateCluster")):
        # Source: learn: aks/api-server-authorized-ip-ranges
        yield Problem(path, "a private cluster has no authorized ranges")
    if known(access.get("enableVnetIntegration")) and access.get("subnetId") is None:
        # Source: azure-native, ManagedClusterAPIServerAccessProfileArgs: required in a VNet of one's own
        yield Problem("apiServerAccessProfile.subnetId", "VNet integration needs the API server's subnet")
    if access.get("privateDNSZone") == "none" and known(access.get("enablePrivateClusterPublicFQDN")) is False:
        # Source: learn: aks/private-clusters
        yield Problem("apiServerAccessProfile.privateDNSZone", "without a zone, the public name must stay")
    if len(ranges) > _MOST_RANGES:
        yield Problem(path, f"at most {_MOST_RANGES} ranges are allowed")
    for index, each in enumerate(ranges):
        try:
            ip_network(known(each) or "0.0.0.0/32")
        except ValueError as error:
            yield Problem(f"{path}[{index}]", f"not an address range: {error}")


def _network_problems(profile: Properties) -> Iterator[Problem]:
    mode, plugin = profile.get("networkPluginMode"), profile.get("networkPlugin")
    if known(profile.get("podCidr")) and plugin == "azure" and mode not in ("overlay", UNKNOWN):
        # `az aks create` refuses it (azure-cli PR 26237): on flat Azure CNI pods live in the subnet.
        yield Problem("networkProfile.podCidr", "only an overlay network has a pod CIDR")
    try:
        services = ip_network(known(profile.get("serviceCidr")) or _SERVICE_CIDR)
        dns = ip_address(known(profile.get("dnsServiceIP")) or _DNS_SERVICE_IP)
    except ValueError as error:
        yield Problem("networkProfile", f"not an address or range: {error}")
        return
    if UNKNOWN in (profile.get("serviceCidr"), profile.get("dnsServiceIP")):
        return
    # Source: learn: aks/concepts-network-legacy-cni ("Deployment parameters")
    if dns not in services or dns in (services[0], services[1]):
        reason = f"{dns} must be in the service CIDR {services}, and not its first address"
        yield Problem("networkProfile.dnsServiceIP", reason)
    for reserved in overlaps(_RESERVED, [services]):
        yield Problem("networkProfile.serviceCidr", f"{services} overlaps {reserved}, which AKS reserves")


# Azure's defaults: pulumi/pulumi-azure-native, recording upgrade-aks-api-version (2025-11-21).
_CLUSTER_DEFAULTS: Final[Properties] = {
    "autoUpgradeProfile": {"nodeOSUpgradeChannel": "NodeImage"},
    "bootstrapProfile": {"artifactSource": "Direct"},
    "metricsProfile": {"costAnalysis": {"enabled": False}},
    "nodeProvisioningProfile": {"mode": "Manual"},
    "oidcIssuerProfile": {"enabled": False},
    "securityProfile": {},
    "servicePrincipalProfile": {"clientId": "msi"},
    "storageProfile": {
        "diskCSIDriver": {"enabled": True, "version": "v1"},
        "fileCSIDriver": {"enabled": True},
        "snapshotController": {"enabled": True},
    },
    "workloadAutoScalerProfile": {},
}


def _network_outputs(subscription: Subscription, node_group: str, profile: Properties, old: Properties) -> Properties:
    if not profile:  # an overlay, since 2025 (the same recording); flat Azure CNI must be set
        profile = {"networkPlugin": "azure", "networkPluginMode": "overlay"}
    services = profile.get("serviceCidr") or _SERVICE_CIDR
    address = f"{subscription.id}/resourceGroups/{node_group}/providers/Microsoft.Network/publicIPAddresses/{uuid4()}"
    before = nested(nested(old, "networkProfile"), "loadBalancerProfile")
    way_out: Properties = {}
    if profile.get("outboundType", "loadBalancer") == "loadBalancer":
        way_out = {"effectiveOutboundIPs": [{"id": address}], "managedOutboundIPs": {"count": 1}}
    outputs: Properties = {
        "dnsServiceIP": _DNS_SERVICE_IP,
        "ipFamilies": ["IPv4"],
        # Azure/azure-cli and Azure/azure-cli-extensions, recordings test_aks_*; pulumi/pulumi-azure-native, recording
        # upgrade-aks-api-version
        "loadBalancerProfile": before or {"backendPoolType": "nodeIPConfiguration", **way_out},
        "loadBalancerSku": "standard",
        "networkDataplane": "azure",
        "networkPolicy": "none",
        "outboundType": "loadBalancer",
        "serviceCidr": services,
        "serviceCidrs": [services],
        **profile,
    }
    if profile.get("networkPluginMode") == "overlay":
        outputs["podCidr"] = profile.get("podCidr") or _POD_CIDR
        outputs["podCidrs"] = [outputs["podCidr"]]
    return outputs


def _network(cluster_id: str, inputs: Properties) -> str:
    """Return the ID of a cluster's virtual network. A cluster without a subnet gets its own network."""
    subnet_id = inputs["agentPoolProfiles"][0].get("vnetSubnetID")
    return subnet_id.rsplit("/", 2)[0] if subnet_id else cluster_id


def _pod_range(subscription: Subscription, inputs: Properties) -> str:
    if not _is_flat(inputs):
        return nested(inputs, "networkProfile").get("podCidr") or _POD_CIDR
    first = inputs["agentPoolProfiles"][0]
    subnet_id = first.get("podSubnetID") or first.get("vnetSubnetID")
    return str(prefixes(subscription.require(subnet_id)["inputs"])[0]) if subnet_id else _MANAGED_SUBNET


class AgentPool(ResourceType):
    """A node pool that is a separate resource."""

    kind = "Microsoft.ContainerService/managedClusters/agentPools"
    api_version = "2025-09-01"
    name = Name("agentPoolName", r"[a-z][a-z0-9]{0,11}", "learn: aks/create-node-pools", "copy")
    ancestors = ("resourceName",)
    immutable = ("gpuInstanceProfile", "vmSize")

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        yield from _pool_problems(inputs, "")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        cluster = _cluster_of(subscription, resource_id)
        require_rest(cluster)
        if old:
            # Of a resource, the output `type` is ARM's.
            _admit_pool_changes(cluster["id"], {**old["outputs"], "type": old["inputs"].get("type")}, inputs)
        _admit_pools(subscription, [inputs], cluster["inputs"], old)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        cluster = _cluster_of(subscription, resource_id)
        return {**_pool_outputs(inputs, cluster["outputs"]["kubernetesVersion"], old), "type": self.kind}

    @override
    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        del old
        inputs = record["inputs"]
        for properties in (inputs, record["outputs"]):
            _scale(properties)
        nodes = int(inputs.get("count") or inputs.get("minCount") or 1)
        cluster = _cluster_of(subscription, record["id"])
        subscription.clusters.set_pool(cluster["id"], last_segment(record["id"]), nodes, listed(inputs, "nodeTaints"))

    @override
    def admit_deletion(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        cluster = _cluster_of(subscription, record["id"])
        if cluster["id"].lower() not in to_delete:
            require_rest(cluster)

    @override
    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        cluster = _cluster_of(subscription, record["id"])
        if cluster["id"].lower() not in to_delete:
            subscription.clusters.set_pool(cluster["id"], last_segment(record["id"]), 0, ())


def _cluster_of(subscription: Subscription, pool_id: str) -> Record:
    return subscription.require(pool_id.rsplit("/", 2)[0])


_WINDOW_HOURS: Final = (4, 24)  # learn: aks/planned-maintenance
_SCHEDULES: Final = ("aksManagedAutoUpgradeSchedule", "aksManagedNodeOSUpgradeSchedule")


class MaintenanceConfiguration(ResourceType):
    """The hours in which a cluster may be upgraded."""

    kind = "Microsoft.ContainerService/managedClusters/maintenanceConfigurations"
    api_version = "2025-09-01"
    name = Name(
        "configName", r"[a-zA-Z0-9]+", "learn: rest/api/aks/maintenance-configurations/create-or-update", "copy"
    )
    ancestors = ("resourceName",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        window = nested(inputs, "maintenanceWindow")
        if not window:
            return
        hours = known(window.get("durationHours"))
        if hours is not None and not _WINDOW_HOURS[0] <= hours <= _WINDOW_HOURS[1]:
            reason = f"must be between {_WINDOW_HOURS[0]} and {_WINDOW_HOURS[1]}"
            yield Problem("maintenanceWindow.durationHours", reason)
        start = known(window.get("startTime"))
        if start is not None and not re.fullmatch(r"\d{2}:\d{2}", start):
            # Source: Azure/azure-rest-api-specs, managedClusters.json, MaintenanceWindow
            yield Problem("maintenanceWindow.startTime", r"must match \d{2}:\d{2}")
        if len(nested(window, "schedule")) != 1 and window.get("schedule") is not UNKNOWN:
            # Source: Azure/azure-rest-api-specs, managedClusters.json, Schedule
            yield Problem(
                "maintenanceWindow.schedule", "must have one of daily, weekly, absoluteMonthly, relativeMonthly"
            )
        elif "daily" in nested(window, "schedule") and inputs.get("configName") == _SCHEDULES[0]:
            # Source: learn: aks/planned-maintenance
            yield Problem("maintenanceWindow.schedule", "a daily schedule is for node images only")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del subscription, inputs, old
        if last_segment(resource_id) not in ("default", *_SCHEDULES):
            raise errors.MAINTENANCE_CONFIGURATION_NAME.refusal()
