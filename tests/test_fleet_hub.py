"""The fleet, its hub and its members."""

import yaml

from tests.support.program import Program, run_stack, stack_config

ADMIN_ROLE = "18ab4d3d-a1bf-4477-8ad9-8359bc988f69"  # Azure Kubernetes Fleet Manager RBAC Cluster Admin


PEERING = "azure-native:network:VirtualNetworkPeering"


def test_fleet_is_the_articles_with_a_hub(dev: Program) -> None:
    assert dev["hub"].type == "fleet-l4-lb:index:FleetHub"
    assert dev["hub-group"].inputs == {"resourceGroupName": "rg-fleet", "location": "westus"}
    assert dev["hub-fleet"].inputs == {
        "resourceGroupName": "rg-fleet",
        "fleetName": "gbb-fleet",
        "location": "westus",
        # As `az fleet create --enable-hub` sends it (Azure/azure-cli-extensions, recording test_fleet_hubful).
        "hubProfile": {"agentProfile": {}, "apiServerAccessProfile": {"enablePrivateCluster": False}},
    }


def test_hub_takes_its_options() -> None:
    hub = {"dnsPrefix": "shop", "vmSize": "Standard_D4ds_v5"}
    program = run_stack("dev", fleet={"location": "West Central US", "hub": hub})
    assert program["hub-group"].inputs["location"] == program["hub-fleet"].inputs["location"] == "westcentralus"
    assert program["hub-fleet"].inputs["hubProfile"] == {
        "dnsPrefix": "shop",
        "agentProfile": {"vmSize": "Standard_D4ds_v5"},
        "apiServerAccessProfile": {"enablePrivateCluster": False},
    }


def test_every_cluster_joins_under_its_own_name(prod: Program) -> None:
    regions = stack_config("prod")["regions"]
    for region in regions:
        member = prod[f"hub-member-{region['name']}"]
        cluster = prod.outputs["clusterIds"][region["name"]]
        assert member.inputs == {
            "resourceGroupName": prod["hub-group"].inputs["resourceGroupName"],
            "fleetName": prod["hub-fleet"].inputs["fleetName"],
            "fleetMemberName": cluster.rsplit("/", 1)[1],
            "clusterResourceId": cluster,
            "group": region["name"],
        }
        assert member.parent == "hub"
    assert len(prod.of_type("azure-native:containerservice:FleetMember")) == len(regions)


def test_fleet_and_clusters_come_up_side_by_side(dev: Program) -> None:
    assert not {"east-cluster", "west-cluster"} & dev.waits_for("hub-fleet")
    assert "hub-fleet" not in dev.waits_for("east-cluster")


def test_member_waits_for_its_own_cluster_the_fleet_and_the_last_peering_alone(dev: Program) -> None:
    assert dev["hub-member-east"].dependencies == {"hub-group", "hub-fleet", "east-cluster", "mesh-west-to-east"}


def test_way_to_a_members_pods_is_there_before_it_joins_and_until_it_has_left(prod: Program) -> None:
    # The engine deletes what depends on a resource before that resource.
    for region in ("east", "west", "europe"):
        way = {name for name in prod.of_type(PEERING) if region in name.split("-")}
        assert len(way) == 4
        assert way <= prod.waits_for(f"hub-member-{region}")


def test_deployer_administers_the_hub_before_anything_is_written_to_it(dev: Program) -> None:
    role = dev["hub-deployer"]
    assert role.inputs["roleDefinitionId"].endswith(f"/roleDefinitions/{ADMIN_ROLE}")
    assert role.inputs["scope"] == dev.outputs["fleetId"]
    assert role.inputs["principalType"] == "User"
    assert "hub-deployer-id" in role.dependencies
    assert "hub-deployer" in dev["hub-kubernetes"].dependencies


def test_role_says_what_deploys() -> None:
    pipeline = run_stack("dev", preview=True, access={"kubeloginMode": "workloadidentity"})
    assert pipeline["hub-deployer"].inputs["principalType"] == "ServicePrincipal"


def test_configured_admins_administer_the_hub_too() -> None:
    group = {"objectId": "0f3bd2a1-5c8e-4a57-9a2f-6d1f3a6f8c11", "type": "Group"}
    program = run_stack("dev", access={"hubAdmins": [group]})
    role = program[f"hub-admin-{group['objectId']}"]
    assert role.inputs["principalId"] == group["objectId"]
    assert role.inputs["principalType"] == "Group"
    assert role.inputs["roleDefinitionId"].endswith(ADMIN_ROLE)
    assert role.name in program["hub-kubernetes"].dependencies


def test_hub_is_entered_without_a_person(dev: Program) -> None:
    config = yaml.safe_load(dev.outputs["hubKubeconfig"])
    login = config["users"][0]["user"]["exec"]
    assert login["command"] == "kubelogin"
    assert login["args"] == ["get-token", "--login", "azurecli", "--server-id", "6dae42f8-4368-4678-94ff-3960e28e3630"]
    assert dev["hub-kubernetes"].inputs["kubeconfig"] == dev.outputs["hubKubeconfig"]


def test_hub_kubeconfig_is_secret(dev: Program) -> None:
    assert "hubKubeconfig" in dev.secret_outputs
    assert ("kubeconfig",) in dev["hub-kubernetes"].secrets


def test_objects_survive_a_kubeconfig_that_is_unknown_or_rotated(dev: Program) -> None:
    assert dev["hub-kubernetes"].inputs["clusterIdentifier"] == dev.outputs["fleetId"]


def test_secrets_and_config_maps_on_the_hub_are_changed_in_place(dev: Program) -> None:
    provider = dev["hub-kubernetes"].inputs
    assert (provider["enableSecretMutable"], provider["enableConfigMapMutable"]) == ("true", "true")


def test_passing_refusals_are_retried_also_when_a_region_has_gone(dev: Program) -> None:
    for name in ("hub-group", "hub-fleet", "hub-member-east", "hub-member-west"):
        assert list(dev[name].options.hooks.on_error) == ["fleet-retry"], name
    assert list(dev["hub-deployer"].options.hooks.on_error) == ["grant-retry"]
