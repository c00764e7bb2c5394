"""Azure's behaviour in recorded requests and answers, the source of `docs/recordings.md`.

    python -m rehearsal.azure.recordings

Each entry has a test with its name (`@pytest.mark.recording`), in `rehearsal/tests/azure/`.
"""

import sys
from dataclasses import dataclass
from typing import Final

_FLEET = "Azure/azure-cli-extensions, test_fleet_hubful"
_HUBLESS = "Azure/azure-cli-extensions, test_fleet_hubless"
_STATE = "pulumi/pulumi-azure-native, upgrade-aks-api-version"
_PEERINGS = "Azure/azure-cli, test_network_vnet_peering"
_ASO = "Azure/azure-service-operator"


@dataclass(frozen=True)
class Recording:
    """One behaviour.

    Attributes:
        what: the behaviour.
        source: the repository and the recording, or the thread or page with a report.
        date: the date of the recording or report; of several, the newest.
    """

    what: str
    source: str
    date: str


RECORDINGS: Final[dict[str, Recording]] = {
    "group": Recording(
        "A resource group exists at once, `properties.provisioningState: Succeeded`.", _STATE, "2025-11-21"
    ),
    "vnet": Recording(
        "A VNet's outputs, with `privateEndpointVNetPolicies: Disabled`.",
        f"{_ASO}, Test_Networking_VirtualNetworkPeering_20240301; pulumi/pulumi-azure-native, upgrade-networked-vm",
        "2024-12-09",
    ),
    "subnet": Recording(
        "A subnet's outputs, with Azure's network policies: `Disabled` for private endpoints, `Enabled` for Private "
        "Link.",
        f"{_ASO}, Test_Networking_Subnet_20250301; pulumi/pulumi-azure-native, upgrade-networked-vm",
        "2024-12-09",
    ),
    "peering-states": Recording(
        "A peering is `Initiated` and `RemoteNotInSync`; once the opposite one exists, both are `Connected` and "
        "`FullyInSync`, and have the same `resourceGuid`.",
        f"{_PEERINGS}, test_network_vnet_peering_sync",
        "2024-09-14",
    ),
    "peering-defaults": Recording(
        "A peering's defaults: access and whole VNets true, all others false.",
        f"{_ASO}, Test_Networking_VirtualNetworkPeering_20240301",
        "2023 to 2026",
    ),
    "identity": Recording(
        "A user-assigned identity's ID has `/resourcegroups/`; `clientId`, `principalId` and `tenantId` come at once.",
        f"Azure/azure-cli, test_identity_management; {_ASO}, Test_Authorization_RoleAssignmentOfBuiltInRole",
        "2022 to 2024",
    ),
    "role": Recording(
        "The answer to a role assignment's creation lacks `createdBy`; later reads have it.",
        f"{_ASO}, Test_Authorization_RoleAssignmentOfBuiltInRole",
        "2023 to 2026",
    ),
    "role-exists": Recording(
        "The same role twice: 409 `RoleAssignmentExists`.", "Azure/azure-cli, test_aks_*", "2022 to 2024"
    ),
    "principal-type": Recording(
        "A principal of another type than `principalType`: 400 `UnmatchedPrincipalType`.",
        "Azure/azure-cli-extensions, test_amg_*",
        "2022 to 2025",
    ),
    "cluster-id": Recording(
        "A cluster's ID has `/resourcegroups/`, its type is `Microsoft.ContainerService/ManagedClusters`, and its "
        "kubelet's identity is in `/resourcegroups/MC_…`.",
        _STATE,
        "2025-11-21",
    ),
    "cluster-names": Recording(
        "`MC_<group>_<cluster>_<location>`; `<dnsPrefix>-<8 letters or digits>.hcp.<location>.azmk8s.io`, "
        "`.portal.hcp.`",
        _STATE,
        "2025-11-21",
    ),
    "cluster-defaults": Recording("Azure's defaults of a cluster and its pools.", f"{_STATE}; {_FLEET}", "2025-11-21"),
    "flat-network": Recording(
        "Flat Azure CNI stays flat if `networkPlugin: azure` is set.",
        "Azure/azure-cli-extensions, test_aks_gpu_driver_type",
        "2024-09-20",
    ),
    "no-network-profile": Recording("A cluster without a network profile gets an overlay.", _STATE, "2025-11-21"),
    "cluster-without-role": Recording(
        "A cluster is created although its identity has no role on the subnet.",
        "Azure/azure-cli, test_aks_control_plane_user_assigned_identity, test_aks_virtual_node_addon",
        "2024-04-23",
    ),
    "balancer-without-role": Recording(
        "Its load balancers get no address (`SyncLoadBalancerFailed … AuthorizationFailed … subnets/read`).",
        "Azure/terraform-azurerm-aks issue 178",
        "2022-06-16",
    ),
    "vnet-written": Recording(
        "A cluster fails after Azure has accepted it, if its VNet is being written: `SetVNetOwnershipFailed`.",
        "Azure/AKS issue 4522; learn: troubleshoot/azure/azure-kubernetes/error-codes/"
        "virtualnetworknotinsucceededstate-error",
        "2025-08-07",
    ),
    "cluster-updating": Recording(
        "After its member has joined, a cluster is `Updating` for 30 to 120 s, and refuses other operations: 409 "
        "`OperationNotAllowed`.",
        f"{_FLEET}, test_fleet_hubless; text: Azure/terraform-azurerm-avm-ptn-aks-production PR 25",
        "2025-09-01",
    ),
    "hub-prefix": Recording(
        "A hub without `dnsPrefix` is named `hub-<6 letters>-<8 letters or digits>.hcp…`; the answer lacks the key.",
        _FLEET,
        "2025-09-01",
    ),
    "hub-given-prefix": Recording(
        "The answer has a hub's given `dnsPrefix`, which begins its name.",
        f"{_ASO}, Test_AKS_Fleet_20250301",
        "2023 to 2026",
    ),
    "hub-kubeconfig": Recording(
        "The hub's kubeconfig: cluster and context `hub`, user "
        "`clusterUser_FL_<group>_<fleet>_<location>_hub`, kubelogin with `--login devicecode`.",
        _FLEET,
        "2025-09-01",
    ),
    "cluster-kubeconfig": Recording(
        "A cluster's kubeconfig with local accounts: context `<cluster>`, user `clusterUser_<group>_<cluster>`.",
        "Azure/azure-cli, test_aks_create_default_service",
        "2022 to 2024",
    ),
    "fleet": Recording(
        "A fleet's `eTag` is a quoted GUID; fleets, members and update strategies have `systemData`.",
        _FLEET,
        "2025-09-01",
    ),
    "member-labels": Recording("The five labels of a MemberCluster.", _FLEET, "2025-09-01"),
    "fleet-deleted": Recording(
        "A fleet that has members is deleted with them.", f"{_ASO}, Test_AKS_Fleet_20250301", "2023 to 2026"
    ),
    "other-fleet": Recording(
        "A cluster of another fleet: `ClusterAlreadyJoinedAnotherFleet`.", f"{_ASO} issue 4181", "2024-08-06"
    ),
    "strategy-groups": Recording("An update strategy may name groups that no member has.", _HUBLESS, "2025-09-01"),
    "strategy-wait": Recording(
        "Azure returns a stage's missing wait as 0.",
        f"{_ASO}, Test_Containerservice_v1api20250301",
        "2023 to 2026",
    ),
    "auto-upgrade": Recording("An auto-upgrade profile is enabled by default.", f"{_FLEET}; {_ASO}", "2025-09-01"),
    "budget": Recording(
        "A budget's answer: a quoted `eTag` of 15 hex digits, `currentSpend`, and empty lists of groups and roles.",
        "Azure/azure-cli, test_consumption_budget_show",
        "2018-12-03",
    ),
    "parent-missing": Recording(
        "404 `ParentResourceNotFound`: Failed to perform '…' on resource(s) of type 'fleets/members' …",
        f"{_ASO}, Test_AKS_Fleet_20250301",
        "2023 to 2026",
    ),
    "group-missing": Recording("404 `ResourceGroupNotFound`, `ResourceNotFound`.", f"{_FLEET}; {_ASO}", "2025-09-01"),
    "subnet-in-use": Recording(
        "400 `InUseSubnetCannotBeDeleted`.", "Azure/azure-cli, test_delete_dependent_resources", "2022 to 2024"
    ),
}

_HEAD: Final = """# Recorded behaviour of Azure

The rehearsal's Azure behaves as in this table, which was recorded on the real Azure: a test's requests and
answers, a provider's state, or an error in an issue. Each row has a test that names it
(`rehearsal/tests/azure/`). Every other rule of the stand-in has its source in a comment, in
`rehearsal/azure/`; most come from Microsoft's pages. Unrecorded behaviour is marked there with
`assumed` or `not documented`.

`make docs` writes this page from `rehearsal/azure/recordings.py`. `learn:` is Microsoft's documentation site.

| behaviour | source | recorded |
| --- | --- | --- |
"""


def page() -> str:
    """Return the page."""
    return _HEAD + "".join(f"| {each.what} | {each.source} | {each.date} |\n" for each in RECORDINGS.values())


if __name__ == "__main__":
    sys.stdout.write(page())
