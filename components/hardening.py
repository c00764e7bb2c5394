"""Settings for production clusters that cost nothing and limit no app, as arguments of a `ManagedCluster`."""

from typing import Any

from pulumi_azure_native import containerservice


def hardening(
    *, tier: containerservice.ManagedClusterSKUTier, lock_node_group: bool, node_image_updates: bool
) -> dict[str, Any]:
    """Return the arguments.

    Args:
        tier: the control plane's pricing tier.
        lock_node_group: whether nobody but AKS may change the group of the nodes.
        node_image_updates: whether AKS installs a new node image each week. The fleet may do it instead.
    """
    images = containerservice.NodeOSUpgradeChannel.NODE_IMAGE if node_image_updates else "None"
    return {
        # Pods sign in to Azure without a secret (learn: aks/workload-identity-overview).
        "oidc_issuer_profile": containerservice.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
        "security_profile": containerservice.ManagedClusterSecurityProfileArgs(
            workload_identity=containerservice.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True),
            # Removes unused images with vulnerabilities, weekly (learn: aks/image-cleaner).
            image_cleaner=containerservice.ManagedClusterSecurityProfileImageCleanerArgs(
                enabled=True, interval_hours=7 * 24
            ),
        ),
        "addon_profiles": {
            # Nothing is judged until somebody assigns a policy (learn: governance/policy/concepts/
            # policy-for-kubernetes).
            "azurepolicy": containerservice.ManagedClusterAddonProfileArgs(enabled=True, config={"version": "v2"}),
            # Pods mount secrets of a Key Vault; new versions arrive too (learn: aks/csi-secrets-store-driver).
            "azureKeyvaultSecretsProvider": containerservice.ManagedClusterAddonProfileArgs(
                enabled=True, config={"enableSecretRotation": "true", "rotationPollInterval": "2m"}
            ),
        },
        # `az aks command invoke` would reach the objects past the API server's network rules (learn:
        # aks/access-private-cluster).
        "api_server_access_profile": containerservice.ManagedClusterAPIServerAccessProfileArgs(
            disable_run_command=True
        ),
        # Kubernetes is upgraded by the fleet, or by `kubernetes_version` (learn: kubernetes-fleet/faq).
        "auto_upgrade_profile": containerservice.ManagedClusterAutoUpgradeProfileArgs(
            upgrade_channel=containerservice.UpgradeChannel.NONE, node_os_upgrade_channel=images
        ),
        # Only */read is allowed to others in the nodes' group (learn: aks/node-resource-group-lockdown).
        "node_resource_group_profile": containerservice.ManagedClusterNodeResourceGroupProfileArgs(
            restriction_level=containerservice.RestrictionLevel.READ_ONLY
        )
        if lock_node_group
        else None,
        # Costs by namespace in the portal; not in the Free tier (learn: aks/cost-analysis).
        "metrics_profile": containerservice.ManagedClusterMetricsProfileArgs(
            cost_analysis=containerservice.ManagedClusterCostAnalysisArgs(enabled=True)
        )
        if tier != containerservice.ManagedClusterSKUTier.FREE
        else None,
    }
