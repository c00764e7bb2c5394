"""Fleets, their members, and the members' updates."""

import re
from collections.abc import Collection, Iterator
from ipaddress import ip_network
from string import ascii_lowercase
from typing import Final
from uuid import uuid4

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.azure.access import IDENTITY, ROLE_ASSIGNMENT, may_join, principals_of
from rehearsal.azure.arm import (
    Name,
    Record,
    ResourceType,
    Subscription,
    known,
    last_segment,
    listed,
    nested,
    resource_group_of,
    short_location,
    some_of,
    subscription_of,
    system_data,
)
from rehearsal.azure.clusters import identity_outputs, require_api_subnet, require_rest, server_name, server_url
from rehearsal.azure.network import overlaps, prefixes
from rehearsal.core import delays
from rehearsal.core.protocol import Problem, Properties

FLEET: Final = "azure-native:containerservice:Fleet"
MEMBER: Final = "azure-native:containerservice:FleetMember"

_API_VERSION = "2024-05-02-preview"
_SOURCE = "learn: templates/microsoft.containerservice/fleets"
_HUB_KUBERNETES_VERSION = "1.34.0"
_MAX_MEMBERS = 1000  # learn: kubernetes-fleet/faq (since 2026-06-01)
_MAX_STAGE_GROUPS = 50  # learn: kubernetes-fleet/concepts-update-orchestration


# A hub's properties that cannot change (`x-ms-mutability: [read, create]` in Azure/azure-rest-api-specs, fleets.json).
# They are inside a property that forces no replacement, so azure-native plans an update (azure-native,
# gen/properties.go, `forceNew`).
_HUB_KEEPS: Final = (
    "agentProfile.subnetId",
    "agentProfile.vmSize",
    "apiServerAccessProfile.enablePrivateCluster",
    "apiServerAccessProfile.enableVnetIntegration",
    "apiServerAccessProfile.subnetId",
    "dnsPrefix",
)


def _at(properties: Properties, path: str) -> object:
    *steps, last = path.split(".")
    for step in steps:
        properties = nested(properties, step)
    return properties.get(last)


def _pattern(longest: int) -> str:
    return rf"(?=.{{1,{longest}}}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?"


def _etag() -> str:
    return f'"{uuid4()}"'


class Fleet(ResourceType):
    """A fleet, with a hub if it has a hub profile."""

    kind = "Microsoft.ContainerService/fleets"
    api_version = _API_VERSION
    name = Name("fleetName", _pattern(63), _SOURCE, "random")
    located = True
    immutable = ("location",)

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del resource_id
        if old is None:
            _admit_hub(subscription, inputs)
        hub = nested(old["outputs"], "hubProfile") if old else {}
        if hub and inputs.get("hubProfile") is None:
            raise errors.HUB_CANNOT_BE_REMOVED.refusal()
        for path in _HUB_KEEPS:
            was, wanted = _at(hub, path), _at(nested(inputs, "hubProfile"), path)
            if hub and wanted and was != wanted:
                raise errors.HUB_PROPERTY_CHANGE_NOT_ALLOWED.refusal(path=path)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del resource_id
        outputs: Properties = {
            "eTag": _etag(),
            "identity": identity_outputs(subscription, inputs, old),
            "provisioningState": "Succeeded",
            "systemData": system_data(subscription, old),
        }
        profile = inputs.get("hubProfile")
        if profile is not None:
            # Azure's answer does not contain a prefix that Azure generated (Azure/azure-cli-extensions, recording
            # test_fleet_hubful, also of 2024-05-02-preview: hub-gqlwcz-jsi3bzdq). It contains a given one
            # (Azure/azure-service-operator, recording Test_AKS_Fleet_20250301).
            prefix = profile.get("dnsPrefix") or f"hub-{some_of(ascii_lowercase, 6)}"
            fqdn = nested(old, "hubProfile").get("fqdn") or server_name(prefix, short_location(inputs["location"]))
            outputs["hubProfile"] = {
                **profile,
                "fqdn": fqdn,
                "kubernetesVersion": _HUB_KUBERNETES_VERSION,
                "portalFqdn": fqdn.replace(".hcp.", ".portal.hcp."),
            }
        return outputs

    @override
    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        hub = record["outputs"].get("hubProfile")
        if hub and not (old and old["outputs"].get("hubProfile")):
            subscription.clusters.add_hub(record["id"], server_url(hub["fqdn"]))
            for member in subscription.all_of(MEMBER, record["id"]):
                _join(subscription, record, member)

    @override
    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        del to_delete
        subscription.clusters.remove(record["id"])


_HUB_SERVICES: Final = ip_network("10.0.0.0/16")


def _admit_hub(subscription: Subscription, inputs: Properties) -> None:
    """Refuse a private hub without its parts, and a public one with them.

    Source of the rules: learn: kubernetes-fleet/quickstart-create-fleet-and-members.
    """
    hub = nested(inputs, "hubProfile")
    access = nested(hub, "apiServerAccessProfile")
    nodes = str(nested(hub, "agentProfile").get("subnetId") or "")
    api_server = str(access.get("subnetId") or "")
    private = access.get("enablePrivateCluster")
    if nodes and not private:
        raise errors.AGENT_SUBNET_UNSUPPORTED.refusal()
    if api_server and not access.get("enableVnetIntegration"):
        raise errors.API_SERVER_SUBNET_UNSUPPORTED.refusal()
    if not private:
        return
    own = principals_of(subscription, inputs)
    needed = {"a subnet for its node": nodes, "a subnet for its API server": api_server, "an identity": own}
    if missing := [what for what, given in needed.items() if not given]:
        raise errors.PRIVATE_HUB_INCOMPLETE.refusal(missing=", ".join(missing))
    if hub.get("dnsPrefix"):
        raise errors.PRIVATE_HUB_DOMAIN_NAME.refusal()
    require_api_subnet(subscription, api_server)
    # The object ID of Fleet's resource provider is the tenant's. Here, it is any principal that is not of this cloud.
    others = {each["inputs"]["principalId"] for each in subscription.all_of(ROLE_ASSIGNMENT)}
    others -= {each["outputs"]["principalId"] for each in subscription.all_of(IDENTITY)}
    others -= {subscription.deployer.object_id}
    for subnet in (nodes, api_server):
        if overlaps(prefixes(subscription.require(subnet)["inputs"]), [_HUB_SERVICES]):
            raise errors.HUB_RANGE_RESERVED.refusal(subnet=subnet)
    for who, principals, subnet in (
        ("The fleet's identity", own, nodes),
        ("The fleet's identity", own, api_server),
        ("Fleet's resource provider", others, nodes),
    ):
        if not may_join(subscription, principals, subnet):
            raise errors.HUB_SUBNET_ROLE_MISSING.refusal(who=who, subnet=subnet)


class FleetMember(ResourceType):
    """A cluster's membership in a fleet."""

    kind = "Microsoft.ContainerService/fleets/members"
    api_version = _API_VERSION
    name = Name("fleetMemberName", _pattern(50), _SOURCE, "copy")
    ancestors = ("fleetName",)
    immutable = ("clusterResourceId",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        group = known(inputs.get("group"))
        if group is not None and not re.fullmatch(_pattern(50), group):
            yield Problem("group", f"'{group}' does not match {_pattern(50)} ({_SOURCE})")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        cluster = subscription.require(inputs["clusterResourceId"])
        if cluster["outputs"]["provisioningState"] == "Failed":
            raise errors.MEMBER_CLUSTER_FAILED.refusal(cluster=cluster["id"])
        fleet_id = resource_id.rsplit("/", 2)[0]
        for other in subscription.all_of(MEMBER):
            if other is not old and other["inputs"]["clusterResourceId"].lower() == cluster["id"].lower():
                raise errors.CLUSTER_ALREADY_JOINED_ANOTHER_FLEET.refusal(cluster=cluster["id"], member=other["id"])
        if old is None:
            require_rest(cluster)
        if old is None and len(subscription.all_of(MEMBER, fleet_id)) >= _MAX_MEMBERS:
            raise errors.TOO_MANY_MEMBERS.refusal(most=_MAX_MEMBERS)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del resource_id, inputs
        return {
            "eTag": _etag(),
            "provisioningState": "Succeeded",
            "systemData": system_data(subscription, old),
        }

    @override
    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        if old is None:
            _join(subscription, subscription.require(record["id"].rsplit("/", 2)[0]), record)
            cluster = subscription.require(record["inputs"]["clusterResourceId"])
            cluster["outputs"]["provisioningState"] = "Updating"
            cluster["busy_until"] = subscription.clusters.now + delays.CLUSTER_UPDATING

    @override
    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        fleet_id = record["id"].rsplit("/", 2)[0]
        # Deleting the fleet deletes its hub, and with it the webhook that refuses to remove members with exports.
        if fleet_id.lower() not in to_delete:
            subscription.clusters.leave(subscription.require(fleet_id)["id"], last_segment(record["id"]))


def _join(subscription: Subscription, fleet: Record, member: Record) -> None:
    if not fleet["outputs"].get("hubProfile"):
        return
    cluster, name = subscription.require(member["inputs"]["clusterResourceId"]), last_segment(member["id"])
    # Documented in learn: kubernetes-fleet/concepts-member-cluster-labels.
    labels = {
        "fleet.azure.com/location": short_location(cluster["inputs"]["location"]),
        "fleet.azure.com/resource-group": resource_group_of(cluster["id"]),
        "fleet.azure.com/subscription-id": subscription_of(cluster["id"]),
        "fleet.azure.com/cluster-name": last_segment(cluster["id"]),
        "fleet.azure.com/member-name": name,
    }
    subscription.clusters.join(fleet["id"], name, cluster["id"], labels)


class FleetUpdateStrategy(ResourceType):
    """The stages in which a fleet's members are updated.

    Source of the rules: Azure/azure-rest-api-specs, fleets.json, UpdateRunStrategy, UpdateStage and UpdateGroup; for
    the most groups in a stage: learn: kubernetes-fleet/concepts-update-orchestration. Azure's texts are not documented.
    """

    kind = "Microsoft.ContainerService/fleets/updateStrategies"
    api_version = _API_VERSION
    name = Name("updateStrategyName", _pattern(50), _SOURCE, "copy")
    ancestors = ("fleetName",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        stages = listed(nested(inputs, "strategy"), "stages")
        names = [known(stage["name"]) for stage in stages]
        groups = [known(group["name"]) for stage in stages for group in listed(stage, "groups")]
        if not stages:
            yield Problem("strategy.stages", "at least one stage is needed")
        for index, stage in enumerate(stages):
            number = len(listed(stage, "groups"))
            if not 1 <= number <= _MAX_STAGE_GROUPS:
                yield Problem(f"strategy.stages[{index}].groups", f"1 to {_MAX_STAGE_GROUPS} groups, not {number}")
        for kind, given in (("stage", names), ("group", groups)):
            for name in sorted({name for name in given if name}):
                if given.count(name) > 1:
                    yield Problem("strategy.stages", f"the {kind} '{name}' is listed {given.count(name)} times")
                if not re.fullmatch(_pattern(50), name):
                    yield Problem("strategy.stages", f"'{name}' does not match {_pattern(50)} ({_SOURCE})")

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del resource_id
        # Azure accepts groups without members (Azure/azure-cli-extensions, recording test_fleet_hubless, also of
        # 2024-05-02-preview). Azure returns a missing wait as 0 (Azure/azure-service-operator, recording
        # Test_Containerservice_v1api20250301).
        stages = [{"afterStageWaitInSeconds": 0, **stage} for stage in inputs["strategy"]["stages"]]
        return {
            "eTag": _etag(),
            "provisioningState": "Succeeded",
            "strategy": {**inputs["strategy"], "stages": stages},
            "systemData": system_data(subscription, old),
        }


class AutoUpgradeProfile(ResourceType):
    """The rule for automatic updates of a fleet's members."""

    kind = "Microsoft.ContainerService/fleets/autoUpgradeProfiles"
    api_version = _API_VERSION
    name = Name("autoUpgradeProfileName", _pattern(50), _SOURCE, "copy")
    ancestors = ("fleetName",)
    immutable = ("channel", "disabled", "nodeImageSelection", "updateStrategyId")

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        channel = known(inputs.get("channel"))
        if channel is not None and channel not in ("NodeImage", "Rapid", "Stable"):
            # Source: learn: rest/api/fleet/auto-upgrade-profiles/create-or-update
            yield Problem("channel", f"'{channel}' is not one of 'NodeImage', 'Rapid', 'Stable'")
        if channel == "NodeImage" and inputs.get("nodeImageSelection") is not None:
            # Source: Azure/azure-cli-extensions, src/fleet/azext_fleet/custom.py
            yield Problem("nodeImageSelection", "must not be given for the channel NodeImage")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del resource_id, old
        if inputs.get("updateStrategyId"):
            subscription.require(inputs["updateStrategyId"])

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del resource_id
        return {
            "disabled": inputs.get("disabled", False),
            "eTag": _etag(),
            "provisioningState": "Succeeded",
            "systemData": system_data(subscription, old),
        }
