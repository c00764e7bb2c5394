"""Azure's error texts, each with its source.

The stand-in raises them, and `rehearsal/faults` injects them. A constant is named after Azure's code, or after the
cause if Azure has one code for several causes.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rehearsal.core.errors import RefusedError

ACCEPTED: Final = 200
"""The status of an operation that fails after Azure has accepted it: the poll succeeds, and its content is the error
(azure-native, client_azcore.go)."""


def elided(values: Mapping[str, object]) -> Mapping[str, object]:
    """Return values for a text, with … for all missing ones: an injected error does not know the resource's values."""
    return defaultdict(lambda: "…", values)


@dataclass(frozen=True)
class AzureError:
    """One error of Azure's REST API.

    Attributes:
        status: the HTTP status; None if the connection breaks before the answer.
        code: Azure's code.
        text: Azure's message, with `{…}` for values such as names.
        source: the source of code and text, and the parts that are assumed.
    """

    status: int | None
    code: str
    text: str
    source: str

    def refusal(self, **values: object) -> RefusedError:
        """Return the error of a refused request; every value of the text must be given."""
        return RefusedError(self.printed(values))

    def printed(self, values: Mapping[str, object], status: int | None = None) -> str:
        """Return the error as azure-native prints it.

        Args:
            values: the values for the text.
            status: the HTTP status, if it differs from the error's own.
        """
        message = self.text.format_map(values)
        if self.status is None:
            return message
        return f'Status={status or self.status} Code="{self.code}" Message="{message}"'


# Any resource.

RESOURCE_NOT_FOUND: Final = AzureError(
    404,
    "ResourceNotFound",
    "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to "
    "https://aka.ms/ARMResourceNotFoundFix",
    "learn: azure-resource-manager/troubleshooting/error-not-found",
)
RESOURCE_GROUP_NOT_FOUND: Final = AzureError(
    404,
    "ResourceGroupNotFound",
    "Resource group '{group}' could not be found.",
    "learn: azure-resource-manager/troubleshooting/error-not-found",
)
PARENT_RESOURCE_NOT_FOUND: Final = AzureError(
    404,
    "ParentResourceNotFound",
    "Failed to perform 'write' on resource(s) of type '{kind}', because the parent resource '{parent}' could not be "
    "found.",
    "Azure/azure-service-operator, recording Test_AKS_Fleet_20250301 (of a deletion)",
)
LOCATION_NOT_AVAILABLE_FOR_RESOURCE_GROUP: Final = AzureError(
    400,
    "LocationNotAvailableForResourceGroup",
    "The provided location '{location}' is not available for resource group. List of available regions is '{regions}'.",
    "cloud-barista/cb-spider issue 527, MicrosoftDocs/executable-docs issue 74",
)
LOCATION_NOT_AVAILABLE_FOR_RESOURCE_TYPE: Final = AzureError(
    400,
    "LocationNotAvailableForResourceType",
    "The provided location '{location}' is not available for resource type '{kind}'. List of available regions for the "
    "resource type is '{regions}'.",
    "MicrosoftDocs/azure-docs PR 4981, Azure/AKS issue 5099",
)
NO_REGISTERED_PROVIDER_FOUND: Final = AzureError(
    400,
    "NoRegisteredProviderFound",
    "No registered resource provider found for location '{location}' and API version '{version}' for type '{kind}'. "
    "The supported api-versions are '{versions}'. The supported locations are '{regions}'.",
    "pulumi/pulumi-azure-native issue 4097, Azure/azure-service-operator issue 4935; "
    "learn: kubernetes-fleet/concepts-preview-api-lifecycle",
)
SCOPE_LOCKED: Final = AzureError(
    409,
    "ScopeLocked",
    "The scope '{scope}' cannot perform delete operation because following scope(s) are locked: '{lock}'. Please "
    "remove the lock and try again.",
    "learn: azure-resource-manager/management/lock-resources; MicrosoftDocs/azure-docs issue 110791 (role "
    "assignments), Azure/terraform-azurerm-lz-vending issue 496",
)
RESOURCE_GROUP_DELETION_BLOCKED: Final = AzureError(
    409,
    "ResourceGroupDeletionBlocked",
    "Deletion of resource group '{group}' failed as resources with identifiers '{resources}' could not be deleted. The "
    "provisioning state of the resource group will be rolled back. The tracking Id is '{tracking}'. Please check audit "
    "logs for more details.",
    "Azure/bicep-registry-modules PR 1607, MicrosoftDocs/azure-docs issue 52282",
)
REQUEST_DISALLOWED_BY_POLICY: Final = AzureError(
    403,
    "RequestDisallowedByPolicy",
    "{subject} '{name}' was disallowed by policy. Policy identifiers: "
    '\'[{{"policyAssignment":{{"name":"{assignment}","id":"{assignment}"}},'
    '"policyDefinition":{{"name":"{definition}","id":"{definition}"}}}}]\'.',
    "HoussemDellai/terraform-course issue 1; for deletions learn: governance/policy/concepts/effect-deny-action, which "
    "has the status, but neither code nor text",
)
AUTHORIZATION_FAILED: Final = AzureError(
    403,
    "AuthorizationFailed",
    "The client '{client}' with object id '{client}' does not have authorization to perform action '{kind}/{action}' "
    "over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
    "Azure/azure-cli issues 30789, 30800, 28354",
)

# Any request.

SUBSCRIPTION_REQUESTS_THROTTLED: Final = AzureError(
    429,
    "SubscriptionRequestsThrottled",
    "Number of 'write' requests for subscription actor exceeded. Please try again after '{seconds}' seconds after "
    "additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.",
    "learn: azure-resource-manager/management/request-limits-and-throttling; Azure/apiops issue 612",
)
RETRYABLE_ERROR: Final = AzureError(
    429, "RetryableError", "A retryable error occurred.", "pulumi/pulumi-azure-native issues 1450, 3720"
)
SERVER_TIMEOUT: Final = AzureError(
    503,
    "ServerTimeout",
    "The request timed out. Diagnostic information: timestamp '{timestamp}', subscription id '{subscription}', "
    "tracking id '{tracking}', request correlation id '{request}'.",
    "microsoft/MLOS PR 950",
)
GATEWAY_TIMEOUT: Final = AzureError(
    504,
    "GatewayTimeout",
    "The gateway did not receive a response from '{kind}' within the specified time period.",
    "pulumi/pulumi-azure-native issue 3200",
)
CONNECTION_RESET: Final = AzureError(
    None,
    "",
    '{method} "https://management.azure.com/…": read tcp 10.0.0.4:50210->4.150.240.10:443: '
    "read: connection reset by peer",
    "Go, net.OpError, as azure-native's client prints it",
)
ANOTHER_OPERATION_IN_PROGRESS: Final = AzureError(
    409,
    "AnotherOperationInProgress",
    "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: "
    "https://management.azure.com/…/operations/….",
    "pulumi/pulumi-azure-native issues 699, 903, PR 3653",
)

# Networks.

NETCFG_SUBNET_RANGE_OUTSIDE_VNET: Final = AzureError(
    400,
    "NetcfgSubnetRangeOutsideVnet",
    "Subnet '{subnet}' is not valid because its IP address range is outside the IP address range of virtual network "
    "'{network}'.",
    "MicrosoftDocs/azure-docs PR 123869",
)
NETCFG_SUBNET_RANGES_OVERLAP: Final = AzureError(
    400,
    "NetcfgSubnetRangesOverlap",
    "Subnet '{subnet}' is not valid because its IP address range overlaps with that of an existing subnet in virtual "
    "network '{network}'.",
    "MicrosoftDocs/azure-docs PR 123869",
)
IN_USE_PREFIX_CANNOT_BE_DELETED: Final = AzureError(
    400,
    "InUsePrefixCannotBeDeleted",
    "IpPrefix {prefix} on Subnet {subnet} has active allocations and cannot be deleted.",
    "hashicorp/terraform-provider-azurerm issue 11211; its older form, of issue 7687, is InUseSubnetCannotBeUpdated",
)
IN_USE_SUBNET_CANNOT_BE_DELETED: Final = AzureError(
    400,
    "InUseSubnetCannotBeDeleted",
    "Subnet {subnet} is in use by {user} and cannot be deleted. In order to delete the subnet, delete all the "
    "resources within the subnet. See aka.ms/deletesubnet.",
    "microsoft/nav-arm-templates issue 161",
)
IN_USE_NAT_GATEWAY_CANNOT_BE_DELETED: Final = AzureError(
    400,
    "InUseNatGatewayCannotBeDeleted",
    "Nat gateway {gateway} cannot be deleted because it is in use by the following resources: {users}.",
    "stackshy/cloudemu PR 967, which has the code; the text is assumed, as of a security group",
)
IN_USE_NETWORK_SECURITY_GROUP_CANNOT_BE_DELETED: Final = AzureError(
    400,
    "InUseNetworkSecurityGroupCannotBeDeleted",
    "Network security group {security_group} cannot be deleted because it is in use by the following resources: "
    "{users}. In order to delete the Network security group, remove the association with the resource(s). To learn how "
    "to do this, see aka.ms/deletensg.",
    "pulumi/pulumi-azure-native issue 3051, DataBiosphere/terra-workspace-manager PR 502; the last sentence is assumed",
)
CHANGING_REMOTE_VIRTUAL_NETWORK_NOT_ALLOWED: Final = AzureError(
    400,
    "ChangingRemoteVirtualNetworkNotAllowed",
    "The remote virtual network of peering {peering} cannot be changed to {remote}.",
    "terraform-provider-azurerm, docs of virtual_network_peering: it forces a new resource. The code is quoted in "
    "public templates; Azure's text is not documented.",
)
ANOTHER_PEERING_ALREADY_REFERENCES_REMOTE_VNET: Final = AzureError(
    400,
    "AnotherPeeringAlreadyReferencesRemoteVnet",
    "Peering {peering} already references remote virtual network {remote}. Cannot add another peering referencing the "
    "same remote virtual network.",
    "cloud-manager of kyma-project, errors.go, whose messages leave out the ids",
)
_CANNOT_PEER: Final = (
    "Cannot create or update peering {peering}. Virtual networks {own} and {remote} cannot be peered because"
)
_PEERING_HELP: Final = "For more information please refer to https://aka.ms/VnetPeeringInfo"
VNET_ADDRESS_SPACES_OVERLAP: Final = AzureError(
    400,
    "VnetAddressSpacesOverlap",
    f"{_CANNOT_PEER} their address spaces overlap. Overlapping address prefixes: {{ranges}}. {_PEERING_HELP}",
    "learn: virtual-network/virtual-network-manage-peering; text: cloud-manager of kyma-project, errors.go",
)
VNET_ADDRESS_SPACE_OVERLAPS_WITH_ALREADY_PEERED_VNET: Final = AzureError(
    400,
    "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
    f"{_CANNOT_PEER} address space of the first virtual network overlaps with address space of virtual network "
    "{third} already peered with the second virtual network. Overlapping address prefixes: {ranges}. "
    f"{_PEERING_HELP}",
    "Azure/ResourceModules issue 731, microsoft/AzureTRE issue 4641",
)
REMOTE_PEERING_IS_DISCONNECTED: Final = AzureError(
    400,
    "RemotePeeringIsDisconnected",
    "Cannot create or update peering {peering} because remote peering {opposite} referencing parent virtual network "
    "{own} is in Disconnected state. Update or re-create the remote peering to get it back to Initiated state. Peering "
    f"gets Disconnected when remote vnet or remote peering is deleted and re-created. {_PEERING_HELP}",
    "learn: virtual-network/virtual-network-troubleshoot-peering-issues; text: cloud-manager of kyma-project, "
    "errors.go",
)
REFERENCED_RESOURCE_NOT_PROVISIONED: Final = AzureError(
    400,
    "ReferencedResourceNotProvisioned",
    "Cannot proceed with operation because resource …/virtualNetworks/{network} used by resource "
    "…/virtualNetworkPeerings/{peering} is not in Succeeded state. Resource is in Updating state and the last "
    "operation that updated/is updating the resource is PutSubnetOperation.",
    "pulumi/pulumi-azure-native issue 4340, hashicorp/terraform-provider-azurerm issues 2605, 24150; Azure/"
    "azure-service-operator, recording Test_Network_v1api20240301",
)

# Monitoring.

CATEGORY_NOT_SUPPORTED: Final = AzureError(
    400, "BadRequest", "Category '{category}' is not supported.", "hashicorp/terraform-provider-azurerm issue 2985"
)
DATA_SINK_IN_USE: Final = AzureError(
    409,
    "Conflict",
    "Data sink '{sink}' is already used in diagnostic setting '{setting}' for category '{category}'. Data sinks can't "
    "be reused in different settings on the same category for the same resource.",
    "Azure/terraform-azurerm-avm-ptn-aiml-landing-zone issue 19",
)
RULE_IN_ANOTHER_REGION: Final = AzureError(
    400,
    "InvalidPayload",
    "Data collection rule {rule} must be in the location of {target}: {location}.",
    "learn: azure-monitor/agents/data-collection-text-log (same region as the workspace); code: hashicorp/"
    "terraform-provider-azurerm issue 28709; the text is assumed",
)

# Identities and roles.

PRINCIPAL_NOT_FOUND: Final = AzureError(
    400,
    "PrincipalNotFound",
    "Principal {principal} does not exist in the directory {tenant}. Check that you have the correct principal ID. If "
    "you are creating this principal and then immediately assigning a role, this error might be related to a "
    "replication delay. In this case, set the role assignment principalType property to a value, such as "
    "ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
    "pulumi/pulumi-azure issue 142, MicrosoftDocs/azure-docs issue 103085; learn: role-based-access-control/"
    "troubleshooting",
)
UNMATCHED_PRINCIPAL_TYPE: Final = AzureError(
    400,
    "UnmatchedPrincipalType",
    "The PrincipalId '{principal}' has type '{actual}' , which is different from specified PrinciaplType '{given}'.",
    "Azure/modern-web-app-pattern-dotnet PR 129, misspelling included",
)
ROLE_ASSIGNMENT_EXISTS: Final = AzureError(
    409,
    "RoleAssignmentExists",
    "The role assignment already exists.",
    "learn: role-based-access-control/troubleshooting",
)
LINKED_AUTHORIZATION_FAILED: Final = AzureError(
    403,
    "LinkedAuthorizationFailed",
    "The client '{client}' with object id '{client}' has permission to perform action "
    "'Microsoft.Compute/virtualMachineScaleSets/write' on scope '…/virtualMachineScaleSets/{pool}'; however, it does "
    "not have permission to perform action 'Microsoft.Network/virtualNetworks/subnets/join/action' on the linked "
    "scope(s) '…/subnets/{subnet}' or the linked scope(s) are invalid.",
    "hashicorp/terraform-provider-azurerm issues 3067, 24064, Azure/aad-pod-identity PR 550; learn: "
    "role-based-access-control/troubleshooting. Of three recorded creations without the role none was refused "
    "(docs/recordings.md).",
)
NO_ACCESS_TO_CLUSTER: Final = (
    "User does not have access to the resource in Azure. Update role assignment to allow access."
)
"""The reason of Azure's authorization webhook for denying a request to an API server. The API server puts it into its
own answer, with the status 403 (learn: aks/manage-azure-rbac; learn: kubernetes-fleet/
access-fleet-hub-cluster-kubernetes-api)."""

# Clusters.

CLUSTER_BUSY: Final = AzureError(
    409,
    "OperationNotAllowed",
    "Operation is not allowed: Another operation (Updating) is in progress, please wait for it to finish before "
    "starting a new operation. See https://aka.ms/aks-pending-operation for more details",
    "Azure/terraform-azurerm-avm-ptn-aks-production PR 25, Azure/azure-workload-identity issue 417; "
    "aka.ms/aks-pending-operation",
)
ETAG_MISMATCH: Final = AzureError(
    409,
    "EtagMismatch",
    "Failed to save control plane with ID {control_plane}. Operation is not allowed: Another operation is in progress",
    "code: microsoft/retina issue 1212, Azure/terraform-azurerm-aks PR 354; text: Azure/azure-cli, recording "
    "test_aks_approuting_zone_add_delete_list",
)
SET_VNET_OWNERSHIP_FAILED: Final = AzureError(
    400,
    "SetVNetOwnershipFailed",
    "Set virtual network ownership failed. Subscription: {subscription}; resource group: {group}; virtual network "
    "name: {name}. autorest/azure: Service returned an error. Status=400 "
    'Code="VirtualNetworkNotInSucceededState" Message="Virtual network {network} is in Updating state. It needs to be '
    'in Succeeded state in order to set resource ownership."',
    "Azure/AKS issue 4522; learn: troubleshoot/azure/azure-kubernetes/error-codes/"
    "virtualnetworknotinsucceededstate-error",
)
SUBNET_IS_DELEGATED: Final = AzureError(
    400,
    "SubnetIsDelegated",
    "AgentPoolProfile.VnetSubnetID {subnet} cannot be used as it's a delegated subnet. Please check "
    "https://aka.ms/adv-network-prerequest for more details.",
    "MicrosoftDocs/azure-docs issue 69774; the status is assumed",
)
SUBNET_MISSING_REQUIRED_DELEGATION: Final = AzureError(
    400,
    "SubnetMissingRequiredDelegation",
    "Subnet {subnet} requires any of the following delegation(s) [{service}] to host an API server.",
    "learn: aks/api-server-vnet-integration; Azure's code and text are not documented",
)
API_SERVER_SUBNET_TOO_SMALL: Final = AzureError(
    400,
    "InvalidParameter",
    "Subnet {subnet} has {ranges}; the subnet of an API server needs a /28 or larger.",
    "learn: aks/api-server-vnet-integration; Azure's code and text are not documented",
)
API_SERVER_SUBNET_PERMISSION_MISSING: Final = AzureError(
    400,
    "CustomerVNETNotReady",
    "The identity lacks the role Network Contributor on the API server's subnet {subnet}.",
    "learn: aks/api-server-vnet-integration, where it is a failure of the provisioning; Azure's code and text are not "
    "documented",
)
PRIVATE_CLUSTER_IS_FIXED: Final = AzureError(
    400,
    "BadRequest",
    "Changing {key} is not allowed. It can only be set while creating the cluster.",
    "Azure/azure-cli issue 12669, which has the text for enablePrivateCluster; assumed for clusters with VNet "
    "integration, whose integration stays (learn: aks/api-server-vnet-integration)",
)
INSUFFICIENT_SUBNET_SIZE: Final = AzureError(
    400,
    "InsufficientSubnetSize",
    "Pre-allocated IPs {demand} exceeds IPs available {free} in Subnet Cidr {ranges}, Subnet Name {subnet}. If "
    "Autoscaler is enabled, the max-count from each nodepool is counted towards this total (which means that "
    "pre-allocated IPs count represents a theoretical max value, not the actual number of IPs requested). "
    "http://aka.ms/aks/insufficientsubnetsize",
    "learn: …/azure-kubernetes/connectivity/insufficientsubnetsize-error-advanced-networking; text: Azure/AKS issue "
    "3653, Azure/AKS-Construction issue 701",
)
SERVICE_CIDR_OVERLAPS_SUBNET: Final = AzureError(
    400,
    "ServiceCidrOverlapExistingSubnetsCidr",
    "The specified service CIDR {services} is conflicted with an existing subnet CIDR {subnet}",
    'learn: …/azure-kubernetes/, "ServiceCidrOverlapExistingSubnetsCidr error code"',
)
UNICODE_IN_GROUP_NAME: Final = AzureError(
    400,
    "BadRequest",
    "AKS does not permit Unicode characters in the name of a cluster's resource group: '{group}'.",
    "MicrosoftDocs/azure-docs PR 52128; Azure's code and text are not documented",
)
NEW_AGENT_POOL: Final = AzureError(
    400,
    "BadRequest",
    "A new agent pool was introduced. Adding agent pools to an existing cluster is not allowed through managed cluster "
    "operations. For agent pool specific change, please use per agent pool operations: "
    "https://aka.ms/agent-pool-rest-api",
    "pulumi/pulumi-azure-native issue 579",
)
PROPERTY_CHANGE_NOT_ALLOWED: Final = AzureError(
    400,
    "PropertyChangeNotAllowed",
    "Changing property '{path}' is not allowed.",
    "Azure/azure-cli issue 29520, hashicorp/terraform-provider-azurerm issue 10951",
)
VM_SIZE_CHANGE_NOT_ALLOWED: Final = AzureError(
    400,
    "PropertyChangeNotAllowed",
    "Preflight validation check for resource(s) for container service {cluster} in resource group {group} failed. "
    'Message: Changing property "agentPoolProfile.vmSize" is not allowed in an api-version before '
    '"2026-01-02-preview".. Details: ',
    "Azure/bicep-registry-modules issue 7130, for the API version that azure-native 3.29.0 uses",
)
SYSTEM_POOL_HAS_RESTRICTED_TAINT: Final = AzureError(
    400,
    "SystemPoolHasRestrictedTaint",
    "Operation failed due to insufficient nodes for system pod scheduling. Placing custom taints on system pool is not "
    "supported(except 'CriticalAddonsOnly' taint or taint effect is 'PreferNoSchedule'). Please refer to "
    "https://aka.ms/aks/system-taints for detail",
    "Azure/AKS issue 2578, which has no status",
)
NODES_DO_NOT_REACH_API_SERVER: Final = AzureError(
    ACCEPTED,
    "CreateVMSSAgentPoolFailed",
    "Unable to establish connection from agents to Kubernetes API server, please see "
    "https://aka.ms/aks-required-ports-and-addresses for more information.",
    "MicrosoftDocs/azure-docs issue 111834, Azure/AKS-Construction issue 344",
)
NO_WAY_OUT_ON_SUBNET: Final = AzureError(
    400,
    "BadRequest",
    "The outbound type {outbound} needs a {kind} on subnet {subnet}. Please update the {kind} association.",
    "assumed: learn: aks/egress-outboundtype has the rule, MicrosoftDocs/azure-docs issue 52060 the last words",
)
CILIUM_DATAPLANE_REQUIRES_NETWORK_POLICY_CILIUM: Final = AzureError(
    400,
    "BadRequest",
    "Cilium dataplane requires network policy cilium.",
    "Azure/bicep-registry-modules PR 3361, Azure/AKS-Construction issue 535",
)
NETWORK_POLICY_CILIUM_REQUIRES_CILIUM_DATAPLANE: Final = AzureError(
    400,
    "NetworkPolicyNotSupported",
    "Network Policy cilium requires NetworkDataplane cilium",
    "AdminTurnedDevOps/DevOps-The-Hard-Way-Azure issue 1",
)
MAINTENANCE_CONFIGURATION_NAME: Final = AzureError(
    400,
    "InvalidParameter",
    "Only 'default', 'aksManagedAutoUpgradeSchedule' and 'aksManagedNodeOSUpgradeSchedule' are allowed configNames for "
    "maintenance configuration.",
    "Azure/ARO-HCP PR 3260",
)
ENCRYPTION_AT_HOST_NOT_ENABLED: Final = AzureError(
    400,
    "InvalidParameter",
    "The property 'securityProfile.encryptionAtHost' is not valid because the 'Microsoft.Compute/EncryptionAtHost' "
    "feature is not enabled for this subscription.",
    "Azure/azure-cli issue 16788, MicrosoftDocs/azure-docs issue 68028",
)
KUBELET_IDENTITY_MISSING_PERMISSION: Final = AzureError(
    400,
    "CustomKubeletIdentityMissingPermissionError",
    "The cluster using user-assigned managed identity must be granted 'Managed Identity Operator' role to assign "
    "kubelet identity. You can run 'az role assignment create --assignee <control-plane-identity-principal-id> --role "
    "'Managed Identity Operator' --scope <kubelet-identity-resource-id>' to grant the permission. See "
    "https://learn.microsoft.com/en-us/azure/aks/use-managed-identity#add-role-assignment",
    "code: Azure/azure-service-operator, v2/api/containerservice/customizations, isRetryableClusterError; text: as "
    "users of Terraform quote it",
)
OIDC_ISSUER_CANNOT_BE_DISABLED: Final = AzureError(
    400,
    "OIDCIssuerFeatureCannotBeDisabled",
    "OIDC issuer feature cannot be disabled.",
    "Azure/AKS-Construction issue 531; learn: aks/use-oidc-issuer",
)
VERSION_CHANGE_NOT_ALLOWED: Final = AzureError(
    400,
    "OperationNotAllowed",
    "{change} Kubernetes version {current} to {wanted} is not allowed. Available upgrades: [{available}]. Please see "
    "https://aka.ms/aks-supported-k8s-ver for version details.",
    "rancher/rancher issue 24071, rancher/dashboard issue 11884",
)
LOCAL_ACCOUNTS_DISABLED: Final = AzureError(
    400,
    "BadRequest",
    "Getting static credential is not allowed because this cluster is set to disable local accounts.",
    "hashicorp/terraform-provider-azurerm PR 15489",
)
QUOTA_EXCEEDED: Final = AzureError(
    400,
    "QuotaExceeded",
    "Provisioning of resource(s) for container service {cluster} in resource group {group} failed. Message: Operation "
    "could not be completed as it results in exceeding approved Total Regional Cores quota. Additional details - "
    "Deployment Model: Resource Manager, Location: {location}, Current Limit: 10, Current Usage: 8, Additional "
    "Required: 6, (Minimum) New Limit Required: 14.",
    "mspnp/aks-baseline issue 377, Azure/AKS issue 5808; learn: quotas/regional-quota-requests",
)
INSUFFICIENT_VCPU_QUOTA: Final = AzureError(
    400,
    "ErrCode_InsufficientVCPUQuota",
    "Insufficient vcpu quota requested 6, remaining 2 for provider standardDSv2Family for region {location}. "
    "Surge nodes would also consume vcpu quota.",
    "1ChristianAlex/motordesk issue 14",
)
SKU_NOT_AVAILABLE: Final = AzureError(
    400,
    "SkuNotAvailable",
    "The requested size for resource '{name}' is currently not available in location '{location}' zones '' for "
    "subscription '{subscription}'. Please try another size or deploy to a different location or zones. "
    "See https://aka.ms/azureskunotavailable for details.",
    "learn: azure-resource-manager/troubleshooting/error-sku-not-available; Azure/azure-cli issue 16961",
)
VM_SIZE_NOT_ALLOWED: Final = AzureError(
    400,
    "BadRequest",
    "The VM size of AgentPoolProfile:system is not allowed in your subscription in location '{location}'. "
    "For more details, please visit https://aka.ms/aks/quotas-skus-regions",
    "dotnet/core issue 7603",
)

# Fleets.

HUB_CANNOT_BE_REMOVED: Final = AzureError(
    400,
    "BadRequest",
    "A fleet's hub cannot be removed.",
    "learn: kubernetes-fleet/concepts-lifecycle; Azure's code and text are not documented",
)
HUB_PROPERTY_CHANGE_NOT_ALLOWED: Final = AzureError(
    400,
    "BadRequest",
    "Changing property 'hubProfile.{path}' is not allowed.",
    "Azure/azure-rest-api-specs, fleets.json (`x-ms-mutability: [read, create]`); Azure's code and text are not "
    "documented",
)
_PRIVATE_HUB: Final = (
    "learn: kubernetes-fleet/quickstart-create-fleet-and-members; status and text are not documented, and of the code "
)
AGENT_SUBNET_UNSUPPORTED: Final = AzureError(
    400,
    "AgentSubnetUnsupported",
    "A public hub has no subnet for its node: remove agentProfile.subnetId.",
    "MicrosoftDocs/azure-aks-docs PR 455, which has the code, but neither status nor text",
)
API_SERVER_SUBNET_UNSUPPORTED: Final = AzureError(
    400,
    "APIServerSubnetUnsupported",
    "An API server without VNet integration has no subnet: remove apiServerAccessProfile.subnetId.",
    "MicrosoftDocs/azure-aks-docs PR 455, which has the code, but neither status nor text",
)
PRIVATE_HUB_INCOMPLETE: Final = AzureError(
    400,
    "BadRequest",
    "A private hub needs {missing}.",
    f"{_PRIVATE_HUB}neither",
)
PRIVATE_HUB_DOMAIN_NAME: Final = AzureError(
    400,
    "BadRequest",
    "Private access mode doesn't allow configuring domain names: remove dnsPrefix.",
    "learn: kubernetes-fleet/concepts-choosing-fleet, which has the rule; documentation's own sample sets a prefix. "
    "Azure's code and text are not documented",
)
HUB_RANGE_RESERVED: Final = AzureError(
    400,
    "BadRequest",
    "Subnet {subnet} overlaps 10.0.0.0/16, the range of the hub's services.",
    f"{_PRIVATE_HUB}neither",
)
HUB_SUBNET_ROLE_MISSING: Final = AzureError(
    403,
    "LinkedAuthorizationFailed",
    "{who} lacks the role Network Contributor on the subnet {subnet}.",
    f"{_PRIVATE_HUB}it is assumed that it is that of other missing roles on a subnet",
)
MEMBER_CLUSTER_FAILED: Final = AzureError(
    409,
    "OperationNotAllowed",
    "Cluster '{cluster}' is in state Failed.",
    "assumed: a cluster that failed cannot take the agents; Azure's code and text are not documented",
)
CLUSTER_ALREADY_JOINED_ANOTHER_FLEET: Final = AzureError(
    409,
    "ClusterAlreadyJoinedAnotherFleet",
    "Cluster '{cluster}' is a member of a fleet already: '{member}'.",
    "Azure/azure-service-operator issue 4181, which has the code, but neither status nor text",
)
TOO_MANY_MEMBERS: Final = AzureError(
    400,
    "QuotaExceeded",
    "A fleet has at most {most} members.",
    "learn: kubernetes-fleet/faq; Azure's code and text are not documented",
)

# Budgets.

INVALID_BUDGET: Final = AzureError(
    400,
    "400",
    "{reason}",
    "the rules: azure-native, BudgetArgs; of the current month: hashicorp/terraform-provider-azurerm PR 12121, Azure/"
    "azure-quickstart-templates issue 7095; the texts are assumed",
)
BUDGET_START_CANNOT_BE_UPDATED: Final = AzureError(
    400,
    "400",
    "Start date of budgets cannot be updated. Please delete and create a new budget.",
    "Azure/CanadaPubSecALZ issue 317, Azure/azure-quickstart-templates issue 7095",
)
BUDGET_HAS_CHANGED: Final = AzureError(
    400,
    "400",
    "There are changes made to Budget {name}. Please get the latest budget to avoid overwrite.",
    "MicrosoftDocs/azure-docs issue 34023",
)

# Public addresses and load balancers.

GLOBAL_VIP_RANGE_NOT_FOUND: Final = AzureError(
    400,
    "GlobalVipAllocationFailedWithVipRangeNotFound",
    "No matching cross-region PublicIPAddress range could be found. Please make sure the location of the cross-region "
    "PublicIPAddress is in the list of supported home regions. For supported home regions visit "
    "aka.ms/homeregionForGLB",
    "hashicorp/terraform-provider-azurerm PR 24265; the status, and the same for a load balancer, are assumed",
)
STANDARD_SKU_PUBLIC_IP_ADDRESSES_MUST_BE_STATIC: Final = AzureError(
    400,
    "StandardSkuPublicIPAddressesMustBeStatic",
    "Standard sku publicIp {address} must have AllocationMethod set to Static.",
    "pulumi/pulumi-azure-native issue 1597",
)
PUBLIC_IP_ADDRESS_CANNOT_BE_DELETED: Final = AzureError(
    400,
    "PublicIPAddressCannotBeDeleted",
    "Public IP address {address} can not be deleted since it is still allocated to resource {user}. In order to delete "
    "the public IP, disassociate/detach the Public IP address from the resource.  To learn how to do this, see "
    "aka.ms/deletepublicip.",
    "hashicorp/terraform-provider-azurerm issue 2566",
)
INVALID_RESOURCE_REFERENCE: Final = AzureError(
    400,
    "InvalidResourceReference",
    "Resource {referenced} referenced by resource {user} was not found. Please make sure that the referenced resource "
    "exists, and that both resources are in the same region.",
    "assumed: Azure's answer for other references between network resources",
)
INTERNAL_FRONTEND_OF_GLOBAL_BALANCER: Final = AzureError(
    400,
    "InvalidRequest",
    "Frontend {frontend} is internal. A load balancer of the tier Global balances over public frontends.",
    'learn: load-balancer/cross-region-overview, "Limitations"; Azure\'s code and text are not documented',
)
FRONTEND_IN_USE_BY_GLOBAL_BALANCER: Final = AzureError(
    400,
    "NotAllowedToDeleteLoadBalancerWithFrontendIpConfigurationInUseByGlobalLB",
    "Load balancer {balancer} cannot be deleted because its frontend {frontend} is in use by the global load balancer "
    "{user}.",
    "Azure/azure-rest-api-specs issue 16327, which has the code; status and text are assumed",
)
