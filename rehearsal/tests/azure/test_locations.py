"""The regions of each of Azure's clouds."""

from contextlib import nullcontext
from typing import Any

import pytest

from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import UNKNOWN, Call, Properties
from rehearsal.tests.azure.subscription import Subscription


def test_the_location_defaults_to_the_providers_and_else_to_the_groups(sub: Subscription) -> None:
    sub.group(location="West US 2")
    inputs: Properties = {"resourceGroupName": "rg"}
    assert sub.azure.check(sub.call("VirtualNetwork", location="eastus"), inputs)[0]["location"] == "eastus"
    assert sub.azure.check(sub.call("VirtualNetwork"), inputs)[0]["location"] == "westus2"
    assert sub.azure.check(sub.call("VirtualNetwork"), {"resourceGroupName": UNKNOWN})[0]["location"] is UNKNOWN
    assert "location" in sub.problems("VirtualNetwork", resourceGroupName="nowhere")


def test_locations_come_out_as_short_names(sub: Subscription) -> None:
    assert sub.create("ResourceGroup", resourceGroupName="rg", location="East US 2")[1]["location"] == "eastus2"


@pytest.mark.parametrize("location", ["mars", "eastus22"])
def test_a_location_is_a_region_of_azure(sub: Subscription, location: str) -> None:
    group = sub.refused("ResourceGroup", resourceGroupName="rg", location=location)
    assert f"The provided location '{location}' is not available for resource group. List of" in group
    assert group.startswith('Status=400 Code="LocationNotAvailableForResourceGroup"')
    sub.group()
    network = sub.refused("VirtualNetwork", resourceGroupName="rg", virtualNetworkName="vnet", location=location)
    assert f"'{location}' is not available for resource type 'Microsoft.Network/virtualNetworks'." in network
    assert network.startswith('Status=400 Code="LocationNotAvailableForResourceType"')


@pytest.mark.parametrize(
    ("location", "cloud", "taken"),
    [
        ("usgovvirginia", "usgovernment", True),
        ("eastus", "usgovernment", False),
        ("chinanorth3", "public", False),
        ("chinanorth3", None, True),  # the shell may say which cloud it is
        ("East US 2", "public", True),
    ],
)
def test_each_cloud_has_its_own_regions(sub: Subscription, location: str, cloud: str | None, *, taken: bool) -> None:
    provider: dict[str, Any] = {"environment": cloud} if cloud else {}
    call = Call("azure-native:resources:ResourceGroup", "x", provider=provider)
    inputs = {"resourceGroupName": "rg", "location": location}
    with nullcontext() if taken else pytest.raises(RefusedError, match="LocationNotAvailableForResourceGroup"):
        sub.azure.create(call, inputs)
