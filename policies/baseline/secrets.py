"""Secrets and policy."""

from typing import Final

from .plan import CLUSTER, POOL
from .rule import Rule, Severity, azure_policy, baseline, checklist, given, is_, on, psrule

_SECRET_STORE: Final = "addonProfiles.azureKeyvaultSecretsProvider"  # noqa: S105 - a path

RULES: Final = (
    Rule(
        "policy-addon",
        "clusters have the Azure Policy add-on",
        Severity.IMPORTANT,
        (CLUSTER,),
        on("addonProfiles.azurePolicy.enabled"),
        "addonProfiles.azurepolicy.enabled: true",
        (
            psrule("AKS.AzurePolicyAddOn", "AZR-000028"),
            azure_policy("0a15ec92-a229-4763-bb14-0ea34a568f8d"),
            checklist("9ca48e4a-85e2-4223-bce8-bb12307ca5f1"),
        ),
    ),
    Rule(
        "key-vault-driver",
        "clusters have the Key Vault driver for secrets",
        Severity.IMPORTANT,
        (CLUSTER,),
        on(f"{_SECRET_STORE}.enabled"),
        f"{_SECRET_STORE}.enabled: true",
        (psrule("AKS.SecretStore", "AZR-000033"), checklist("fc1e68dd-ac89-4851-8e53-8fbac3461d26")),
    ),
    Rule(
        "secret-rotation",
        "secrets from a Key Vault are renewed",
        Severity.IMPORTANT,
        (CLUSTER,),
        lambda cluster, plan: (
            on(f"{_SECRET_STORE}.enabled")(cluster, plan)
            and is_(f"{_SECRET_STORE}.config.enableSecretRotation", "true")(cluster, plan)
        ),
        f'{_SECRET_STORE}.config.enableSecretRotation: "true"',
        (psrule("AKS.SecretStoreRotation", "AZR-000034"),),
    ),
    Rule(
        "defender",
        "clusters have Microsoft Defender's sensor",
        Severity.IMPORTANT,
        (CLUSTER,),
        on("securityProfile.defender.securityMonitoring.enabled"),
        "securityProfile.defender: securityMonitoring.enabled: true, logAnalyticsWorkspaceResourceId",
        (
            psrule("AKS.DefenderProfile", "AZR-000370"),
            azure_policy("a1840de2-8088-4ea8-b153-b4c723e9cb01"),
            checklist("c9e95ffe-6dd1-4a17-8c5f-110389ca9b21"),
        ),
    ),
    Rule(
        "image-cleaner",
        "unused images are removed from nodes",
        Severity.NONE,
        (CLUSTER,),
        on("securityProfile.imageCleaner.enabled"),
        "securityProfile.imageCleaner: enabled: true, intervalHours",
        (azure_policy("af3c26b2-6fad-493e-9236-9c68928516ab"), baseline("image cleaner")),
    ),
    Rule(
        "http-routing-off",
        "clusters have no HTTP application routing add-on",
        Severity.IMPORTANT,
        (CLUSTER,),
        lambda cluster, plan: not on("addonProfiles.httpApplicationRouting.enabled")(cluster, plan),
        "addonProfiles without httpApplicationRouting",
        (psrule("AKS.HttpAppRouting", "AZR-000035"),),
    ),
    Rule(
        "etcd-key",
        "a key of your own encrypts Kubernetes' secrets (KMS)",
        Severity.LOW,
        (CLUSTER,),
        on("securityProfile.azureKeyVaultKms.enabled"),
        "securityProfile.azureKeyVaultKms.enabled: true",
        (azure_policy("dbbdc317-9734-4dd8-9074-993b29c69008"), checklist("e7ba73a3-0508-4f80-806f-527db30cee96")),
    ),
    Rule(
        "disk-key",
        "a key of your own encrypts disks",
        Severity.NONE,
        (CLUSTER,),
        given("diskEncryptionSetID"),
        "diskEncryptionSetID (replaces a cluster)",
        (azure_policy("7d7be79c-23ba-4033-84dd-45e2a5ccdd67"),),
    ),
    Rule(
        "host-encryption",
        "hosts encrypt temporary disks and caches of nodes",
        Severity.NONE,
        (POOL,),
        on("enableEncryptionAtHost"),
        "enableEncryptionAtHost: true, on each pool (fixed at creation)",
        (azure_policy("41425d9f-d1a5-499a-9932-f8ed8453932c"),),
    ),
)
