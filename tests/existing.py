"""Resources that are in the cloud before the program comes."""

from typing import Any

from rehearsal.cloud import Cloud
from rehearsal.model import Call, Properties

_GROUP = "rg-before"


def _make(cloud: Cloud, token: str, name: str, inputs: Properties) -> str:
    call = Call(f"azure-native:{token}", name)
    checked, problems = cloud.azure.check(call, inputs)
    assert not problems
    return cloud.azure.create(call, checked)[0]


def network(cloud: Cloud, space: str = "10.9.0.0/16", location: str = "eastus2") -> str:
    """Make a VNet with a subnet in a group of its own; return the subnet's id."""
    group: Properties = {"resourceGroupName": _GROUP}
    _make(cloud, "resources:ResourceGroup", "g", group | {"location": location})
    inside = group | {"virtualNetworkName": "vnet-before"}
    _make(cloud, "network:VirtualNetwork", "v", inside | {"addressSpace": {"addressPrefixes": [space]}})
    prefix = space.replace("/16", "/22")
    return _make(cloud, "network:Subnet", "s", inside | {"subnetName": "nodes", "addressPrefix": prefix})


def cluster(cloud: Cloud, **profile: Any) -> str:  # noqa: ANN401 - any JSON value
    """Make a cluster with a VNet and all that it needs; return its id."""
    subnet = network(cloud)
    identity = _make(
        cloud, "managedidentity:UserAssignedIdentity", "i", {"resourceGroupName": _GROUP, "resourceName": "identity"}
    )
    principal = cloud.azure.read(Call("azure-native:managedidentity:UserAssignedIdentity"), identity, {}, {})
    assert principal
    contributor = "4d97b98b-1d4f-4787-a291-c67834d212e7"
    role = f"{subnet.split('/resourceGroups/')[0]}/providers/Microsoft.Authorization/roleDefinitions/{contributor}"
    grant: Properties = {"scope": subnet, "roleDefinitionId": role, "principalType": "ServicePrincipal"}
    _make(cloud, "authorization:RoleAssignment", "r", grant | {"principalId": principal[1]["principalId"]})
    pool = {"name": "system", "mode": "System", "count": 3, "maxPods": 30, "vmSize": "Standard_D2s_v5"}
    inputs: Properties = {
        "resourceGroupName": _GROUP,
        "resourceName": "AKS-Before",
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [identity]},
        "agentPoolProfiles": [pool | {"vnetSubnetID": subnet}],
        "networkProfile": {"networkPlugin": "azure", **profile},
    }
    return _make(cloud, "containerservice:ManagedCluster", "c", inputs)


def fleet(cloud: Cloud, *, hub: bool = True) -> str:
    """Make a fleet in a group of its own; return its id."""
    group: Properties = {"resourceGroupName": "rg-fleet-before"}
    _make(cloud, "resources:ResourceGroup", "g", group | {"location": "westus"})
    profile: Properties = {"hubProfile": {}} if hub else {}
    return _make(cloud, "containerservice:Fleet", "f", group | {"fleetName": "fleet-before", **profile})


def is_there(cloud: Cloud, resource_id: str) -> bool:
    """Say whether a resource is in the cloud."""
    return cloud.azure.read(Call("azure-native:containerservice:Fleet"), resource_id, {}, {}) is not None
