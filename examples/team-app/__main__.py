"""A team's app on the fleet of another stack: only the app, in a namespace that the platform's stack has made."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pulumi
import pulumi_kubernetes as k8s
from fleet_l4_lb import EntryPointArgs, MultiClusterApp, MultiClusterAppArgs, load_manifests

config = pulumi.Config()
name, entry = config.require("name"), config.require("entryRegion")
platform = pulumi.StackReference(config.require("platform"))


def cluster(region: str | None) -> tuple[pulumi.Output[str], k8s.Provider]:
    """Return the log-in to a region's cluster, or to the hub, and the provider for objects on it."""

    def of_region(output: str) -> pulumi.Output[str]:
        return platform.require_output(output).apply(lambda found: found[region])

    kubeconfig = of_region("kubeconfigs") if region else platform.require_output("hubKubeconfig")
    provider = k8s.Provider(
        region or "hub",
        kubeconfig=kubeconfig,
        cluster_identifier=of_region("clusterIds") if region else platform.require_output("fleetId"),
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
    return kubeconfig, provider


async def team() -> dict[str, pulumi.Input[object]]:
    """Deploy the app, and return the stack's outputs."""
    names, regions = [
        cast("Mapping[str, Any]", (await platform.get_output_details(output)).value or {})
        for output in ("memberNames", "teamRegions")
    ]
    members = {region: str(names[region]) for region in regions.get(name, ())}
    if entry not in members:
        known = ", ".join(members) or "none: the platform's stack has no such team, or is older than this program"
        raise pulumi.RunError(f"entryRegion {entry} is not a region of the namespace {name}; these are {known}")
    manifests = load_manifests(
        Path(__file__).parent / "manifests", namespace=name, service="web", members=[*members.values()], team=True
    )
    kubeconfig, kubernetes = cluster(entry)
    app = MultiClusterApp(
        name,
        MultiClusterAppArgs(
            manifests=manifests,
            hub=cluster(None)[1],
            member_names=[*members.values()],
            entries={"web": EntryPointArgs(kubernetes=kubernetes, kubeconfig=kubeconfig)},
        ),
    )
    # What `python -m verify` reads.
    return {
        "url": app.url,
        "externalIp": app.external_ip,
        "service": f"{name}/web",
        "ports": app.ports,
        "entryServices": {entry: "web"},
        "entryAddresses": {entry: app.external_ip},
        "regions": [*members],
        "ownsFleet": False,
        "platform": platform.name,
        **{
            output: platform.require_output(output)
            for output in ("fleetId", "clusterIds", "memberNames", "hubKubeconfig", "kubeconfigs")
        },
    }


pulumi.run(team)
