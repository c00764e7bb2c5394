"""examples/own-app as a program in another language: it knows the components by their schema alone.

Each is registered as remote, with the schema's names, and what it hands out are Outputs: all that a generated SDK does.
The test puts the example's manifests beside this file.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, cast

import pulumi
import pulumi_kubernetes  # noqa: F401  # pyright: ignore[reportUnusedImport] - makes providers of references to them
import yaml
from pulumi_azure_native import authorization


class Hosted(pulumi.ComponentResource):
    """A component of the provider."""

    def __init__(self, kind: str, name: str, inputs: Mapping[str, Any], *outputs: str) -> None:
        super().__init__(f"fleet-l4-lb:index:{kind}", name, {**dict.fromkeys(outputs), **inputs}, remote=True)

    def output(self, name: str) -> Any:  # noqa: ANN401 - an Output of any resource, whose attributes are lifted
        """Return what the component hands out."""
        return self.__dict__[name]


locations = cast("list[str]", pulumi.Config().require_object("locations"))
admins = {"deployer": {"objectId": authorization.get_client_config_output().object_id, "type": "User"}}


def documents(folder: str) -> dict[str, Any]:
    """Return the objects in a folder of manifests, by their kind."""
    members = json.dumps(sorted(f"podinfo-{location}" for location in locations))
    values = {"namespace": "podinfo", "service": "podinfo", "members": members}
    return {
        document["kind"]: document
        for file in (Path(__file__).parent / "manifests" / folder).iterdir()
        for document in yaml.safe_load_all(Template(file.read_text()).safe_substitute(values))
    }


clusters = {
    location: Hosted(
        "RegionalCluster",
        location,
        {
            "location": location,
            "resourceGroupName": f"rg-podinfo-{location}",
            "virtualNetworkName": f"vnet-{location}",
            "addressSpace": f"10.{number}.0.0/16",
            "subnetName": "nodes",
            "nodeSubnet": f"10.{number}.0.0/24",
            "clusterName": f"podinfo-{location}",
            "serviceCidr": "10.0.0.0/16",
            "dnsServiceIp": "10.0.0.10",
            "nodePool": {"vmSize": "Standard_D4ds_v5", "maxPods": 30, "count": 1},
            "tier": "Free",
            "kubeloginMode": "azurecli",
        },
        *("virtualNetwork", "subnet", "cluster", "kubeconfig", "kubernetes"),
    )
    for number, location in enumerate(locations, start=1)
}
networks = Hosted(
    "PeeredNetworks",
    "mesh",
    {
        "networks": {
            location: {
                "virtualNetwork": cluster.output("virtualNetwork"),
                "resourceGroupName": f"rg-podinfo-{location}",
                "subnet": cluster.output("subnet"),
            }
            for location, cluster in clusters.items()
        }
    },
    "last",
)
fleet = Hosted(
    "FleetHub",
    "hub",
    {
        "location": locations[0],
        "resourceGroupName": "rg-podinfo-fleet",
        "fleetName": "podinfo",
        "members": {
            location: {
                "name": f"podinfo-{location}",
                "clusterId": cluster.output("cluster").id,
                "updateGroup": location,
                "peering": networks.output("last")[location],
            }
            for location, cluster in clusters.items()
        },
        "admins": admins,
        "kubeloginMode": "azurecli",
    },
    *("fleet", "kubeconfig", "kubernetes"),  # and `members`, which is also an input
)
of_fleet = documents("fleet")
app = Hosted(
    "MultiClusterApp",
    "app",
    {
        "manifests": {
            "namespace": "podinfo",
            "service": "podinfo",
            "app": list(documents("app").values()),
            "export": of_fleet["ServiceExport"],
            "placement": of_fleet["ClusterResourcePlacement"],
            "entryPoint": of_fleet["MultiClusterService"],
        },
        "hub": fleet.output("kubernetes"),
        "members": [fleet.output("members")[location] for location in locations],
        "entries": {
            "podinfo": {name: clusters[locations[0]].output(name) for name in ("cluster", "kubernetes", "kubeconfig")}
        },
    },
    *("url", "externalIp"),
)
pulumi.export("url", app.output("url"))
pulumi.export("externalIp", app.output("externalIp"))
pulumi.export("service", "podinfo/podinfo")
pulumi.export("entryServices", {locations[0]: "podinfo"})
pulumi.export("entryAddresses", {locations[0]: app.output("externalIp")})
pulumi.export("fleetId", fleet.output("fleet").id)
pulumi.export("clusterIds", {location: cluster.output("cluster").id for location, cluster in clusters.items()})
pulumi.export("memberNames", {location: fleet.output("members")[location].name for location in locations})
pulumi.export("hubKubeconfig", fleet.output("kubeconfig"))
pulumi.export("kubeconfigs", {location: cluster.output("kubeconfig") for location, cluster in clusters.items()})
