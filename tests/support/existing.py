"""Resources that exist in the cloud before the program runs."""

from typing import Any

from rehearsal.cloud import Cloud
from rehearsal.core.protocol import Call, Properties

OTHER = "0b2e6f14-93a7-4d58-8c1b-7f5e2a90d6c3"
"""Another subscription than the program's."""

_GROUP = "rg-before"


def _make(cloud: Cloud, token: str, name: str, inputs: Properties, subscription: str) -> str:
    call = Call(f"azure-native:{token}", name, provider={"subscriptionId": subscription} if subscription else {})
    checked, problems = cloud.azure.check(call, inputs)
    assert not problems
    return cloud.azure.create(call, checked)[0]


def network(  # noqa: PLR0913 - the parts of a network
    cloud: Cloud,
    space: str = "10.9.0.0/16",
    location: str = "eastus2",
    *,
    subscription: str = "",
    group: str = _GROUP,
    prefix: str = "",
) -> str:
    """Make a VNet with a subnet in a group of its own; return the subnet's ID."""
    place: Properties = {"resourceGroupName": group}
    _make(cloud, "resources:ResourceGroup", "g", place | {"location": location}, subscription)
    inside = place | {"virtualNetworkName": "vnet-before"}
    space_of = {"addressSpace": {"addressPrefixes": [space]}}
    _make(cloud, "network:VirtualNetwork", "v", inside | space_of, subscription)
    subnet = {"subnetName": "nodes", "addressPrefix": prefix or space.replace("/16", "/22")}
    return _make(cloud, "network:Subnet", "s", inside | subnet, subscription)


def second_subnet(cloud: Cloud, first: str, prefix: str) -> str:
    """Make another subnet in the VNet of a subnet from `network`; return its ID."""
    _, _, subscription, _, group, *_ = first.split("/")
    subnet = {"virtualNetworkName": "vnet-before", "subnetName": "green", "addressPrefix": prefix}
    return _make(cloud, "network:Subnet", "s2", {"resourceGroupName": group, **subnet}, subscription)


def peer(cloud: Cloud, one: str, other: str) -> None:
    """Peer the VNets of two subnets, both ways."""
    for here, there in ((one, other), (other, one)):
        _, _, subscription, _, group, *_ = here.split("/")
        names = {"virtualNetworkName": "vnet-before", "virtualNetworkPeeringName": "platform"}
        remote = {"remoteVirtualNetwork": {"id": there.rsplit("/", 2)[0]}}
        inputs = {"resourceGroupName": group, **names, **remote}
        _make(cloud, "network:VirtualNetworkPeering", "p", inputs, subscription)


def cluster_in(
    cloud: Cloud,
    subnet: str,
    name: str = "AKS-Before",
    *,
    access: Properties | None = None,
    **profile: Any,  # noqa: ANN401 - any JSON value
) -> str:
    """Make a cluster in a subnet, with its identity and role, in the subnet's group; return its ID."""
    _, _, subscription, _, group, *_ = subnet.split("/")
    place = {"resourceGroupName": group}
    identity = _make(
        cloud, "managedidentity:UserAssignedIdentity", "i", place | {"resourceName": f"{name}-id"}, subscription
    )
    principal = cloud.azure.read(Call("azure-native:managedidentity:UserAssignedIdentity"), identity, {}, {})
    assert principal
    contributor = "4d97b98b-1d4f-4787-a291-c67834d212e7"
    role = f"/subscriptions/{subscription}/providers/Microsoft.Authorization/roleDefinitions/{contributor}"
    grant: Properties = {"scope": subnet, "roleDefinitionId": role, "principalType": "ServicePrincipal"}
    owner = {"principalId": principal[1]["principalId"]}
    _make(cloud, "authorization:RoleAssignment", "r", grant | owner, subscription)
    pool = {"name": "system", "mode": "System", "count": 3, "maxPods": 30, "vmSize": "Standard_D2s_v5"}
    inputs: Properties = {
        "resourceName": name,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [identity]},
        "agentPoolProfiles": [pool | {"vnetSubnetID": subnet}],
        "networkProfile": {"networkPlugin": "azure", **profile},
        **({"apiServerAccessProfile": access} if access else {}),
    }
    return _make(cloud, "containerservice:ManagedCluster", "c", place | inputs, subscription)


def cluster(cloud: Cloud, *, subscription: str = "", **profile: Any) -> str:  # noqa: ANN401 - any JSON value
    """Make a cluster with its VNet, identity and role; return its ID."""
    return cluster_in(cloud, network(cloud, subscription=subscription), **profile)


def fleet(cloud: Cloud, *, hub: bool = True, subscription: str = "") -> str:
    """Make a fleet in a group of its own; return its ID."""
    group: Properties = {"resourceGroupName": "rg-fleet-before"}
    _make(cloud, "resources:ResourceGroup", "g", group | {"location": "westus"}, subscription)
    profile: Properties = {"hubProfile": {}} if hub else {}
    return _make(cloud, "containerservice:Fleet", "f", group | {"fleetName": "fleet-before", **profile}, subscription)


def registry(cloud: Cloud) -> str:
    """Make a container registry in another subscription; return its ID."""
    group: Properties = {"resourceGroupName": "rg-images"}
    _make(cloud, "resources:ResourceGroup", "g", group | {"location": "eastus2"}, OTHER)
    inputs = group | {"registryName": "imagesbefore", "sku": {"name": "Premium"}}
    return _make(cloud, "containerregistry:Registry", "r", inputs, OTHER)


def workspaces(cloud: Cloud, location: str = "uksouth") -> tuple[str, str]:
    """Make a workspace for logs and one for metrics, in a group of their own; return their ids."""
    group: Properties = {"resourceGroupName": "rg-landing-zone"}
    _make(cloud, "resources:ResourceGroup", "g", group | {"location": location}, "")
    logs = _make(cloud, "operationalinsights:Workspace", "l", group | {"workspaceName": "central"}, "")
    names = {"azureMonitorWorkspaceName": "central"}
    return logs, _make(cloud, "monitor:AzureMonitorWorkspace", "m", group | names, "")


def is_there(cloud: Cloud, resource_id: str) -> bool:
    """Return whether a resource is in the cloud."""
    return cloud.azure.read(Call("azure-native:containerservice:Fleet"), resource_id, {}, {}) is not None


def server(cloud: Cloud, cluster_id: str) -> str:
    """Return the name of a cluster's API server, or of a fleet's hub."""
    found = cloud.azure.read(Call("azure-native:containerservice:ManagedCluster"), cluster_id, {}, {})
    assert found
    return found[1].get("fqdn") or found[1]["hubProfile"]["fqdn"]


def member(cloud: Cloud, fleet_id: str, cluster_id: str, name: str) -> str:
    """Let a cluster join a fleet; return the member's ID."""
    _, _, _, _, group, *_, fleet_name = fleet_id.split("/")
    inputs: Properties = {"resourceGroupName": group, "fleetName": fleet_name, "fleetMemberName": name}
    return _make(cloud, "containerservice:FleetMember", "m", inputs | {"clusterResourceId": cluster_id}, "")
