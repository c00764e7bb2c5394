"""A subscription of the stand-in, and the inputs of a small deployment in it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from rehearsal.azure.arm import Access, Deployer
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Call, Properties
from rehearsal.core.store import Store
from rehearsal.providers.azure_native import Azure

DEPLOYER = Deployer()
SUBSCRIPTION = f"/subscriptions/{DEPLOYER.subscription_id}"
ROLES = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions"
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
FLEET_ADMIN = "18ab4d3d-a1bf-4477-8ad9-8359bc988f69"
THIS_MONTH = f"{datetime.now(UTC):%Y-%m}-01T00:00:00Z"
CLUSTER_ADMIN = "b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b"
TOKENS = {
    "ResourceGroup": "resources",
    "VirtualNetwork": "network",
    "Subnet": "network",
    "VirtualNetworkPeering": "network",
    "PublicIPAddress": "network",
    "LoadBalancer": "network",
    "NetworkSecurityGroup": "network",
    "NatGateway": "network",
    "Workspace": "operationalinsights",
    "AzureMonitorWorkspace": "monitor",
    "DataCollectionEndpoint": "monitor",
    "DataCollectionRule": "monitor",
    "DataCollectionRuleAssociation": "monitor",
    "DiagnosticSetting": "monitor",
    "ActionGroup": "monitor",
    "MetricAlert": "monitor",
    "ActivityLogAlert": "monitor",
    "PrometheusRuleGroup": "alertsmanagement",
    "UserAssignedIdentity": "managedidentity",
    "RoleAssignment": "authorization",
    "Budget": "consumption",
}


class _Clusters:
    """Logs what Azure asks of the clusters."""

    def __init__(self) -> None:
        self.log: list[tuple[Any, ...]] = []
        self.now = 0.0
        self.exporting = False
        self.servers: dict[str, Access] = {}
        self.balanced: dict[str, dict[str, str]] = {}

    def add_cluster(  # noqa: PLR0913 - the interface's
        self,
        cluster_id: str,
        server: str,
        *,
        location: str,
        network: str,
        pods: str,
        flat: bool,
        nodes: int,
        services: str,
    ) -> None:
        self.log.append(("cluster", cluster_id, server, location, network, pods, flat, nodes, services))

    def add_network(self, network: str, prefixes: list[str]) -> None:
        self.log.append(("network", network, prefixes))

    def remove_network(self, network: str) -> None:
        self.log.append(("no network", network))

    def set_peered(self, network: str, other: str, *, peered: bool) -> None:
        self.log.append(("peered", network, other, peered))

    def set_routes(self, network: str, other: str, prefixes: list[str]) -> None:
        self.log.append(("routes", network, other, prefixes))

    def set_pool(self, cluster_id: str, pool: str, nodes: int | None, taints: Sequence[str]) -> None:
        self.log.append(("pool", cluster_id.rsplit("/", 1)[-1], pool, nodes, list(taints)))

    def public_address(self) -> str:
        return f"20.0.0.{len(self.log) + 1}"

    def frontends(self, cluster_id: str) -> dict[str, str]:
        return self.balanced.get(cluster_id, {})

    def balance(self, address: str, frontends: Mapping[str, Collection[int]]) -> None:
        self.log.append(("balance", address, {each: sorted(ports) for each, ports in frontends.items()}))

    def access(self, cluster_id: str) -> Access | None:
        return self.servers.get(cluster_id)

    def add_hub(self, fleet_id: str, server: str) -> None:
        self.log.append(("hub", fleet_id, server))

    def remove(self, cluster_id: str) -> None:
        self.log.append(("remove", cluster_id))

    def join(self, fleet_id: str, member: str, cluster_id: str, labels: dict[str, str]) -> None:
        self.log.append(("join", fleet_id, member, cluster_id, labels))

    def leave(self, fleet_id: str, member: str) -> None:
        if self.exporting:
            raise RefusedError("Please delete serviceExport")
        self.log.append(("leave", fleet_id, member))

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [entry for entry in self.log if entry[0] == kind]


class Subscription:
    """Calls Azure as the engine does: check, then create, and so on."""

    def __init__(self, store: Store | None = None) -> None:
        self.clusters = _Clusters()
        self.azure = Azure(store or Store(), self.clusters)

    @staticmethod
    def call(kind: str, name: str = "x", *, preview: bool = False, **provider: str) -> Call:
        """Return the engine's call for a resource of a kind."""
        token = f"azure-native:{TOKENS.get(kind, 'containerservice')}:{kind}"
        return Call(token, name, preview=preview, provider=dict(provider))

    def problems(self, kind: str, **inputs: object) -> dict[str, str]:
        """Return the refused inputs, with the reasons."""
        return {problem.path: problem.reason for problem in self.azure.check(self.call(kind), inputs)[1]}

    def create(self, kind: str, **inputs: object) -> tuple[str, Properties]:
        """Create a resource; return its ID and outputs."""
        checked, problems = self.azure.check(self.call(kind), inputs)
        assert not problems
        return self.azure.create(self.call(kind), checked)

    def refused(self, kind: str, **inputs: object) -> str:
        """Return the error with which Azure refuses to create a resource."""
        with pytest.raises(RefusedError) as refused:
            self.create(kind, **inputs)
        return str(refused.value)

    def update(self, kind: str, resource_id: str, **inputs: object) -> Properties:
        """Update a resource; return its outputs."""
        checked, problems = self.azure.check(self.call(kind), inputs)
        assert not problems
        return self.azure.update(self.call(kind), resource_id, {}, checked)

    def delete(self, kind: str, resource_id: str) -> None:
        """Delete a resource."""
        self.azure.delete(self.call(kind), resource_id, {})

    def exists(self, kind: str, resource_id: str) -> bool:
        """Tell whether Azure has a resource."""
        return self.azure.read(self.call(kind), resource_id, {}, {}) is not None

    def outputs(self, kind: str, resource_id: str) -> Properties:
        """Return a resource's outputs, as read from Azure."""
        found = self.azure.read(self.call(kind), resource_id, {}, {})
        assert found
        return found[1]

    def invoke(self, function: str, **args: str) -> Properties:
        """Return the result of a function of `containerservice`."""
        return self.azure.invoke(Call(f"azure-native:containerservice:{function}"), dict(args))

    def group(self, name: str = "rg", location: str = "eastus2") -> str:
        """Create a resource group; return its ID."""
        return self.create("ResourceGroup", resourceGroupName=name, location=location)[0]

    def network(self, name: str = "vnet", space: str = "10.1.0.0/16", group: str = "rg") -> str:
        """Create a virtual network; return its ID."""
        return self.create(
            "VirtualNetwork",
            resourceGroupName=group,
            virtualNetworkName=name,
            addressSpace={"addressPrefixes": [space]},
        )[0]

    def subnet(self, name: str = "nodes", prefix: str = "10.1.0.0/24", network: str = "vnet") -> str:
        """Create a subnet; return its ID."""
        return self.create(
            "Subnet", resourceGroupName="rg", virtualNetworkName=network, subnetName=name, addressPrefix=prefix
        )[0]

    def peering(self, own: str, remote: str) -> str:
        """Create a peering, in one direction; return its ID."""
        return self.create("VirtualNetworkPeering", **peering_inputs(own, remote))[0]

    def role(self, scope: str, role: str, principal: str = DEPLOYER.object_id, kind: str = "User") -> str:
        """Assign a role; return the assignment's ID."""
        return self.create("RoleAssignment", **role_inputs(scope, role, principal, kind))[0]

    def identity(self, name: str = "identity") -> tuple[str, str]:
        """Create an identity; return its ID and its principal's."""
        identity_id, outputs = self.create("UserAssignedIdentity", resourceGroupName="rg", resourceName=name)
        return identity_id, outputs["principalId"]

    def place(self) -> Properties:
        """Create everything a cluster needs; return the cluster's inputs."""
        self.group()
        self.network()
        subnet_id = self.subnet()
        identity_id, principal = self.identity()
        self.role(subnet_id, NETWORK_CONTRIBUTOR, principal, "ServicePrincipal")
        return cluster_inputs("aks", subnet_id, identity_id)

    def fleet(self, name: str = "fleet", **inputs: object) -> tuple[str, Properties]:
        """Create a fleet; return its ID and outputs."""
        return self.create("Fleet", resourceGroupName="rg", fleetName=name, **inputs)


def cluster_inputs(name: str, subnet_id: str, identity_id: str, **pool: object) -> Properties:
    return {
        "resourceGroupName": "rg",
        "resourceName": name,
        "dnsPrefix": name,
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [identity_id]},
        "agentPoolProfiles": [{"name": "system", "mode": "System", "count": 2.0, "vnetSubnetID": subnet_id, **pool}],
        "networkProfile": {"networkPlugin": "azure", "serviceCidr": "10.0.0.0/16", "dnsServiceIP": "10.0.0.10"},
    }


def peering_inputs(own: str, remote: str) -> Properties:
    return {
        "resourceGroupName": "rg",
        "virtualNetworkName": own.rsplit("/", 1)[-1],
        "virtualNetworkPeeringName": f"to-{remote.rsplit('/', 1)[-1]}",
        "remoteVirtualNetwork": {"id": remote},
    }


def role_inputs(scope: str, role: str, principal: str = DEPLOYER.object_id, kind: str = "User") -> Properties:
    return {
        "scope": scope,
        "roleDefinitionId": f"{ROLES}/{role}",
        "principalId": principal,
        "principalType": kind,
    }


def budget_inputs(**changes: Any) -> Properties:  # noqa: ANN401 - JSON
    """Return the inputs of a budget from the current month on."""
    notification = {
        "enabled": True,
        "operator": "GreaterThan",
        "threshold": 100,
        "thresholdType": "Actual",
        "contactEmails": ["team@example.com"],
    }
    return {
        "scope": f"{SUBSCRIPTION}/",
        "budgetName": "all",
        "amount": 100,
        "category": "Cost",
        "timeGrain": "Monthly",
        "timePeriod": {"startDate": THIS_MONTH},
        "notifications": {"all": notification},
        **changes,
    }
