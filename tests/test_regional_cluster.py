"""A region: its network, its cluster, and who may do what there."""

import runpy
from typing import Any

import pytest
import yaml

from components.app_manifests import internet_ports
from components.switches import SWITCHES, switched
from rehearsal.cloud import Cloud
from rehearsal.core.protocol import Call
from tests.support.program import ROOT, Program, run, run_stack, stack_config

GROUP = "rg-aks-eastus2"


def region(name: str, stack: str = "dev") -> dict[str, object]:
    return next(region for region in stack_config(stack)["regions"] if region["name"] == name)


def test_children_are_the_regions_alone(dev: Program) -> None:
    assert {(dev[name].type, name) for name in dev.children("east")} == {
        ("azure-native:resources:ResourceGroup", "east-group"),
        ("azure-native:network:VirtualNetwork", "east-vnet"),
        ("azure-native:network:Subnet", "east-subnet"),
        ("azure-native:managedidentity:UserAssignedIdentity", "east-identity"),
        ("random:index/randomUuid:RandomUuid", "east-join-subnet-id"),
        ("azure-native:authorization:RoleAssignment", "east-join-subnet"),
        ("azure-native:containerservice:ManagedCluster", "east-cluster"),
        ("pulumi:providers:kubernetes", "east-kubernetes"),
    }
    assert dev["east"].type == "fleet-l4-lb:index:RegionalCluster"


def test_network_is_the_articles(dev: Program) -> None:
    assert dev["east-group"].inputs == {"resourceGroupName": GROUP, "location": "eastus2"}
    assert dev["east-vnet"].inputs == {
        "resourceGroupName": GROUP,
        "virtualNetworkName": "aks-vnet-east",
        "location": "eastus2",
        "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
        "enableDdosProtection": False,
        "enableVmProtection": False,
    }
    assert dev["east-subnet"].inputs == {
        "resourceGroupName": GROUP,
        "virtualNetworkName": "aks-vnet-east",
        "subnetName": "aks-subnet-east",
        "addressPrefix": "10.1.0.0/24",
        "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
    }


def test_cluster_has_flat_azure_cni_in_its_subnet(dev: Program) -> None:
    identity = f"{dev.outputs['clusterIds']['east'].split('/providers/')[0]}/providers/Microsoft.ManagedIdentity"
    subnet = dev["east-join-subnet"].inputs["scope"]
    assert dev["east-cluster"].inputs == {
        "resourceGroupName": GROUP,
        "resourceName": "aks-eastus2",
        "location": "eastus2",
        "dnsPrefix": "aks-eastus2",
        "sku": {"name": "Base", "tier": "Free"},
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": [f"{identity}/userAssignedIdentities/aks-eastus2-identity"],
        },
        "agentPoolProfiles": [
            {
                "name": "system",
                "mode": "System",
                "type": "VirtualMachineScaleSets",
                "osType": "Linux",
                "vmSize": "Standard_D4ds_v5",
                "vnetSubnetID": subnet,
                "count": 3,
                "maxPods": 30,
                "enableAutoScaling": False,
            }
        ],
        "networkProfile": {
            "networkPlugin": "azure",
            "loadBalancerSku": "standard",
            "outboundType": "loadBalancer",
            "serviceCidr": "10.0.0.0/16",
            "dnsServiceIP": "10.0.0.10",
        },
        "enableRBAC": True,
        "disableLocalAccounts": False,
    }
    assert subnet.endswith("/virtualNetworks/aks-vnet-east/subnets/aks-subnet-east")


def test_cluster_waits_until_its_identity_may_join_the_subnet(dev: Program) -> None:
    assert {"east-join-subnet", "east-subnet", "east-identity"} <= dev["east-cluster"].dependencies
    role = dev["east-join-subnet"]
    assert role.inputs["roleDefinitionId"].endswith("/4d97b98b-1d4f-4787-a291-c67834d212e7")  # Network Contributor
    assert role.inputs["roleDefinitionId"].startswith("/subscriptions/")
    assert role.inputs["principalType"] == "ServicePrincipal"
    assert {"east-subnet", "east-identity", "east-join-subnet-id"} <= role.dependencies


def test_region_waits_for_nothing_of_other_regions(dev: Program) -> None:
    assert all(name.startswith("east-") for name in dev.waits_for("east-kubernetes"))


def test_network_and_identity_come_up_side_by_side(dev: Program) -> None:
    assert dev.waits_for("east-vnet") == dev.waits_for("east-identity") == {"east-group"}


def test_objects_survive_a_kubeconfig_that_is_unknown_or_rotated(dev: Program) -> None:
    provider = dev["east-kubernetes"].inputs
    assert provider["clusterIdentifier"] == dev.outputs["clusterIds"]["east"]


def test_cluster_that_no_longer_answers_lets_its_objects_go(dev: Program) -> None:
    assert dev["east-kubernetes"].inputs["deleteUnreachable"] == "true"


def test_kubeconfig_is_secret(dev: Program) -> None:
    assert ("kubeconfig",) in dev["east-kubernetes"].secrets
    assert "kubeconfigs" in dev.secret_outputs


def test_provider_belongs_to_its_own_cluster(prod: Program) -> None:
    servers = {
        name: yaml.safe_load(provider.inputs["kubeconfig"])["clusters"][0]["cluster"]["server"]
        for name, provider in prod.of_type("pulumi:providers:kubernetes").items()
    }
    assert len(set(servers.values())) == len(servers) == 4
    for name, config in prod.outputs["kubeconfigs"].items():
        assert servers[f"{name}-kubernetes"] in config


@pytest.mark.parametrize("name", [region["name"] for region in stack_config("prod")["regions"]])
def test_prod_logs_in_with_entra_id_only(prod: Program, name: str) -> None:
    cluster = prod[f"{name}-cluster"].inputs
    assert cluster["aadProfile"] == {"managed": True, "enableAzureRBAC": True}
    assert cluster["disableLocalAccounts"] is True
    assert cluster["sku"] == {"name": "Base", "tier": "Standard"}


def test_entra_id_admins_may_write_objects_before_the_provider_starts(prod: Program) -> None:
    name = stack_config("prod")["regions"][0]["name"]
    role = prod[f"{name}-deployer"]
    assert role.inputs["roleDefinitionId"].endswith("/b1ff04bb-8a4e-4dc4-8eb5-8693973ce19b")  # AKS RBAC Cluster Admin
    assert role.inputs["scope"] == prod.outputs["clusterIds"][name]
    assert f"{name}-deployer" in prod[f"{name}-kubernetes"].dependencies


def test_local_accounts_need_no_role_on_the_cluster(dev: Program) -> None:
    assert dev["east-cluster"].inputs["disableLocalAccounts"] is False
    assert "aadProfile" not in dev["east-cluster"].inputs
    assert "east-deployer" not in dev.resources


def test_autoscaler_owns_the_number_of_nodes(prod: Program, dev: Program) -> None:
    name, pool = (region := stack_config("prod")["regions"][0])["name"], region["nodePool"]
    profile = prod[f"{name}-cluster"].inputs["agentPoolProfiles"][0]
    assert profile["enableAutoScaling"] is True
    assert (profile["minCount"], profile["maxCount"]) == (pool["minCount"], pool["maxCount"])
    assert profile["count"] == pool["minCount"]
    assert profile["availabilityZones"] == pool["zones"]
    assert list(prod[f"{name}-cluster"].options.ignoreChanges) == ["agentPoolProfiles[0].count"]
    assert not dev["east-cluster"].options.ignoreChanges


def test_only_the_apps_ports_are_open_to_the_internet(prod: Program) -> None:
    group = prod["east-rules"]
    rules = {rule["name"]: rule for rule in group.inputs["securityRules"]}
    entry = {key: rules["AllowEntry0"][key] for key in ("direction", "access", "protocol", "sourceAddressPrefix")}
    assert entry == {"direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourceAddressPrefix": "Internet"}
    # With floating IP, the destination is the public address, which is in no range of the subnet.
    assert (rules["AllowEntry0"]["destinationAddressPrefix"], rules["AllowEntry0"]["destinationPortRange"]) == (
        "*",
        "80",
    )
    assert (rules["DenyRdp"]["direction"], rules["DenyRdp"]["access"]) == ("Outbound", "Deny")
    assert len(rules) == 2
    assert "east-rules" in prod["east-subnet"].dependencies


def test_nothing_is_open_to_the_internet_for_an_internal_entry_point() -> None:
    stack = run_stack("dev", clusters={"baseline": False, "securityGroup": True}, app={"internal": True})
    assert [rule["name"] for rule in stack["east-rules"].inputs["securityRules"]] == ["DenyRdp"]


def test_public_load_balancers_of_the_app_are_open_too() -> None:
    def service(name: str, port: int, **spec: object) -> dict[str, object]:
        ports = [{"port": port, "protocol": "UDP"}, {"port": port}]
        return {"kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, **spec}}

    private = service("private", 9000, type="LoadBalancer")
    private["metadata"] = {
        "name": "p",
        "annotations": {"service.beta.kubernetes.io/azure-load-balancer-internal": "true"},
    }
    app = [service("shop", 80), service("api", 443, type="LoadBalancer"), service("db", 5432), private]
    found = internet_ports(app, ["shop"], internal=False)
    assert [(each["port"], each["protocol"]) for each in found] == [
        (80, "UDP"),
        (80, "TCP"),
        (443, "UDP"),
        (443, "TCP"),
    ]
    assert {each["port"] for each in internet_ports(app, ["shop"], internal=True)} == {443}


def test_nodes_leave_through_a_gateway_with_an_address_that_stays(prod: Program) -> None:
    cluster, address = prod["east-cluster"].inputs, prod["east-egress-address"].inputs
    assert cluster["networkProfile"]["outboundType"] == "userAssignedNATGateway"
    assert (address["sku"], address["zones"]) == ({"name": "Standard"}, ["1", "2", "3"])
    assert prod["east-egress"].inputs["publicIpAddresses"][0]["id"].endswith("/publicIPAddresses/egress")
    assert {"east-egress", "east-rules"} <= prod["east-subnet"].dependencies


def test_data_plane_has_its_own_network_policies(prod: Program) -> None:
    profile = prod["east-cluster"].inputs["networkProfile"]
    assert (profile["networkDataplane"], profile["networkPolicy"]) == ("cilium", "cilium")


def test_api_server_is_open_to_the_ranges_and_to_the_nodes_own_way_out() -> None:
    clusters = stack_config("prod")["clusters"] | {"apiRanges": ["203.0.113.0/28"]}
    stack = run_stack("prod", clusters=clusters)
    ranges = stack["east-cluster"].inputs["apiServerAccessProfile"]["authorizedIPRanges"]
    assert ranges[0] == "203.0.113.0/28"
    assert ranges[1].endswith("/32")
    other = stack["west-cluster"].inputs["apiServerAccessProfile"]["authorizedIPRanges"]
    assert other[1] != ranges[1]
    assert stack["east-cluster"].inputs["apiServerAccessProfile"]["disableRunCommand"] is True


def test_nodes_pull_from_the_registry() -> None:
    cloud = Cloud(idle_seconds=0.2)
    registry, place = "", {"resourceGroupName": "rg-images", "location": "eastus"}
    for kind, inputs in (
        ("resources:ResourceGroup", place),
        ("containerregistry:Registry", place | {"registryName": "images1"}),
    ):
        call = Call(f"azure-native:{kind}", "x")
        registry, _ = cloud.azure.create(call, cloud.azure.check(call, inputs)[0])
    config = stack_config("dev") | {"clusters": {"baseline": False, "registryId": registry}}
    stack = run(lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"), config=config, cloud=cloud)
    role = stack["east-pull-images"].inputs
    assert role["scope"] == registry
    assert role["roleDefinitionId"].endswith("/7f951dda-4ed3-4680-a7ca-43fe172d538d")  # AcrPull
    # The nodes have the role before they exist, so that their first pull succeeds.
    cluster = stack["east-cluster"]
    kubelets = cluster.inputs["identityProfile"]["kubeletidentity"]
    assert kubelets["resourceId"].endswith("/userAssignedIdentities/aks-eastus2-kubelets")
    assert kubelets["objectId"] == role["principalId"]
    assert {"east-pull-images", "east-assign-kubelets"} <= cluster.dependencies
    operator = stack["east-assign-kubelets"].inputs
    assert operator["scope"] == kubelets["resourceId"]
    assert operator["principalId"] == stack["east-join-subnet"].inputs["principalId"]


def test_apps_have_nodes_of_their_own(prod: Program) -> None:
    settings = stack_config("prod")["regions"][0]
    [system], apps = prod["east-cluster"].inputs["agentPoolProfiles"], prod["east-apps"]
    assert (system["name"], system["nodeTaints"]) == ("system", ["CriticalAddonsOnly=true:NoSchedule"])
    assert (apps.inputs["agentPoolName"], apps.inputs["mode"], apps.inputs["maxCount"]) == ("apps", "User", 12)
    own = {"name", "nodeTaints", "mode", "maxCount"}
    assert {key: apps.inputs.get(key) for key in system.keys() - own} == {
        key: system[key] for key in system.keys() - own
    }
    assert (system["osSKU"], system["upgradeSettings"]) == ("AzureLinux", {"maxSurge": "33%"})
    assert system["maxCount"] == settings["nodePool"]["maxCount"]
    assert list(apps.options.ignoreChanges) == ["count"]
    assert apps.options.deletedWith.endswith("::east-cluster")


def test_nothing_else_is_done_with_a_cluster_until_all_its_nodes_are_there(prod: Program) -> None:
    """AKS writes the VNet with the nodes, and does one thing at a time with a cluster."""
    assert "east-apps" in prod["mesh-east-to-west"].dependencies
    assert "west-apps" in prod["mesh-east-to-west"].dependencies
    assert "east-apps" in prod["hub-member-east"].dependencies


def test_options_of_a_region_reach_its_cluster_alone() -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHx somebody"
    changed = region("east") | {"kubernetesVersion": "1.33", "sshPublicKey": key}
    program = run_stack("dev", regions=[changed, region("west")])
    cluster = program["east-cluster"].inputs
    assert cluster["kubernetesVersion"] == "1.33"
    assert cluster["linuxProfile"] == {"adminUsername": "azureuser", "ssh": {"publicKeys": [{"keyData": key}]}}
    assert not {"kubernetesVersion", "linuxProfile"} & program["west-cluster"].inputs.keys()


def test_baseline_costs_nothing_and_excludes_nothing(prod: Program) -> None:
    cluster = dict(prod["east-cluster"].inputs)
    cluster["addonProfiles"] = {key: addon for key, addon in cluster["addonProfiles"].items() if key != "omsagent"}
    assert {key: cluster[key] for key in BASELINE} == BASELINE
    assert cluster["agentPoolProfiles"][0]["tags"] == prod["east-apps"].inputs["tags"] == stack_config("prod")["tags"]
    assert prod["east-subnet"].inputs["defaultOutboundAccess"] is False


BASELINE = {
    "oidcIssuerProfile": {"enabled": True},
    "securityProfile": {
        "workloadIdentity": {"enabled": True},
        "imageCleaner": {"enabled": True, "intervalHours": 168},
    },
    "addonProfiles": {
        "azurepolicy": {"enabled": True, "config": {"version": "v2"}},
        "azureKeyvaultSecretsProvider": {
            "enabled": True,
            "config": {"enableSecretRotation": "true", "rotationPollInterval": "2m"},
        },
    },
    "apiServerAccessProfile": {"disableRunCommand": True},
    "autoUpgradeProfile": {"upgradeChannel": "none", "nodeOSUpgradeChannel": "NodeImage"},
    "metricsProfile": {"costAnalysis": {"enabled": True}},
}


def test_node_group_is_locked_unless_a_global_address_refers_into_it(prod: Program) -> None:
    """Nobody has tried whether a deny assignment on the group lets the global load balancer refer to a frontend."""
    assert "nodeResourceGroupProfile" not in prod["east-cluster"].inputs
    app = {key: value for key, value in stack_config("prod")["app"].items() if key != "globalAddress"}
    locked = run_stack("prod", app=app)["east-cluster"].inputs
    assert locked["nodeResourceGroupProfile"] == {"restrictionLevel": "ReadOnly"}


def test_clusters_of_the_free_tier_have_no_cost_analysis() -> None:
    assert "metricsProfile" not in run_stack("dev", clusters={"baseline": True})["east-cluster"].inputs


def test_fleet_that_installs_node_images_does_it_alone() -> None:
    updates = {"channel": "NodeImage", "stages": [["east", "west"]]}
    cluster = run_stack("dev", clusters={"baseline": True}, fleet={"updates": updates})["east-cluster"].inputs
    assert cluster["autoUpgradeProfile"] == {"upgradeChannel": "none", "nodeOSUpgradeChannel": "None"}


def test_what_the_arguments_no_longer_have_is_switched_off_if_the_program_has_switched_it_on() -> None:
    """AKS keeps what a request leaves out. Somebody else may have switched it on."""
    off: dict[str, Any] = {
        "addon_profiles": {"omsagent": {"enabled": False}},
        "agent_pool_profiles": [{"node_taints": []}],
        "api_server_access_profile": {"authorized_ip_ranges": []},
        "azure_monitor_profile": {"metrics": {"enabled": False}},
        "metrics_profile": {"cost_analysis": {"enabled": False}},
        "node_resource_group_profile": {"restriction_level": "Unrestricted"},
        "security_profile": {"defender": {"security_monitoring": {"enabled": False}}},
    }
    names = list(SWITCHES)
    assert switched({"agent_pool_profiles": [{}]}, names) == (off, names)
    assert switched(off, ()) == (off, names)
    assert switched({"agent_pool_profiles": [{}]}, ()) == ({"agent_pool_profiles": [{}]}, [])


def test_passing_refusals_are_retried(dev: Program) -> None:
    hooks = {name: list(dev[name].options.hooks.on_error) for name in dev.children("east")}
    assert {name: on_error for name, on_error in hooks.items() if on_error} == {
        "east-group": ["network-retry"],
        "east-vnet": ["network-retry"],
        "east-subnet": ["network-retry"],
        "east-identity": ["network-retry"],
        "east-join-subnet": ["grant-retry"],
        "east-cluster": ["cluster-retry"],
    }
