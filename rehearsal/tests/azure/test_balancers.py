"""Public addresses and global load balancers: what Azure makes, what it refuses."""

from typing import Any

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Properties
from rehearsal.tests.azure.subscription import NETWORK_CONTRIBUTOR, Subscription, cluster_inputs

FRONTEND = "a0123456789abcdef0123456789abcde"


@pytest.fixture
def sub(sub: Subscription) -> Subscription:
    """A subscription with a cluster whose load balancer has a public frontend."""
    cluster_id, _ = sub.create("ManagedCluster", **sub.place())
    sub.clusters.balanced[cluster_id] = {FRONTEND: "20.72.0.1", "ainternal": ""}
    return sub


def frontend(name: str = FRONTEND, group: str = "MC_rg_aks_eastus2") -> str:
    return (
        f"/subscriptions/x/resourceGroups/{group}/providers/Microsoft.Network/loadBalancers/kubernetes/"
        f"frontendIPConfigurations/{name}"
    )


def address_inputs(**more: object) -> Properties:
    return {
        "resourceGroupName": "rg",
        "publicIpAddressName": "address",
        "location": "eastus2",
        "sku": {"name": "Standard", "tier": "Global"},
        "publicIPAllocationMethod": "Static",
        **more,
    }


def balancer_inputs(address: str, frontends: dict[str, str], **more: object) -> Properties:
    rule: Properties = {
        "name": "tcp-80",
        "protocol": "Tcp",
        "frontendPort": 80.0,
        "backendPort": 80.0,
        "enableFloatingIP": True,
        "frontendIPConfiguration": {"id": "$self/frontendIPConfigurations/global"},
        "backendAddressPools": [{"id": "$self/backendAddressPools/regions"}],
    }
    addresses: list[Any] = [
        {"name": name, "loadBalancerFrontendIPConfiguration": {"id": each}} for name, each in frontends.items()
    ]
    return {
        "resourceGroupName": "rg",
        "loadBalancerName": "balancer",
        "location": "eastus2",
        "sku": {"name": "Standard", "tier": "Global"},
        "frontendIPConfigurations": [{"name": "global", "publicIPAddress": {"id": address}}],
        "backendAddressPools": [{"name": "regions", "loadBalancerBackendAddresses": addresses}],
        "loadBalancingRules": [rule],
        **more,
    }


def test_packets_for_the_global_address_are_led_to_the_frontends(sub: Subscription) -> None:
    address_id, address = sub.create("PublicIPAddress", **address_inputs())
    balancer_id, outputs = sub.create("LoadBalancer", **balancer_inputs(address_id, {"east": frontend()}))
    assert sub.clusters.of("balance")[-1][1:] == (address["ipAddress"], {"20.72.0.1": [80]})
    (pool,) = outputs["backendAddressPools"]
    assert [each["ipAddress"] for each in pool["loadBalancerBackendAddresses"]] == ["20.72.0.1"]
    assert outputs["loadBalancingRules"][0]["backendAddressPools"] == [{"id": pool["id"]}]
    sub.delete("LoadBalancer", balancer_id)
    assert sub.clusters.of("balance")[-1][1:] == (address["ipAddress"], {})


def test_packets_without_floating_ip_reach_no_node(sub: Subscription) -> None:
    address_id, _ = sub.create("PublicIPAddress", **address_inputs())
    inputs = balancer_inputs(address_id, {"east": frontend()})
    inputs["loadBalancingRules"][0]["enableFloatingIP"] = False
    sub.create("LoadBalancer", **inputs)
    assert sub.clusters.of("balance")[-1][2] == {"20.72.0.1": []}


@pytest.mark.parametrize("kind", ["PublicIPAddress", "LoadBalancer"])
def test_global_resources_are_made_in_home_regions(sub: Subscription, kind: str) -> None:
    sub.group("other", "westus3")
    address_id, _ = sub.create("PublicIPAddress", **address_inputs())
    inputs = address_inputs() if kind == "PublicIPAddress" else balancer_inputs(address_id, {"east": frontend()})
    refused = sub.refused(kind, **{**inputs, "location": "westus3", "resourceGroupName": "other"})
    assert 'Code="GlobalVipAllocationFailedWithVipRangeNotFound"' in refused


def test_address_of_the_standard_sku_is_static(sub: Subscription) -> None:
    refused = sub.refused("PublicIPAddress", **address_inputs(publicIPAllocationMethod="Dynamic"))
    assert 'Code="StandardSkuPublicIPAddressesMustBeStatic"' in refused


@pytest.mark.parametrize(("name", "code"), [("aunknown", "InvalidResourceReference"), ("ainternal", "InvalidRequest")])
def test_frontend_is_public_and_there(sub: Subscription, name: str, code: str) -> None:
    address_id, _ = sub.create("PublicIPAddress", **address_inputs())
    assert f'Code="{code}"' in sub.refused("LoadBalancer", **balancer_inputs(address_id, {"east": frontend(name)}))


def test_global_port_is_the_regional_one(sub: Subscription) -> None:
    inputs = balancer_inputs("/address", {"east": frontend()})
    inputs["loadBalancingRules"][0]["backendPort"] = 8080.0
    assert list(sub.problems("LoadBalancer", **inputs)) == ["loadBalancingRules[0].backendPort"]


def refused_deletion(sub: Subscription, kind: str, resource_id: str) -> str:
    with pytest.raises(RefusedError) as refused:
        sub.delete(kind, resource_id)
    return str(refused.value)


def test_what_a_global_load_balancer_refers_to_stays_until_it_is_gone(sub: Subscription) -> None:
    address_id, _ = sub.create("PublicIPAddress", **address_inputs(resourceGroupName=_own_group(sub)))
    inputs = balancer_inputs(address_id, {"east": frontend()}, resourceGroupName="global")
    balancer_id, _ = sub.create("LoadBalancer", **inputs)
    group = address_id.split("/providers/")[0].replace("global", "rg")
    cluster = f"{group}/providers/Microsoft.ContainerService/managedClusters/aks"
    assert 'Code="PublicIPAddressCannotBeDeleted"' in refused_deletion(sub, "PublicIPAddress", address_id)
    for kind, resource_id in (("ManagedCluster", cluster), ("ResourceGroup", group)):
        assert "InUseByGlobalLB" in refused_deletion(sub, kind, resource_id), kind
    sub.delete("LoadBalancer", balancer_id)
    sub.delete("ManagedCluster", cluster)
    sub.delete("PublicIPAddress", address_id)


def _own_group(sub: Subscription) -> str:
    sub.group("global")
    return "global"


@pytest.mark.parametrize("name", ["entry", "entry-2"])
def test_address_that_is_pointed_elsewhere_goes_on_referring_to_the_old_frontend(sub: Subscription, name: str) -> None:
    address_id, _ = sub.create("PublicIPAddress", **address_inputs(resourceGroupName=_own_group(sub)))
    group = address_id.split("/providers/")[0].replace("global", "rg")
    cluster = f"{group}/providers/Microsoft.ContainerService/managedClusters/aks"
    made, _ = sub.create("ManagedCluster", **sub_inputs(sub))
    sub.clusters.balanced[made] = {FRONTEND: "20.72.0.2"}
    first = balancer_inputs(address_id, {"entry": frontend()}, resourceGroupName="global")
    balancer_id, _ = sub.create("LoadBalancer", **first)
    pools = balancer_inputs(address_id, {name: frontend(group="MC_rg_aks-other_eastus2")})["backendAddressPools"]
    sub.update("LoadBalancer", balancer_id, **{**first, "backendAddressPools": pools})
    if name == "entry":
        assert "InUseByGlobalLB" in refused_deletion(sub, "ManagedCluster", cluster)
    else:
        sub.delete("ManagedCluster", cluster)


def sub_inputs(sub: Subscription) -> Properties:
    """Inputs of a second cluster, in a subnet of its own."""
    subnet_id = sub.subnet("others", "10.1.1.0/24")
    identity_id, principal = sub.identity("other")
    sub.role(subnet_id, NETWORK_CONTRIBUTOR, principal, "ServicePrincipal")
    return cluster_inputs("aks-other", subnet_id, identity_id)
