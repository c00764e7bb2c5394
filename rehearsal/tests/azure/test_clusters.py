"""Managed clusters and their node pools."""

import re
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import pytest

from rehearsal.azure.access import MANAGED_IDENTITY_OPERATOR
from rehearsal.core.errors import NotReadyError, RefusedError
from rehearsal.core.protocol import UNKNOWN, Properties
from rehearsal.tests.azure.subscription import (
    FLEET_ADMIN,
    NETWORK_CONTRIBUTOR,
    SUBSCRIPTION,
    Subscription,
    cluster_inputs,
)


@pytest.mark.recording("cluster-id")
def test_a_clusters_id_and_type_are_in_azures_case(sub: Subscription) -> None:
    cluster_id, outputs = sub.create("ManagedCluster", **sub.place())
    assert cluster_id == f"{SUBSCRIPTION}/resourcegroups/rg/providers/Microsoft.ContainerService/managedClusters/aks"
    assert outputs["type"] == "Microsoft.ContainerService/ManagedClusters"
    kubelet = outputs["identityProfile"]["kubeletidentity"]["resourceId"]
    assert kubelet.startswith(f"{SUBSCRIPTION}/resourcegroups/MC_rg_aks_eastus2/providers/")
    assert sub.exists("ManagedCluster", cluster_id.replace("resourcegroups", "resourceGroups"))


@pytest.mark.recording("cluster-names")
def test_a_clusters_names_are_azures(sub: Subscription) -> None:
    _, outputs = sub.create("ManagedCluster", **sub.place())
    assert outputs["nodeResourceGroup"] == "MC_rg_aks_eastus2"
    assert re.fullmatch(r"aks-[a-z0-9]{8}\.hcp\.eastus2\.azmk8s\.io", outputs["fqdn"])
    assert outputs["azurePortalFQDN"] == outputs["fqdn"].replace(".hcp.", ".portal.hcp.")


@pytest.mark.recording("cluster-defaults")
def test_a_cluster_has_azures_defaults_and_keeps_them(sub: Subscription) -> None:
    inputs = sub.place()
    cluster_id, outputs = sub.create("ManagedCluster", **inputs)
    assert outputs["servicePrincipalProfile"] == {"clientId": "msi"}
    assert outputs["autoUpgradeProfile"] == {"nodeOSUpgradeChannel": "NodeImage"}
    assert outputs["oidcIssuerProfile"] == {"enabled": False}
    network = outputs["networkProfile"]
    assert (network["networkDataplane"], network["networkPolicy"]) == ("azure", "none")
    assert network["loadBalancerProfile"]["managedOutboundIPs"] == {"count": 1}
    (pool,) = outputs["agentPoolProfiles"]
    assert (pool["osDiskSizeGB"], pool["osDiskType"], pool["osSKU"]) == (128, "Managed", "Ubuntu")
    assert pool["upgradeSettings"] == {"maxSurge": "10%"}
    again = sub.update("ManagedCluster", cluster_id, **inputs)
    assert again == outputs


@pytest.mark.recording("flat-network")
def test_flat_azure_cni_stays_flat(sub: Subscription) -> None:
    _, outputs = sub.create("ManagedCluster", **sub.place())
    assert not {"networkPluginMode", "podCidr", "podCidrs"} & outputs["networkProfile"].keys()
    assert outputs["agentPoolProfiles"][0]["maxPods"] == 30


@pytest.mark.recording("no-network-profile")
def test_a_cluster_that_says_nothing_of_its_network_gets_an_overlay(sub: Subscription) -> None:
    inputs = sub.place()
    del inputs["networkProfile"]
    network = sub.create("ManagedCluster", **inputs)[1]["networkProfile"]
    assert (network["networkPlugin"], network["networkPluginMode"]) == ("azure", "overlay")
    assert network["podCidrs"] == ["10.244.0.0/16"]


def test_a_cluster_starts_in_its_subnet(sub: Subscription) -> None:
    inputs = sub.place()
    cluster_id, outputs = sub.create("ManagedCluster", **inputs)
    server = f"https://{outputs['fqdn']}:443"
    network = inputs["agentPoolProfiles"][0]["vnetSubnetID"].rsplit("/", 2)[0]
    assert sub.clusters.of("cluster") == [
        ("cluster", cluster_id, server, "eastus2", network, "10.1.0.0/24", True, 2, "10.0.0.0/16")
    ]


def test_an_update_keeps_what_a_cluster_is(sub: Subscription) -> None:
    inputs = sub.place()
    cluster_id, before = sub.create("ManagedCluster", **inputs)
    after = sub.update("ManagedCluster", cluster_id, **inputs, tags={"a": "b"})
    for key in ("fqdn", "identityProfile", "resourceUID"):
        assert after[key] == before[key]
    assert len(sub.clusters.of("cluster")) == 1


def test_the_pods_of_an_overlay_are_not_in_the_subnet(sub: Subscription) -> None:
    inputs = sub.place()
    inputs["networkProfile"]["networkPluginMode"] = "overlay"
    sub.create("ManagedCluster", **inputs)
    assert sub.clusters.of("cluster")[0][5:7] == ("10.244.0.0/16", False)


@pytest.mark.recording("cluster-without-role")
def test_a_cluster_is_made_whether_or_not_its_identity_has_a_role_on_the_subnet(sub: Subscription) -> None:
    inputs = sub.place()
    inputs["identity"]["userAssignedIdentities"] = [sub.identity("other")[0]]
    _, outputs = sub.create("ManagedCluster", **inputs)
    assert outputs["provisioningState"] == "Succeeded"


@pytest.mark.recording("balancer-without-role")
def test_a_clusters_load_balancers_need_a_role_on_the_subnet_or_above(sub: Subscription) -> None:
    inputs = sub.place()
    identity, principal = sub.identity("other")
    inputs["identity"]["userAssignedIdentities"] = [identity]
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    subnet_id: str = inputs["agentPoolProfiles"][0]["vnetSubnetID"]
    sub.role(subnet_id, FLEET_ADMIN, principal, "ServicePrincipal")
    assert not sub.azure.may_balance(cluster_id)
    sub.role(subnet_id.rsplit("/", 2)[0], NETWORK_CONTRIBUTOR, principal, "ServicePrincipal")
    assert sub.azure.may_balance(cluster_id)


def test_a_clusters_nodes_have_the_identity_that_it_may_assign(sub: Subscription) -> None:
    inputs = sub.place()
    identity, principal = sub.identity("other")
    inputs["identity"]["userAssignedIdentities"] = [identity]
    kubelets, object_id = sub.identity("kubelets")
    inputs["identityProfile"] = {"kubeletidentity": {"resourceId": kubelets, "objectId": object_id}}
    assert "must be granted 'Managed Identity Operator'" in sub.refused("ManagedCluster", **inputs)
    sub.role(kubelets, MANAGED_IDENTITY_OPERATOR, principal, "ServicePrincipal")
    cluster_id, outputs = sub.create("ManagedCluster", **inputs)
    assert outputs["identityProfile"]["kubeletidentity"]["objectId"] == object_id
    assert sub.update("ManagedCluster", cluster_id, **inputs)["identityProfile"] == outputs["identityProfile"]


def test_a_clusters_subnet_and_identity_must_exist(sub: Subscription) -> None:
    inputs = sub.place()
    for path in ("subnet", "identity"):
        wrong = deepcopy(inputs)
        if path == "subnet":
            wrong["agentPoolProfiles"][0]["vnetSubnetID"] += "2"
        else:
            wrong["identity"]["userAssignedIdentities"][0] += "2"
        assert 'Code="ResourceNotFound"' in sub.refused("ManagedCluster", **wrong)


def test_a_subnet_must_hold_every_pod_of_every_node(sub: Subscription) -> None:
    # 251 addresses: eight nodes of 31 fit, a ninth does not; the autoscaler's maximum counts.
    inputs = sub.place()
    inputs["agentPoolProfiles"][0] |= {"enableAutoScaling": True, "minCount": 2, "maxCount": 9}
    message = sub.refused("ManagedCluster", **inputs)
    assert 'Code="InsufficientSubnetSize" Message="Pre-allocated IPs 279 exceeds IPs available 251 in Subnet' in message
    inputs["agentPoolProfiles"][0]["maxCount"] = 8
    sub.create("ManagedCluster", **inputs)


def test_all_pools_of_all_clusters_share_the_subnet(sub: Subscription) -> None:
    inputs = sub.place()
    pool = inputs["agentPoolProfiles"][0]
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    more: Properties = {"resourceGroupName": "rg", "resourceName": "aks", "vnetSubnetID": pool["vnetSubnetID"]}
    sub.create("AgentPool", **more, agentPoolName="more", count=6)
    assert "InsufficientSubnetSize" in sub.refused("AgentPool", **more, agentPoolName="last", count=1)
    assert "InsufficientSubnetSize" in sub.refused("ManagedCluster", **{**inputs, "resourceName": "aks2"})
    sub.update("ManagedCluster", cluster_id, **inputs, tags={"a": "b"})


def test_an_overlay_needs_one_address_for_each_node(sub: Subscription) -> None:
    inputs = sub.place()
    inputs["networkProfile"]["networkPluginMode"] = "overlay"
    inputs["agentPoolProfiles"][0]["count"] = 100
    sub.create("ManagedCluster", **inputs)


def test_the_service_range_does_not_overlap_the_networks_subnets(sub: Subscription) -> None:
    inputs = sub.place()
    inputs["networkProfile"] |= {"serviceCidr": "10.1.0.0/20", "dnsServiceIP": "10.1.0.10"}
    assert "ServiceCidrOverlapExistingSubnetsCidr" in sub.refused("ManagedCluster", **inputs)


def changed(path: Iterable[str | int], value: object) -> Properties:
    inputs: Any = {**cluster_inputs("aks", "/s", "/i"), "location": "eastus"}
    *steps, last = path
    target = inputs
    for step in steps:
        target = target[step]
    target[last] = value
    return inputs


POOL = ("agentPoolProfiles", 0)


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        (changed(["identity"], None), "identity"),
        (changed([*POOL, "mode"], "User"), "agentPoolProfiles"),
        (changed(["agentPoolProfiles"], None), "agentPoolProfiles"),
        (changed([*POOL, "enableAutoScaling"], value=True), "agentPoolProfiles[0].enableAutoScaling"),
        (changed([*POOL, "minCount"], 1), "agentPoolProfiles[0].minCount"),
        (changed([*POOL, "maxPods"], 9), "agentPoolProfiles[0].maxPods"),
        (changed(["disableLocalAccounts"], value=True), "disableLocalAccounts"),
        (changed(["networkProfile", "podCidr"], "10.244.0.0/16"), "networkProfile.podCidr"),
        (changed(["networkProfile", "dnsServiceIP"], "10.2.0.10"), "networkProfile.dnsServiceIP"),
        (changed(["networkProfile", "dnsServiceIP"], "10.0.0.1"), "networkProfile.dnsServiceIP"),
        (changed(["networkProfile", "serviceCidr"], "10.0.0.1/16"), "networkProfile"),
        (
            changed(["networkProfile"], {"serviceCidr": "172.30.0.0/20", "dnsServiceIP": "172.30.0.10"}),
            "networkProfile.serviceCidr",
        ),
        (
            changed(["securityProfile"], {"defender": {"securityMonitoring": {"enabled": True}}}),
            "securityProfile.defender.logAnalyticsWorkspaceResourceId",
        ),
        (
            changed(["identity"], {"type": "SystemAssigned"})
            | {"identityProfile": {"kubeletidentity": {"clientId": "i"}}},
            "identityProfile.kubeletidentity",
        ),
        (
            changed(
                ["apiServerAccessProfile"], {"enablePrivateCluster": True, "authorizedIPRanges": ["203.0.113.0/28"]}
            ),
            "apiServerAccessProfile.authorizedIPRanges",
        ),
    ],
)
def test_a_clusters_settings_fit_together(sub: Subscription, inputs: Properties, path: str) -> None:
    assert list(sub.problems("ManagedCluster", **inputs)) == [path]


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        ({"networkDataplane": "cilium"}, "Cilium dataplane requires network policy cilium"),
        ({"networkPolicy": "cilium"}, "Network Policy cilium requires NetworkDataplane cilium"),
    ],
)
def test_cilium_needs_both_its_dataplane_and_its_policies(sub: Subscription, profile: Properties, text: str) -> None:
    inputs = sub.place()
    inputs["networkProfile"] = {**inputs["networkProfile"], **profile}
    assert text in sub.refused("ManagedCluster", **inputs)


def test_nat_gateway_is_on_the_subnet_before_the_cluster_and_stays(sub: Subscription) -> None:
    inputs = sub.place()
    inputs["networkProfile"] = {**inputs["networkProfile"], "outboundType": "userAssignedNATGateway"}
    assert "needs a NAT gateway on subnet" in sub.refused("ManagedCluster", **inputs)
    place = {"resourceGroupName": "rg", "location": "eastus2"}
    address: Properties = {"sku": {"name": "Standard"}, "publicIPAllocationMethod": "Static"}
    address_id, _ = sub.create("PublicIPAddress", **place, publicIpAddressName="out", **address)
    gateway_id, _ = sub.create("NatGateway", **place, natGatewayName="nat", publicIpAddresses=[{"id": address_id}])
    subnet_id = inputs["agentPoolProfiles"][0]["vnetSubnetID"]
    names = {"virtualNetworkName": subnet_id.split("/")[8], "subnetName": subnet_id.split("/")[10]}
    prefix = {"resourceGroupName": "rg", "addressPrefix": "10.1.0.0/24"}
    sub.update("Subnet", subnet_id, **names, **prefix, natGateway={"id": gateway_id})
    shut = {**inputs, "resourceName": "shut", "apiServerAccessProfile": {"authorizedIPRanges": ["203.0.113.0/28"]}}
    with pytest.raises(NotReadyError, match="Unable to establish connection from agents to Kubernetes API server"):
        sub.create("ManagedCluster", **shut)
    shut_id = f"{subnet_id.partition('/providers/')[0]}/providers/Microsoft.ContainerService/managedClusters/shut"
    with pytest.raises(NotReadyError):  # as long as the address is missing
        sub.update("ManagedCluster", shut_id, **shut)
    own = f"{sub.outputs('PublicIPAddress', address_id)['ipAddress']}/32"
    inputs["apiServerAccessProfile"] = {"authorizedIPRanges": ["203.0.113.0/28", own]}
    sub.update("ManagedCluster", shut_id, **{**shut, "apiServerAccessProfile": inputs["apiServerAccessProfile"]})
    _, made = sub.create("ManagedCluster", **inputs)
    assert "effectiveOutboundIPs" not in made["networkProfile"]["loadBalancerProfile"]
    with pytest.raises(RefusedError, match=f"InUseNatGatewayCannotBeDeleted.*{subnet_id}"):
        sub.delete("NatGateway", gateway_id)
    with pytest.raises(RefusedError, match=f"PublicIPAddressCannotBeDeleted.*{gateway_id}"):
        sub.delete("PublicIPAddress", address_id)


@pytest.mark.parametrize(
    ("name", "window", "path"),
    [
        ("aksManagedAutoUpgradeSchedule", {"durationHours": 3}, "durationHours"),
        ("aksManagedAutoUpgradeSchedule", {"startTime": "9 pm"}, "startTime"),
        ("aksManagedAutoUpgradeSchedule", {"schedule": {}}, "schedule"),
        ("aksManagedAutoUpgradeSchedule", {"schedule": {"daily": {"intervalDays": 1}}}, "schedule"),
        ("aksManagedNodeOSUpgradeSchedule", {"schedule": {"daily": {"intervalDays": 1}}}, ""),
    ],
)
def test_window_is_long_enough_and_recurs(sub: Subscription, name: str, window: Properties, path: str) -> None:
    weekly = {"schedule": {"weekly": {"dayOfWeek": "Monday", "intervalWeeks": 1}}, "startTime": "21:00"}
    place = {"resourceGroupName": "rg", "resourceName": "aks", "configName": name}
    found = sub.problems(
        "MaintenanceConfiguration", **place, maintenanceWindow={"durationHours": 8, **weekly, **window}
    )
    assert list(found) == ([f"maintenanceWindow.{path}"] if path else [])


def test_window_has_a_name_that_aks_reads(sub: Subscription) -> None:
    sub.create("ManagedCluster", **sub.place())
    place = {"resourceGroupName": "rg", "resourceName": "aks"}
    refused = sub.refused("MaintenanceConfiguration", **place, configName="weekly")
    assert "are allowed configNames" in refused
    sub.create("MaintenanceConfiguration", **place, configName="default")


CRITICAL_ONLY = "CriticalAddonsOnly=true:NoSchedule"


def pool_inputs(**more: object) -> Properties:
    return {"resourceGroupName": "rg", "resourceName": "aks", "agentPoolName": "apps", "mode": "User", **more}


def test_pool_of_its_own_comes_and_goes_beside_the_tainted_system_pool(sub: Subscription) -> None:
    inputs = sub.place()
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    assert not sub.clusters.of("pool")
    inputs["agentPoolProfiles"][0]["nodeTaints"] = [CRITICAL_ONLY]
    sub.update("ManagedCluster", cluster_id, **inputs)
    pool_id, _ = sub.create("AgentPool", **pool_inputs(count=2))
    sub.update("AgentPool", pool_id, **pool_inputs(enableAutoScaling=True, minCount=3, maxCount=5))
    sub.delete("AgentPool", pool_id)
    assert sub.clusters.of("pool") == [
        ("pool", "aks", "", None, [CRITICAL_ONLY]),
        ("pool", "aks", "apps", 2, []),
        ("pool", "aks", "apps", 3, []),
        ("pool", "aks", "apps", 0, []),
    ]
    sub.create("AgentPool", **pool_inputs())
    sub.delete("ManagedCluster", cluster_id)
    assert not sub.exists("AgentPool", pool_id)


def test_system_pool_has_no_other_hard_taint(sub: Subscription) -> None:
    inputs = sub.place()
    inputs["agentPoolProfiles"][0]["nodeTaints"] = ["mine=true:NoSchedule"]
    assert "SystemPoolHasRestrictedTaint" in sub.refused("ManagedCluster", **inputs)
    inputs["agentPoolProfiles"][0]["nodeTaints"] = ["mine=true:PreferNoSchedule"]
    sub.create("ManagedCluster", **inputs)
    sub.create("AgentPool", **pool_inputs(nodeTaints=["mine=true:NoSchedule"]))
    system = pool_inputs(agentPoolName="more", mode="System", nodeTaints=["mine=true:NoExecute"])
    assert "SystemPoolHasRestrictedTaint" in sub.refused("AgentPool", **system)


def test_pool_of_its_own_keeps_what_it_was_made_with(sub: Subscription) -> None:
    sub.create("ManagedCluster", **sub.place())
    pool_id, _ = sub.create("AgentPool", **pool_inputs(maxPods=30, availabilityZones=["1"]))
    for change in ({"maxPods": 40}, {"availabilityZones": ["1", "2"]}, {"osType": "Windows"}):
        inputs = pool_inputs(maxPods=30, availabilityZones=["1"]) | change
        with pytest.raises(RefusedError, match="PropertyChangeNotAllowed"):
            sub.update("AgentPool", pool_id, **inputs)


@pytest.mark.parametrize("surge", ["0", "1.5", "ten"])
def test_surge_is_a_number_or_a_percentage(sub: Subscription, surge: str) -> None:
    found = sub.problems("AgentPool", **pool_inputs(upgradeSettings={"maxSurge": surge}))
    assert list(found) == ["upgradeSettings.maxSurge"]
    assert not sub.problems("AgentPool", **pool_inputs(upgradeSettings={"maxSurge": "33%"}))


def test_the_autoscalers_range_is_one(sub: Subscription) -> None:
    inputs: Properties = {"resourceGroupName": "rg", "resourceName": "aks", "enableAutoScaling": True}
    assert list(sub.problems("AgentPool", **inputs, minCount=3, maxCount=2)) == ["minCount"]


def test_the_autoscaler_reaches_a_new_minimum_and_keeps_what_is_above_a_new_maximum(sub: Subscription) -> None:
    inputs = sub.place()
    pool: Properties = inputs["agentPoolProfiles"][0]
    pool |= {"enableAutoScaling": True, "minCount": 2, "maxCount": 6}
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    pool |= {"minCount": 5}  # the program still says the count of the first time
    updated = sub.update("ManagedCluster", cluster_id, **inputs)
    assert updated["agentPoolProfiles"][0]["count"] == 5
    found = sub.azure.read(sub.call("ManagedCluster"), cluster_id, inputs, updated)
    assert found is not None
    assert found[0]["agentPoolProfiles"][0]["count"] == 5
    pool |= {"minCount": 2, "maxCount": 3, "count": 5}
    assert sub.update("ManagedCluster", cluster_id, **inputs)["agentPoolProfiles"][0]["count"] == 5


def pool_changed(key: str, value: object) -> Properties:
    return {"agentPoolProfiles": [{key: value}]}


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (
            pool_changed("vmSize", "Standard_D8ds_v5"),
            "PropertyChangeNotAllowed",
            '"agentPoolProfile.vmSize" is not allow',
        ),
        (pool_changed("maxPods", 50), "PropertyChangeNotAllowed", "'agentPoolProfile.maxPods' is not allowed"),
        (pool_changed("enableEncryptionAtHost", value=True), "PropertyChangeNotAllowed", "enableEncryptionAtHost'"),
        (pool_changed("osDiskSizeGB", 256), "PropertyChangeNotAllowed", "'agentPoolProfile.osDiskSizeGB'"),
        (pool_changed("osType", "Windows"), "PropertyChangeNotAllowed", "'agentPoolProfile.osType'"),
        (pool_changed("availabilityZones", ["1"]), "PropertyChangeNotAllowed", "'agentPoolProfile.availabilityZones'"),
        (pool_changed("availabilityZones", None), "PropertyChangeNotAllowed", "'agentPoolProfile.availabilityZones'"),
        (pool_changed("name", "other"), "BadRequest", "A new agent pool was introduced"),
        ({"enableRBAC": False}, "PropertyChangeNotAllowed", "'enableRBAC'"),
        ({"aadProfile": None}, "PropertyChangeNotAllowed", "'aadProfile.managed'"),
        ({"kubernetesVersion": "1.32"}, "OperationNotAllowed", "Downgrading Kubernetes version 1.33.0 to 1.32 is not"),
        ({"kubernetesVersion": "1.35"}, "OperationNotAllowed", "Upgrading Kubernetes version 1.33.0 to 1.35 is not"),
    ],
)
def test_what_aks_keeps_cannot_be_changed_on_a_cluster_that_runs(
    sub: Subscription, change: Properties, code: str, text: str
) -> None:
    inputs = sub.place()
    inputs |= {"kubernetesVersion": "1.33", "aadProfile": {"managed": True}}
    inputs["agentPoolProfiles"][0] |= {"vmSize": "Standard_D4ds_v5", "availabilityZones": ["2", "3"]}
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    sub.update("ManagedCluster", cluster_id, **inputs)
    pool = inputs["agentPoolProfiles"][0] | change.get("agentPoolProfiles", [{}])[0]
    with pytest.raises(RefusedError, match=f'Code="{code}"') as refused:
        sub.update("ManagedCluster", cluster_id, **{**inputs, **change, "agentPoolProfiles": [pool]})
    assert text in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        pool_changed("count", 3),
        pool_changed("maxPods", 30),  # Azure's default, now said
        pool_changed("availabilityZones", ["3", "2"]),
        {"kubernetesVersion": "1.34"},
        {"kubernetesVersion": None},
        {"sku": {"name": "Base", "tier": "Premium"}},
        {"ingressProfile": {"webAppRouting": {"enabled": True}}},
        {"aadProfile": {"managed": True}},
    ],
)
def test_other_changes_are_made_on_a_cluster_that_runs(sub: Subscription, change: Properties) -> None:
    inputs = sub.place()
    inputs["kubernetesVersion"] = "1.33.2"
    inputs["agentPoolProfiles"][0]["availabilityZones"] = ["2", "3"]
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    pool = inputs["agentPoolProfiles"][0] | change.get("agentPoolProfiles", [{}])[0]
    sub.update("ManagedCluster", cluster_id, **{**inputs, **change, "agentPoolProfiles": [pool]})


def test_the_same_minor_version_is_no_change(sub: Subscription) -> None:
    inputs = {**sub.place(), "kubernetesVersion": "1.33.2"}
    cluster_id, _ = sub.create("ManagedCluster", **inputs)
    updated = sub.update("ManagedCluster", cluster_id, **{**inputs, "kubernetesVersion": "1.33"})
    assert updated["currentKubernetesVersion"] == "1.33.2"


def test_an_update_keeps_what_it_leaves_out_until_it_is_switched_off(sub: Subscription) -> None:
    bare, ranges = sub.place(), ["203.0.113.0/28"]
    taints = ["CriticalAddonsOnly=true:NoSchedule"]
    pool = {**bare["agentPoolProfiles"][0], "mode": "System"}
    on = {
        "addonProfiles": {"azurepolicy": {"enabled": True}},
        "apiServerAccessProfile": {"authorizedIPRanges": ranges},
        "agentPoolProfiles": [pool | {"nodeTaints": taints}],
    }
    cluster_id, _ = sub.create("ManagedCluster", **bare | on)
    kept = sub.update("ManagedCluster", cluster_id, **bare | {"agentPoolProfiles": [pool]})
    assert kept["addonProfiles"]["azurepolicy"]["enabled"]
    assert kept["apiServerAccessProfile"] == {"authorizedIPRanges": ranges}
    assert kept["agentPoolProfiles"][0]["nodeTaints"] == taints
    off: dict[str, Any] = {
        "addonProfiles": {"azurepolicy": {"enabled": False}},
        "apiServerAccessProfile": {"authorizedIPRanges": []},
        "agentPoolProfiles": [pool | {"nodeTaints": []}],
    }
    after = sub.update("ManagedCluster", cluster_id, **bare | off)
    assert {key: after[key] for key in ("addonProfiles", "apiServerAccessProfile")} == {
        key: off[key] for key in ("addonProfiles", "apiServerAccessProfile")
    }
    assert after["agentPoolProfiles"][0]["nodeTaints"] == []


def test_a_clusters_group_has_no_unicode_in_its_name(sub: Subscription) -> None:
    sub.group("rg-küche")
    inputs = {**sub.place(), "resourceGroupName": "rg-küche"}
    assert "does not permit Unicode characters" in sub.refused("ManagedCluster", **inputs)


def test_rules_leave_unknown_inputs_alone(sub: Subscription) -> None:
    inputs: Any = changed([*POOL, "vnetSubnetID"], UNKNOWN) | {"disableLocalAccounts": UNKNOWN, "aadProfile": UNKNOWN}
    inputs["networkProfile"]["serviceCidr"] = UNKNOWN
    inputs["identity"]["userAssignedIdentities"] = [UNKNOWN]
    assert sub.problems("ManagedCluster", **inputs) == {}
    assert sub.problems("ManagedCluster", **{**inputs, "agentPoolProfiles": UNKNOWN, "networkProfile": UNKNOWN}) == {}
