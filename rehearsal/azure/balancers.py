"""Public addresses, and global load balancers over the frontends of regional ones."""

from collections.abc import Collection, Iterator
from typing import Any, Final
from uuid import uuid4

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.azure.arm import (
    Name,
    Record,
    ResourceType,
    Subscription,
    last_segment,
    listed,
    nested,
    short_location,
)
from rehearsal.azure.network import NAT_GATEWAY, RULES, etag
from rehearsal.core.protocol import UNKNOWN, Problem, Properties

PUBLIC_ADDRESS: Final = "azure-native:network:PublicIPAddress"
LOAD_BALANCER: Final = "azure-native:network:LoadBalancer"
_CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
# Source: learn: load-balancer/cross-region-overview, "Home regions in Azure"
_HOME_REGIONS: Final = (
    *("centralus", "chinanorth2", "eastasia", "eastus2", "northeurope"),
    *("southeastasia", "uksouth", "usgovvirginia", "westeurope", "westus"),
)
_SELF: Final = "$self/"


def _is_global(inputs: Properties) -> bool:
    return nested(inputs, "sku").get("tier") == "Global"


def _require_home(inputs: Properties) -> None:
    if _is_global(inputs) and short_location(inputs["location"]) not in _HOME_REGIONS:
        raise errors.GLOBAL_VIP_RANGE_NOT_FOUND.refusal()


class PublicIPAddress(ResourceType):
    """A public address; of the global tier, it is announced from many regions."""

    kind = "Microsoft.Network/publicIPAddresses"
    api_version = "2024-05-01"
    name = Name("publicIpAddressName", r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del subscription, old
        _require_home(inputs)
        if nested(inputs, "sku").get("name") == "Standard" and inputs.get("publicIPAllocationMethod") != "Static":
            raise errors.STANDARD_SKU_PUBLIC_IP_ADDRESSES_MUST_BE_STATIC.refusal(address=resource_id)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        del resource_id
        # Azure/azure-cli, recording test_network_cross_region_lb
        return {
            "etag": etag(),
            "idleTimeoutInMinutes": inputs.get("idleTimeoutInMinutes", 4),
            "ipAddress": old.get("ipAddress") or subscription.clusters.public_address(),
            "ipTags": [],
            "provisioningState": "Succeeded",
            "resourceGuid": old.get("resourceGuid") or str(uuid4()),
        }

    @override
    def admit_deletion(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        for gateway in subscription.all_of(NAT_GATEWAY):
            used = [each["id"].lower() for each in listed(gateway["inputs"], "publicIpAddresses")]
            if record["id"].lower() in used and gateway["id"].lower() not in to_delete:
                raise errors.PUBLIC_IP_ADDRESS_CANNOT_BE_DELETED.refusal(address=record["id"], user=gateway["id"])
        for balancer in subscription.all_of(LOAD_BALANCER):
            for frontend in listed(balancer["outputs"], "frontendIPConfigurations"):
                used = str(nested(frontend, "publicIPAddress").get("id")).lower()
                if used == record["id"].lower() and balancer["id"].lower() not in to_delete:
                    raise errors.PUBLIC_IP_ADDRESS_CANNOT_BE_DELETED.refusal(address=record["id"], user=frontend["id"])


class LoadBalancer(ResourceType):
    """A load balancer of the global tier. AKS creates the regional ones; no program does."""

    kind = "Microsoft.Network/loadBalancers"
    api_version = "2024-05-01"
    name = Name("loadBalancerName", r"[a-zA-Z0-9]([\w.-]{0,78}\w)?", RULES, "random")
    located = True
    immutable = ("location",)

    @override
    def problems(self, inputs: Properties) -> Iterator[Problem]:
        if inputs.get("sku") is not UNKNOWN and not _is_global(inputs):
            yield Problem("sku.tier", "the rehearsal supports only load balancers of the tier Global")
        for number, rule in enumerate(listed(inputs, "loadBalancingRules")):
            if isinstance(rule, dict) and rule.get("frontendPort") != rule.get("backendPort"):  # pyright: ignore[reportUnknownMemberType] - JSON
                # Source: learn: load-balancer/cross-region-overview
                path = f"loadBalancingRules[{number}].backendPort"
                yield Problem(path, "the backend port of a global rule is the frontend port of the regional one")

    @override
    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        del old
        _require_home(inputs)
        for frontend in listed(inputs, "frontendIPConfigurations"):
            if address := nested(frontend, "publicIPAddress").get("id"):
                subscription.require(address)
        for address in _addresses(inputs):
            frontend_id = _frontend(address)
            found = regional_frontends(subscription, frontend_id)
            if last_segment(frontend_id) not in found:
                raise errors.INVALID_RESOURCE_REFERENCE.refusal(referenced=frontend_id, user=resource_id)
            if not found[last_segment(frontend_id)]:
                raise errors.INTERNAL_FRONTEND_OF_GLOBAL_BALANCER.refusal(frontend=frontend_id)

    @override
    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        def part(kind: str, item: Properties, **more: Any) -> Properties:  # noqa: ANN401 - JSON
            given = {key: _resolved(value, resource_id) for key, value in item.items()}
            part_id = f"{resource_id}/{kind}/{item['name']}"
            return {**given, "etag": etag(), "id": part_id, "provisioningState": "Succeeded", **more}

        def address(item: Properties) -> Properties:
            found = regional_frontends(subscription, _frontend(item))
            # Azure fills in `ipAddress` (Azure/azure-cli, recording test_network_cross_region_lb).
            return {
                **item,
                "adminState": item.get("adminState", "None"),
                "ipAddress": found[last_segment(_frontend(item))],
            }

        pools = [
            part(
                "backendAddressPools",
                pool,
                loadBalancerBackendAddresses=[address(each) for each in listed(pool, "loadBalancerBackendAddresses")],
            )
            for pool in listed(inputs, "backendAddressPools")
        ]
        frontends = [
            part("frontendIPConfigurations", each, privateIPAllocationMethod="Dynamic")
            for each in listed(inputs, "frontendIPConfigurations")
        ]
        return {
            "backendAddressPools": pools,
            "etag": etag(),
            "frontendIPConfigurations": frontends,
            "loadBalancingRules": [part("loadBalancingRules", each) for each in listed(inputs, "loadBalancingRules")],
            "provisioningState": "Succeeded",
            "resourceGuid": old.get("resourceGuid") or str(uuid4()),
        }

    @override
    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        # An address that is pointed at another frontend keeps the old one "referenced" (Azure/azure-rest-api-specs
        # issue 16327; there even after the load balancer is deleted, which is not simulated).
        stale = [*old.get("stale", ())] if old else []
        now = {each["name"]: _frontend(each).lower() for each in _addresses(record["inputs"])}
        before = [(each["name"], _frontend(each)) for each in _addresses(old["inputs"])] if old else []
        stale += [frontend for name, frontend in before if now.get(name, frontend.lower()) != frontend.lower()]
        record["stale"] = stale
        subscription.put(record)
        ports = {
            int(rule["frontendPort"])
            for rule in listed(record["inputs"], "loadBalancingRules")
            if rule.get("enableFloatingIP") and str(rule["protocol"]).lower() == "tcp"
        }
        regional = [each["ipAddress"] for each in _addresses(record["outputs"])]
        for address in _public_addresses(subscription, record):
            subscription.clusters.balance(address, dict.fromkeys(regional, ports))

    @override
    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        del to_delete
        for address in _public_addresses(subscription, record):
            subscription.clusters.balance(address, {})


def _public_addresses(subscription: Subscription, balancer: Record) -> Iterator[str]:
    for frontend in listed(balancer["inputs"], "frontendIPConfigurations"):
        if found := subscription.find(str(nested(frontend, "publicIPAddress").get("id"))):
            yield found["outputs"]["ipAddress"]


def _resolved(value: Any, balancer_id: str) -> Any:  # noqa: ANN401 - JSON
    """Replace references to parts of the same resource, as azure-native does (SubResourceArgs)."""
    if isinstance(value, dict):
        return {key: _resolved(each, balancer_id) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType] - JSON
    if isinstance(value, list):
        return [_resolved(each, balancer_id) for each in value]  # pyright: ignore[reportUnknownVariableType] - JSON
    if isinstance(value, str) and value.startswith(_SELF):
        return f"{balancer_id}/{value.removeprefix(_SELF)}"
    return value


def _addresses(inputs: Properties) -> list[Properties]:
    pools = listed(inputs, "backendAddressPools")
    return [address for pool in pools for address in listed(pool, "loadBalancerBackendAddresses")]


def _frontend(address: Properties) -> str:
    return nested(address, "loadBalancerFrontendIPConfiguration")["id"]


def regional_frontends(subscription: Subscription, frontend_id: str) -> dict[str, str]:
    """Return the frontends beside one, on the load balancer that AKS has made: names, and public addresses if any."""
    group = frontend_id.split("/")[4].lower()
    for cluster in subscription.all_of(_CLUSTER):
        if str(cluster["outputs"]["nodeResourceGroup"]).lower() == group:
            return subscription.clusters.frontends(cluster["id"])
    return {}


def referring(subscription: Subscription, node_group: str) -> Iterator[tuple[Record, str]]:
    """Yield the global load balancers that refer to frontends in a group of nodes, and the frontends' ids."""
    for balancer in subscription.all_of(LOAD_BALANCER):
        used = [*map(_frontend, _addresses(balancer["inputs"])), *balancer.get("stale", ())]
        for frontend_id in used:
            if frontend_id.split("/")[4].lower() == node_group.lower():
                yield balancer, frontend_id
