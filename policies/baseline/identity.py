"""Identity and access."""

from typing import Final

from .plan import CLUSTER, POOL, ROLE, Plan, Resource
from .rule import Rule, Severity, azure_policy, baseline, checklist, given, is_, on, one_of, psrule

_ACR_PULL: Final = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
"""A built-in role (learn: role-based-access-control/built-in-roles/containers)."""


def _api_restricted(cluster: Resource, plan: Plan) -> bool:
    del plan
    access = "apiServerAccessProfile"
    return cluster.at(f"{access}.enablePrivateCluster") is True or cluster.has(f"{access}.authorizedIPRanges")


def _pulls(cluster: Resource, plan: Plan) -> bool:
    """The identity is the cluster's own, or one that it takes from elsewhere for its kubelets."""
    principals = {cluster.urn, *cluster.uses.get("identityProfile", ())}
    return any(
        _ACR_PULL in str(role.at("roleDefinitionId")).lower()
        and not principals.isdisjoint(role.uses.get("principalId", ()))
        for role in plan.of(ROLE)
    )


RULES: Final = (
    Rule(
        "local-accounts-off",
        "clusters have no local accounts",
        Severity.IMPORTANT,
        (CLUSTER,),
        on("disableLocalAccounts"),
        "disableLocalAccounts: true",
        (
            psrule("AKS.LocalAccounts", "AZR-000031"),
            azure_policy("993c2fcd-2b29-49d2-9eb0-df2c3a730c32"),
            checklist("b085b1f2-3119-4771-8c9a-bbf4411810ec"),
        ),
    ),
    Rule(
        "entra-id",
        "people log in to clusters with Microsoft Entra ID",
        Severity.IMPORTANT,
        (CLUSTER,),
        on("aadProfile.managed"),
        "aadProfile.managed: true",
        (
            psrule("AKS.ManagedAAD", "AZR-000029"),
            azure_policy("450d2877-ebea-41e8-b00c-e286317d21bf"),
            checklist("7e42c78e-78c0-46a6-8a21-94956e698dc4"),
        ),
    ),
    Rule(
        "azure-rbac",
        "Azure RBAC decides on access to Kubernetes objects",
        Severity.IMPORTANT,
        (CLUSTER,),
        on("aadProfile.enableAzureRBAC"),
        "aadProfile.enableAzureRBAC: true",
        (psrule("AKS.AzureRBAC", "AZR-000032"), checklist("eec4962c-c3bd-421b-b77f-26e5e6b3bec3")),
    ),
    Rule(
        "kubernetes-rbac",
        "clusters have Kubernetes RBAC",
        Severity.IMPORTANT,
        (CLUSTER,),
        on("enableRBAC"),
        "enableRBAC: true",
        (psrule("AKS.UseRBAC", "AZR-000038"), azure_policy("ac4a19c2-fa67-49b4-8ae5-0b2e78c49457")),
    ),
    Rule(
        "managed-identity",
        "clusters have managed identities, no service principals",
        Severity.IMPORTANT,
        (CLUSTER,),
        lambda cluster, plan: (
            one_of("identity.type", "SystemAssigned", "UserAssigned")(cluster, plan)
            and (not cluster.has("servicePrincipalProfile") or cluster.at("servicePrincipalProfile.clientId") == "msi")
        ),
        "identity.type: UserAssigned",
        (
            psrule("AKS.ManagedIdentity", "AZR-000025"),
            azure_policy("da6e2401-19da-4532-9141-fb8fbde08431"),
            checklist("ed127dd1-42b0-46b2-8c69-99a646f3389a"),
        ),
    ),
    Rule(
        "oidc-issuer",
        "clusters issue OpenID Connect tokens",
        Severity.NONE,
        (CLUSTER,),
        on("oidcIssuerProfile.enabled"),
        "oidcIssuerProfile.enabled: true",
        (baseline("OIDC issuer"),),
    ),
    Rule(
        "workload-identity",
        "pods can have Entra ID identities",
        Severity.NONE,
        (CLUSTER,),
        on("securityProfile.workloadIdentity.enabled"),
        "securityProfile.workloadIdentity.enabled: true",
        (azure_policy("2cc2e023-0dac-4046-875b-178f683929d5"), baseline("workload identity")),
    ),
    Rule(
        "api-server-restricted",
        "API servers are private, or open to listed ranges only",
        Severity.IMPORTANT,
        (CLUSTER,),
        _api_restricted,
        "apiServerAccessProfile.authorizedIPRanges, or enablePrivateCluster: true",
        (
            psrule("AKS.AuthorizedIPs", "AZR-000030"),
            azure_policy("0e246bcf-5f6f-4f87-bc6f-775d4712c7ea"),
            checklist("d783a3e8-264f-4dac-870f-569791d1837e"),
        ),
    ),
    Rule(
        "api-server-private",
        "API servers are private",
        Severity.HIGH,
        (CLUSTER,),
        on("apiServerAccessProfile.enablePrivateCluster"),
        "apiServerAccessProfile.enablePrivateCluster: true (fixed at creation)",
        (
            azure_policy("040732e8-d947-40b8-95d6-854c95024bf8"),
            baseline("private cluster"),
            checklist("29fb411c-20a8-4c39-84df-aaa4227eaeb2"),
        ),
    ),
    Rule(
        "run-command-off",
        "nobody runs commands in clusters through Azure (az aks command invoke)",
        Severity.NONE,
        (CLUSTER,),
        on("apiServerAccessProfile.disableRunCommand"),
        "apiServerAccessProfile.disableRunCommand: true",
        (azure_policy("89f2d532-c53c-4f8f-9afa-4927b1114a0d"), baseline("command invoke")),
    ),
    Rule(
        "node-ssh-off",
        "nodes accept no SSH",
        Severity.NONE,
        (POOL,),
        lambda pool, plan: (
            given("securityProfile.sshAccess")(pool, plan)
            and not is_("securityProfile.sshAccess", "LocalUser")(pool, plan)
        ),
        "securityProfile.sshAccess: Disabled, on each pool",
        (azure_policy("28257686-e9db-403e-b9e2-a5eecbe03da9"),),
    ),
    Rule(
        "kubelet-identity",
        "nodes have an identity that the stack makes",
        Severity.LOW,
        (CLUSTER,),
        given("identityProfile.kubeletidentity.resourceId"),
        "identityProfile.kubeletidentity.resourceId",
        (checklist("1f711a74-3672-470b-b8b8-a2148d640d79"),),
    ),
    Rule(
        "registry-pull",
        "nodes pull from a registry by their identity (role AcrPull)",
        Severity.MEDIUM,
        (CLUSTER,),
        _pulls,
        "a RoleAssignment of AcrPull to the kubelets' identity",
        (baseline("container registry"), checklist("100f8f70-3ec6-44bb-ab07-95eef965e80d")),
    ),
)
