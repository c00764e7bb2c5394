"""A cluster owns its virtual network while the cluster is written."""

from contextlib import nullcontext
from typing import Literal

import pytest

from rehearsal.cloud import Cloud
from rehearsal.core.errors import NotReadyError
from rehearsal.core.protocol import Operation, Properties
from rehearsal.tests.azure.subscription import Subscription, cluster_inputs, peering_inputs


def under_way(cloud: Cloud, kind: str, verb: Literal["create", "update", "delete"], **inputs: object) -> Operation:
    """Return what the cloud is asked, with the inputs as checked."""
    call = Subscription.call(kind)
    resource_id = str(inputs.pop("id", ""))
    return Operation(verb, call, resource_id, cloud.azure.check(call, inputs)[0] if verb != "delete" else {})


@pytest.mark.recording("vnet-written")
@pytest.mark.parametrize(
    ("kind", "verb", "name", "fails"),
    [
        ("VirtualNetworkPeering", "create", "east", True),
        ("VirtualNetworkPeering", "delete", "east", True),
        ("Subnet", "update", "east", True),
        ("VirtualNetwork", "update", "east", True),
        ("VirtualNetworkPeering", "create", "third", False),
        ("ManagedCluster", "create", "east", True),
    ],
)
def test_a_cluster_fails_if_its_network_is_written_meanwhile(
    kind: str, verb: Literal["create", "update", "delete"], name: str, *, fails: bool
) -> None:
    cloud = Cloud()
    sub = Subscription()
    sub.azure = cloud.azure
    sub.group()
    networks = {each: sub.network(each, f"10.{number}.0.0/16") for number, each in enumerate(("east", "west", "third"))}
    subnet_id = sub.subnet(prefix="10.0.0.0/24", network="east")
    identity_id, _ = sub.identity()
    cluster = cluster_inputs("aks", subnet_id, identity_id)
    cluster["networkProfile"] |= {"serviceCidr": "10.9.0.0/16", "dnsServiceIP": "10.9.0.10"}
    others: dict[str, Properties] = {
        "VirtualNetworkPeering": peering_inputs(networks["west"], networks[name]),
        "Subnet": {"resourceGroupName": "rg", "virtualNetworkName": name, "subnetName": "nodes"},
        "VirtualNetwork": {"resourceGroupName": "rg", "virtualNetworkName": name},
        "ManagedCluster": {**cluster, "resourceName": "aks2"},
    }
    written = {"Subnet": subnet_id, "VirtualNetwork": networks[name]}.get(kind, "")
    if verb == "delete":
        written = sub.peering(networks["west"], networks[name])
    other = under_way(cloud, kind, verb, **others[kind], id=written)
    mine = under_way(cloud, "ManagedCluster", "create", **cluster)

    with cloud.operation(mine) as provider, nullcontext() if not fails else pytest.raises(NotReadyError) as failed:
        with cloud.operation(other):
            pass
        cluster_id, _ = provider.create(mine.call, mine.inputs)
    if fails and failed:
        assert failed.value.outputs["provisioningState"] == "Failed"
        text = str(failed.value)
        assert text.startswith(
            'Status=200 Code="SetVNetOwnershipFailed" Message="Set virtual network ownership failed.'
        )
        assert f'Code="VirtualNetworkNotInSucceededState" Message="Virtual network {networks["east"].lower()}' in text
        cluster_id = failed.value.resource_id
    # What was written before is no matter, and what has failed is put right by the next write.
    again = under_way(cloud, "ManagedCluster", "update", **cluster, id=cluster_id)
    with cloud.operation(again) as provider:
        assert provider.update(again.call, cluster_id, {}, again.inputs)["provisioningState"] == "Succeeded"
