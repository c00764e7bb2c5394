"""What a plan would deploy, in quantities without prices.

    pulumi preview --json --show-sames | python -m quantities

It reads nothing but the plan: it counts every Azure resource in it, of any type, and adds what Azure makes for them.
Each row that follows from a rule of Azure names the rule, and the rule its source.
"""

import json
import re
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any, Final, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

JSON: TypeAlias = dict[str, Any]

_CLUSTER: Final = "azure-native:containerservice:ManagedCluster"
_POOL: Final = "azure-native:containerservice:AgentPool"
_FLEET: Final = "azure-native:containerservice:Fleet"
_MEMBER: Final = "azure-native:containerservice:FleetMember"
_NETWORK: Final = "azure-native:network:VirtualNetwork"
_PEERING: Final = "azure-native:network:VirtualNetworkPeering"
_DIAGNOSTICS: Final = "azure-native:monitor:DiagnosticSetting"
_SERVICE: Final = "kubernetes:core/v1:Service"
_ENTRY: Final = "kubernetes:networking.fleet.azure.com/v1alpha1:MultiClusterService"
_INTERNAL: Final = "/azure-load-balancer-internal"  # the end of an annotation, of Services and MultiClusterServices
_DEFAULT_SURGE: Final = "10%"
_EXISTING: Final = "existing: "

RULES: Final = {
    "disks": "Each node has one OS disk. If the pool sets neither type nor size, Azure chooses: an ephemeral disk, "
    "which is part of the VM, if the VM size has 128 GiB or more of temporary storage, as Standard_D8ds_v5 "
    "has; else a managed disk of 128 GiB (1 to 7 vCPUs), 256 (8 to 15), 512 (16 to 63) or 1024 [learn: "
    "aks/concepts-storage].",
    "upgrades": "During an upgrade, a pool has upgradeSettings.maxSurge more nodes, a share rounded up. Without it, "
    "10 % [learn: aks/upgrade-aks-cluster].",
    "hub": "Azure makes a fleet's hub: an AKS cluster of the Standard tier with one node [learn: "
    "kubernetes-fleet/concepts-choosing-fleet]. Its disk, load balancer and outbound address are assumed to "
    "be those of any AKS cluster.",
    "outbound": "A cluster with outboundType loadBalancer, the default, has a load balancer with one public address "
    "for outbound traffic, or loadBalancerProfile.managedOutboundIPs.count [learn: aks/load-balancer-standard].",
    "api": "A private API server with VNet integration is behind an internal load balancer in its subnet [learn: "
    "aks/api-server-vnet-integration]. That of a private hub is assumed to be so too.",
    "services": "AKS gives an address to each MultiClusterService and each Service of type LoadBalancer; to one that "
    "is placed from the hub, in each member. Public ones share the cluster's load balancer, internal ones have a "
    "second one [learn: aks/internal-lb].",
}
"""What Azure adds to a plan, each with its source."""

_ADDRESS: Final = "public IP address"
_FIRST: Final = ("node", "OS disk", "managed cluster", "hub cluster", "load balancer", _ADDRESS)


class PlanError(Exception):
    """The input is not a plan that can be counted."""


@dataclass(frozen=True)
class Quantity:
    """A row of the table.

    Attributes:
        what: the thing that is counted, such as `node`.
        kind: its size, tier or purpose.
        location: the Azure region; the name of an existing resource whose region is not in the plan; or nothing.
        least: how many there are at least.
        most: how many there are at most, without those of an upgrade.
        upgrade: how many there are at most during an upgrade.
        rule: the key of a rule in `RULES`; empty if the plan itself has them.
    """

    what: str
    kind: str
    location: str
    least: int
    most: int
    upgrade: int
    rule: str = ""


@dataclass(frozen=True)
class Formula:
    """A quantity that depends on the load, which no plan knows.

    Attributes:
        what: the quantity.
        formula: how it is computed.
        source: where the formula comes from.
    """

    what: str
    formula: str
    source: str


@dataclass(frozen=True)
class Quota:
    """What to compare with the quotas of a region, which only Azure knows.

    Attributes:
        location: the Azure region.
        addresses: the public addresses that the plan has there, those that Azure makes too.
        commands: what shows how much of each quota is left.
    """

    location: str
    addresses: int
    commands: Sequence[str]


class Plan:
    """The resources that a stack has after an update.

    Args:
        digest: the output of `pulumi preview --json --show-sames`.
    """

    def __init__(self, digest: JSON) -> None:
        if errors := [each["message"] for each in digest.get("diagnostics", ()) if each.get("severity") == "error"]:
            raise PlanError("the preview failed:\n" + "".join(errors).rstrip())
        steps: list[JSON] = digest["steps"]
        if sum(step["op"] == "same" for step in steps) < digest.get("changeSummary", {}).get("same", 0):
            raise PlanError("the plan lacks the unchanged resources: run `pulumi preview` with --show-sames")
        # Deletions have no new state; a replacement has several steps for one URN.
        self._resources: dict[str, JSON] = {step["urn"]: step["newState"] for step in steps if step.get("newState")}

    def _of(self, *types: str) -> Iterator[JSON]:
        """Yield the resources of some types, also those that are only looked up."""
        return (state for state in self._resources.values() if state["type"] in types)

    def _made(self) -> Iterator[JSON]:
        """Yield the Azure resources that belong to the stack."""
        for state in self._resources.values():
            if state["type"].startswith("azure-native:") and not state.get("external"):
                yield state

    def _behind(self, state: JSON, key: str) -> JSON:
        """Return the cluster, fleet or network that a property of a resource comes from; empty if it has none."""
        for urn in _at(state, "propertyDependencies", key) or ():
            found = self._resources.get(urn, {})
            if found.get("type") in (_CLUSTER, _FLEET, _NETWORK):
                return found
        return {}

    @staticmethod
    def _place(state: JSON) -> str:
        """Return a resource's region, the name of an existing one whose region is not in the plan, or nothing."""
        location = _at(state, "inputs", "location") or _at(state, "outputs", "location") or ""
        if not location and state.get("external"):
            return f"{_EXISTING}{state['id'].rpartition('/')[2]}"
        return re.sub(r"\s", "", location).lower()

    # The quantities.

    def quantities(self) -> list[Quantity]:
        """Return the rows: nodes, disks, clusters, load balancers and addresses first."""
        summed = dict[tuple[str, str, str, str], tuple[int, int, int]]()
        for row in (
            *(*self._resources_by_kind(), *self._nodes(), *self._hubs(), *self._api_servers()),
            *self._balanced(),
        ):
            key, numbers = (row.what, row.kind, row.location, row.rule), (row.least, row.most, row.upgrade)
            before = summed.get(key, (0, 0, 0))
            summed[key] = (before[0] + numbers[0], before[1] + numbers[1], before[2] + numbers[2])
        rows = [Quantity(*key[:3], *numbers, key[3]) for key, numbers in summed.items()]
        order = {what: place for place, what in enumerate(_FIRST)}
        return sorted(rows, key=lambda row: (order.get(row.what, len(order)), row.what, row.kind, row.location))

    def _resources_by_kind(self) -> Iterator[Quantity]:
        for state in self._made():
            if state["type"] != _POOL:
                yield _some(_words(state["type"]), self._kind(state), self._place(state))

    def _kind(self, state: JSON) -> str:
        if state["type"] == _PEERING:
            # The ID of the other network can come from both: whether they are one is checked before they are peered.
            urns = {
                urn
                for key in ("virtualNetworkName", "remoteVirtualNetwork")
                for urn in _at(state, "propertyDependencies", key) or ()
            }
            networks = [each for urn in urns if (each := self._resources.get(urn, {})).get("type") == _NETWORK]
            places = {self._place(network) for network in networks}
            if len(networks) == 1 or any(place.startswith(_EXISTING) or not place for place in places):
                return "to an existing network"
            return "within a region" if len(places) == 1 else "between regions"
        # A cluster's `name` is Base in every tier but one, and says nothing about cost.
        parts = ("tier",) if state["type"] == _CLUSTER else ("name", "tier")
        return " ".join(filter(None, (_at(state, "inputs", "sku", part) for part in parts)))

    def _pools(self) -> Iterator[tuple[JSON, JSON]]:
        """Yield each node pool, after its cluster."""
        for state in self._made():
            if state["type"] == _CLUSTER:
                yield from ((state, pool) for pool in _at(state, "inputs", "agentPoolProfiles") or ())
            elif state["type"] == _POOL:
                yield self._cluster_of(state), state["inputs"]

    def _cluster_of(self, pool: JSON) -> JSON:
        if found := self._behind(pool, "resourceName"):
            return found
        name = pool["inputs"]["resourceName"]
        return next((each for each in self._of(_CLUSTER) if _at(each, "inputs", "resourceName") == name), found)

    def _nodes(self) -> Iterator[Quantity]:
        for cluster, pool in self._pools():
            least, most = _size(pool)
            numbers = (self._place(cluster), least, most, most + _surge(pool, most))
            disk = [pool.get("osDiskType"), f"{pool['osDiskSizeGB']} GiB" if pool.get("osDiskSizeGB") else None]
            yield Quantity("node", pool["vmSize"], *numbers, "upgrades")
            yield Quantity("OS disk", " ".join(filter(None, disk)) or f"for {pool['vmSize']}", *numbers, "disks")

    def _hubs(self) -> Iterator[Quantity]:
        for fleet in self._made():
            if fleet["type"] == _FLEET and _at(fleet, "inputs", "hubProfile") is not None:
                size = _at(fleet, "inputs", "hubProfile", "agentProfile", "vmSize") or "a size that Azure chooses"
                for what, kind in (
                    *(("hub cluster", "Standard"), ("node", f"hub, {size}"), ("OS disk", "for the hub's node")),
                    *(("load balancer", "by AKS, hub"), (_ADDRESS, "by AKS, outbound of the hub")),
                ):
                    yield _some(what, kind, self._place(fleet), rule="hub")

    def _api_servers(self) -> Iterator[Quantity]:
        for state in self._made():
            if _at(state, "inputs", "apiServerAccessProfile", "enableVnetIntegration"):
                yield _some("load balancer", "by AKS, API server", self._place(state), rule="api")
            if _at(state, "inputs", "hubProfile", "apiServerAccessProfile", "enableVnetIntegration"):
                yield _some("load balancer", "by AKS, API server of the hub", self._place(state), rule="api")

    def _balanced(self) -> Iterator[Quantity]:
        """Yield the load balancers and addresses that AKS makes."""
        balancers = dict[tuple[str, str], Quantity]()
        for cluster in self._made():
            network: JSON = _at(cluster, "inputs", "networkProfile") or {}
            if cluster["type"] == _CLUSTER and network.get("outboundType", "loadBalancer") == "loadBalancer":
                count = _at(network, "loadBalancerProfile", "managedOutboundIPs", "count") or 1
                place = self._place(cluster)
                yield _some(_ADDRESS, "by AKS, outbound", place, count, "outbound")
                balancers[cluster["urn"], "public"] = _some("load balancer", "by AKS, public", place, rule="outbound")
        for cluster, access in self._services():
            if access == "public":
                yield _some(_ADDRESS, "by AKS, of a Service", self._place(cluster), rule="services")
            if not cluster.get("external"):  # an existing cluster may have the load balancer already
                balancer = _some("load balancer", f"by AKS, {access}", self._place(cluster), rule="services")
                balancers.setdefault((cluster.get("urn", ""), access), balancer)
        yield from balancers.values()

    def _services(self) -> Iterator[tuple[JSON, str]]:
        """Yield the cluster of each Service that gets an address, and whether that is `public` or `internal`."""
        members = [self._behind(member, "clusterResourceId") for member in self._of(_MEMBER)]
        for state in self._of(_ENTRY, _SERVICE):
            if state["type"] == _ENTRY or _at(state, "inputs", "spec", "type") == "LoadBalancer":
                annotations: JSON = _at(state, "inputs", "metadata", "annotations") or {}
                internal = any(key.endswith(_INTERNAL) and value == "true" for key, value in annotations.items())
                provider = self._resources.get(state["provider"].rpartition("::")[0], {})
                on = self._behind(provider, "clusterIdentifier")
                for cluster in members if on.get("type") == _FLEET else [on]:
                    yield cluster, "internal" if internal else "public"

    def quotas(self) -> list[Quota]:
        """Return the regions with nodes or public addresses."""
        rows = [row for row in self.quantities() if row.location and not row.location.startswith(_EXISTING)]
        addresses = Counter[str]()
        for row in rows:
            addresses[row.location] += row.most if row.what == _ADDRESS else 0
        used = dict.fromkeys(row.location for row in rows if row.what in ("node", _ADDRESS))
        # The commands are in learn: cli/azure/vm and cli/azure/network.
        commands = (
            "az vm list-usage --location {} --output table",
            "az network list-usages --location {} --output table",
        )
        return [Quota(place, addresses[place], [each.format(place) for each in commands]) for place in sorted(used)]

    # What depends on the load.

    def formulas(self) -> list[Formula]:
        """Return the quantities that depend on the load."""
        count = len({self._place(cluster) for cluster in self._of(_CLUSTER)} - {""})
        traffic = (
            f"GB between regions = GB through the entry points * ({count} - 1) / {count}, if every region has the same "
            "number of pods. A peering between regions bills each GB in both regions."
        )
        formulas = [Formula("logs", self._logs(), "learn: azure-monitor/logs/analyze-usage")]
        if count > 1:
            formulas.append(Formula("traffic", traffic, "docs/azure.md, What it costs"))
        return formulas

    def _logs(self) -> str:
        logs = [log for state in self._of(_DIAGNOSTICS) for log in _at(state, "inputs", "logs") or ()]
        categories = sum(log["enabled"] for log in logs)
        sizes = [
            _size(pool)
            for cluster, pool in self._pools()
            if _at(cluster, "inputs", "addonProfiles", "omsagent", "enabled")
        ]
        terms = [f"{categories} log categories * GB a day of one"] if categories else []
        if sizes:
            least, most = map(sum, zip(*sizes, strict=True))
            terms.append(f"{_range(least, most)} nodes with Container Insights * GB a day of one node's containers")
        if not terms:
            return "GB a month = 0: the plan has neither diagnostic settings with logs nor Container Insights."
        return (
            f"GB a month = 30 * ({' + '.join(terms)}). After a day, the workspace has the true figures: "
            "Usage | where IsBillable | summarize sum(Quantity) by DataType"
        )


def _at(value: Any, *path: str) -> Any:  # noqa: ANN401 - JSON
    """Return the value at a path; None if there is none."""
    for key in path:
        value = value.get(key) if value else None
    return value


def _words(token: str) -> str:
    """Return `public IP address` for `azure-native:network:PublicIPAddress`."""
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", token.rpartition(":")[2])
    return " ".join(word if word.isupper() else word.lower() for word in words)


def _some(what: str, kind: str, location: str, count: int = 1, rule: str = "") -> Quantity:
    return Quantity(what, kind, location, count, count, count, rule)


def _size(pool: JSON) -> tuple[int, int]:
    """Return the least and the greatest number of nodes of a pool."""
    keys = ("minCount", "maxCount") if pool.get("enableAutoScaling") else ("count", "count")
    try:
        least, most = (int(pool[key]) for key in keys)
    except (KeyError, ValueError):  # such as the text by which a preview marks an unknown value
        raise PlanError(
            f"the size of pool {pool.get('name') or pool.get('agentPoolName')} is not in the plan"
        ) from None
    return least, most


def _surge(pool: JSON, nodes: int) -> int:
    """Return the nodes that an upgrade adds; a share is rounded up."""
    surge = str(_at(pool, "upgradeSettings", "maxSurge") or _DEFAULT_SURGE)
    return ceil(nodes * int(surge[:-1]) / 100) if surge.endswith("%") else int(surge)


def _range(least: int, most: int) -> str:
    return str(most) if least == most else f"{least} to {most}"


def show(quantities: Sequence[Quantity], quotas: Sequence[Quota], formulas: Sequence[Formula]) -> None:
    """Print the table, and below it what to compare with quotas, the formulas, and the rules behind the rows."""
    rules = list(dict.fromkeys(row.rule for row in quantities if row.rule))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for heading in ("what", "kind", "region"):
        table.add_column(heading, overflow="fold")
    table.add_column("number", justify="right", no_wrap=True)
    table.add_column("in an upgrade", justify="right", no_wrap=True)
    table.add_column("rule", justify="right")
    for row in quantities:
        upgrade = f"up to {row.upgrade}" if row.upgrade != row.most else ""
        rule = f"[{rules.index(row.rule) + 1}]" if row.rule else ""
        cells = (row.what, row.kind, row.location, _range(row.least, row.most), upgrade, rule)
        table.add_row(*map(Text, cells))
    console = Console()
    console.print(table)
    if quotas:
        console.print(
            Text("\nquotas: compare the nodes and the public addresses of each region with what is left there")
        )
    for quota in quotas:
        console.print(Text(f"  {quota.location}, public addresses: {quota.addresses}"))
        for command in quota.commands:
            console.print(Text(f"    {command}"))
    for formula in formulas:
        console.print(Text(f"\n{formula.what}: {formula.formula} [{formula.source}]"))
    for number, rule in enumerate(rules, 1):
        console.print(Text(f"\n[{number}] {RULES[rule]}"))


def main() -> int:
    """Read a plan from standard input, print its quantities, and return the exit status."""
    parser = ArgumentParser(prog="python -m quantities", description=f"{(__doc__ or '').partition('.')[0]}.")
    parser.add_argument("--json", action="store_true", help="print JSON in place of a table")
    arguments = parser.parse_args()
    try:
        plan = Plan(json.load(sys.stdin))
        quantities, quotas, formulas = plan.quantities(), plan.quotas(), plan.formulas()
    except (AttributeError, KeyError, TypeError, ValueError):
        sys.stderr.write("error: the input is not the output of `pulumi preview --json --show-sames`\n")
        return 1
    except PlanError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    if arguments.json:
        used = {row.rule for row in quantities}
        found = {
            "quantities": [asdict(row) for row in quantities],
            "quotas": [asdict(quota) for quota in quotas],
            "formulas": [asdict(formula) for formula in formulas],
            "rules": {key: text for key, text in RULES.items() if key in used},
        }
        sys.stdout.write(f"{json.dumps(found, indent=2, ensure_ascii=False)}\n")
    else:
        show(quantities, quotas, formulas)
    return 0


if __name__ == "__main__":
    sys.exit(main())
