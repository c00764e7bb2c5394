"""What a platform team has made: a cluster with its network, a subnet in another network, and a fleet.

Once they have IDs, the settings of a stack that uses them are written to `stack.yaml` in this folder.
"""

from pathlib import Path

import pulumi
from pulumi_azure_native import authorization, containerservice, managedidentity, network, resources

NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
STACK = """\
config:
  fleet-l4-lb:regions:
    - name: east
      location: eastus2
      existing: {clusterId: %s}
    - name: west
      location: westus2
      existing: {subnetId: %s}
      nodePool: {vmSize: Standard_D4ds_v5, count: 3}
    - name: north
      location: northcentralus
      addressSpace: 10.3.0.0/16
      nodeSubnet: 10.3.0.0/24
      nodePool: {vmSize: Standard_D4ds_v5, count: 3}
  fleet-l4-lb:fleet: {existingId: %s}
"""


def subnet(name: str, location: str, number: int) -> network.Subnet:
    """Make a subnet in a VNet and a group of its own."""
    group = resources.ResourceGroup(name, resource_group_name=f"rg-platform-{name}", location=location)
    virtual_network = network.VirtualNetwork(
        name,
        resource_group_name=group.name,
        virtual_network_name=f"vnet-{name}",
        location=location,
        address_space={"address_prefixes": [f"10.{number}.0.0/16"]},
    )
    return network.Subnet(
        name,
        resource_group_name=group.name,
        virtual_network_name=virtual_network.name,
        subnet_name="nodes",
        address_prefix=f"10.{number}.0.0/22",
    )


east, west = subnet("east", "eastus2", 9), subnet("west", "westus2", 8)
identity = managedidentity.UserAssignedIdentity(
    "east",
    resource_group_name="rg-platform-east",
    resource_name_="id-east",
    location="eastus2",
    opts=pulumi.ResourceOptions(depends_on=[east]),
)
subscription = authorization.get_client_config_output().subscription_id
role = authorization.RoleAssignment(
    "east",
    scope=east.id,
    role_definition_id=pulumi.Output.format(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{}", subscription, NETWORK_CONTRIBUTOR
    ),
    principal_id=identity.principal_id,
    principal_type=authorization.PrincipalType.SERVICE_PRINCIPAL,
)
cluster = containerservice.ManagedCluster(
    "east",
    resource_group_name="rg-platform-east",
    resource_name_="AKS-Platform",
    location="eastus2",
    dns_prefix="aks-platform",
    identity={"type": containerservice.ResourceIdentityType.USER_ASSIGNED, "user_assigned_identities": [identity.id]},
    agent_pool_profiles=[
        {
            "name": "system",
            "mode": containerservice.AgentPoolMode.SYSTEM,
            "count": 3,
            "max_pods": 30,
            "vm_size": "Standard_D4ds_v5",
            "vnet_subnet_id": east.id,
        }
    ],
    network_profile={"network_plugin": containerservice.NetworkPlugin.AZURE},
    opts=pulumi.ResourceOptions(depends_on=[role]),
)
fleet_group = resources.ResourceGroup("fleet", resource_group_name="rg-platform-fleet", location="westus")
fleet = containerservice.Fleet(
    "fleet",
    resource_group_name=fleet_group.name,
    fleet_name="fleet-platform",
    location="westus",
    hub_profile={},
)


def write_stack(ids: list[str]) -> None:
    """Write the stack's file, when the IDs are known."""
    (Path(__file__).parent / "stack.yaml").write_text(STACK % tuple(ids), encoding="utf-8")


pulumi.Output.all(cluster.id, west.id, fleet.id).apply(write_stack)
