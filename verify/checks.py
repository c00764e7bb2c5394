"""The checks of a deployment: each has a finding and, if it fails, a remedy.

A check returns its finding, or raises `CheckFailedError`. Sources of the conditions that Fleet's objects must have:
Azure/fleet v0.18.12, Azure/fleet-networking v0.3.25.
"""

import ipaddress
import json
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from threading import BoundedSemaphore
from typing import Final

from fleet_clusters import endpoints, rollouts, traffic
from fleet_clusters.api_server import Answer, ClusterClient
from fleet_clusters.endpoints import SYSTEM
from fleet_clusters.errors import AccessDeniedError, CheckFailedError
from fleet_clusters.frontends import frontend_name
from fleet_clusters.objects import Object, part
from verify.outputs import App, Outputs, Port

# After this time without a report, the hub calls a member unhealthy (Azure/fleet v0.18.12,
# charts/hub-agent/values.yaml).
_SILENCE: Final = timedelta(minutes=3)
_CLIENTS: Final = 16  # requests at a time, to all addresses together: with more, this machine would delay the answers
_TURNS: Final = BoundedSemaphore(_CLIENTS)

_FLEET: Final = "/apis/cluster.kubernetes-fleet.io/v1"
_PLACEMENT: Final = "/apis/placement.kubernetes-fleet.io/v1"
_NETWORKING: Final = "networking.fleet.azure.com"
_CLAIM: Final = f"{_NETWORKING}/service-in-use-by"
_DERIVED: Final = f"{_NETWORKING}/derived-service"  # a MultiClusterService's label: the Service that Fleet made for it

_AGAIN: Final = "`pulumi up --refresh`"
LOST: Final = "docs/operations.md, “A region no longer answers”"
"""The remedy for a lost region."""
BACK: Final = "docs/operations.md, “When the region is back”"
"""What to do when a lost region answers again."""
GONE: Final = "docs/operations.md, “A region is lost for good”"
"""What to do about a region that never comes back."""

_NONE: Final = App.model_construct()

Check = tuple[str, Callable[[], str]]
"""The check's name, and its function, which returns the finding or raises `CheckFailedError`, or `NotCheckedError`."""


class NotCheckedError(Exception):
    """A check was left out; the message says why."""


@dataclass(frozen=True)
class Deployment:
    """The deployment to verify.

    Attributes:
        outputs: the stack's outputs.
        hub: the fleet's hub.
        clusters: the members, by the name of their region.
        requests: the number of requests to a URL, and of connections to each other TCP port.
        app: the Service to verify; empty for checks that concern no app.
        section: the app's section in the settings.
        public_only: whether to make requests to public addresses only.
    """

    outputs: Outputs
    hub: ClusterClient
    clusters: Mapping[str, ClusterClient]
    requests: int
    app: App = _NONE
    section: str = ""
    public_only: bool = False

    @property
    def each(self) -> list["Deployment"]:
        """The deployment once for each Service of each app."""
        return [
            replace(self, app=service, section=f"apps.{name}" if name else "app")
            for name, app in self.outputs.apps.items()
            for service in app.values()
        ]

    @property
    def members(self) -> dict[str, str]:
        """The names of the members that the app is placed on, by region."""
        return {
            region: name
            for region, name in self.outputs.members.items()
            if not self.app.regions or region in self.app.regions
        }

    @property
    def namespace(self) -> str:
        """The app's namespace."""
        return self.app.service.split("/")[0]

    @property
    def service(self) -> str:
        """The name of the Service that all regions share."""
        return self.app.service.split("/")[1]

    @property
    def entries(self) -> list["Entry"]:
        """The entry points."""
        return [
            Entry(region, service, self.app.entry_addresses[region], self.clusters[region])
            for region, service in self.app.entry_services.items()
        ]

    def within(self, group: str, version: str, plural: str) -> str:
        """Return the API path of a kind's objects in the app's namespace; the core group is empty."""
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        return f"{root}/namespaces/{self.namespace}/{plural}"


@dataclass(frozen=True)
class Entry:
    """An entry point.

    Attributes:
        region: the name of its region.
        service: the name of the Service that it imports.
        address: its address, according to the stack.
        cluster: the member that it is on.
    """

    region: str
    service: str
    address: str
    cluster: ClusterClient


def checks(deployment: Deployment) -> list[Check]:
    """Return all checks; a check comes after the ones that it depends on."""
    outputs = deployment.outputs
    return [
        *(
            (f"member {name}", _of_platform(deployment, partial(_member, deployment, region)))
            for region, name in outputs.members.items()
        ),
        *((f"lost member {name}", partial(_lost, deployment, name)) for name in outputs.lost_members.values()),
        ("members of others", _of_platform(deployment, partial(_others, deployment))),
        *(check for name, app in outputs.apps.items() for check in _of_app(deployment, name, app)),
    ]


def _of_platform(deployment: Deployment, look: Callable[[], str]) -> Callable[[], str]:
    """Return a check of objects of the platform's stack, which a team may not be allowed to read."""

    def looked() -> str:
        try:
            return look()
        except AccessDeniedError:
            if platform := deployment.outputs.platform:
                raise NotCheckedError(f"not checked: needs the platform's rights ({platform})") from None
            raise

    return looked


def _of_app(deployment: Deployment, name: str, services: Mapping[str, App]) -> Iterator[Check]:
    """Yield the checks of an app. Their names begin with the app's name, if it has one."""
    first = replace(deployment, app=next(iter(services.values())))
    title = f"{name}: " if name else ""
    yield f"placement of {first.namespace}", _of_platform(first, partial(_placement, first))
    for region, member in first.members.items():
        yield f"{title}pods on {member}", partial(_pods, first, region)
    for service, app in services.items():
        title = f"{name}/{service}: " if len(services) > 1 else title
        yield from _of_service(replace(deployment, app=app), title)


def _of_service(deployment: Deployment, title: str) -> Iterator[Check]:
    app, members, entries = deployment.app, deployment.members, deployment.entries
    for region, name in members.items():
        yield f"{title}export on {name}", partial(_export, deployment, region)
    for entry in entries:
        yield f"{title}entry point on {members[entry.region]}", partial(_entry_point, deployment, entry)
    for entry in entries if app.global_address else ():
        yield f"{title}global address on {members[entry.region]}", partial(_globally_reachable, deployment, entry)
    for region, name in members.items():
        yield f"{title}endpoints of {name}", partial(_endpoints, deployment, region)
    addresses = [*filter(None, dict.fromkeys((app.external_ip, *(entry.address for entry in entries))))]
    for address in addresses if app.url and app.external_ip else ():
        url = str(app.url).replace(app.external_ip, address)
        yield url, partial(_url, deployment, url)
    for address in addresses:
        for port in app.ports:
            if (port.port, port.protocol) != (app.url_port, "TCP"):
                yield f"{address}:{port}", partial(_port, deployment, address, port)


def _member(deployment: Deployment, region: str) -> str:
    """Check a member of the fleet: it has joined, and its agents still report to the hub."""
    name, hub, kubectl = deployment.outputs.members[region], deployment.hub, deployment.clusters[region].kubectl
    answer = hub.get(f"{_FLEET}/memberclusters/{name}")
    if answer.content is None:
        raise CheckFailedError("not in the fleet", _AGAIN)
    agents = f"see that its nodes run, and its agents: `{kubectl} get nodes,pods --namespace {SYSTEM}`"
    if not _is_true(answer.content, "Joined"):
        raise CheckFailedError("has not joined", f"{agents}; then `pulumi up`")
    if (silent := _silence(answer)) > _SILENCE:
        raise CheckFailedError(f"joined, but an agent is silent for {_minutes(silent)}", f"{agents}; if lost: {LOST}")
    return "joined"


def _silence(member: Answer) -> timedelta:
    """Return how long an agent of a member has not reported to the hub."""
    reports = [each.get("lastReceivedHeartbeat") for each in _status(member.content or {}).get("agentStatus") or ()]
    return max((member.now - datetime.fromisoformat(each) for each in reports if each), default=timedelta())


def _lost(deployment: Deployment, name: str) -> str:
    """Check a lost member: it does not answer, and no entry point uses its endpoints."""
    answer = deployment.hub.get(f"{_FLEET}/memberclusters/{name}")
    if answer.content is None:
        raise CheckFailedError("left out, and no longer in the fleet", GONE)
    for each in deployment.each:
        if any(_is_used(item) for entry in each.entries for item in _imported(each, entry)[name]):
            raise CheckFailedError(
                "left out, but its endpoints are behind an entry point",
                f"set {each.section}.guard: true, then `pulumi up`; {LOST}",
            )
    if (silent := _silence(answer)) <= _SILENCE:
        raise CheckFailedError(
            f"left out, but its agents reported within {_minutes(_SILENCE)}",
            f"if the region answers again, remove `lost` from it: {BACK}",
        )
    return f"left out, silent for {_minutes(silent)}"


def foreign_members(deployment: Deployment) -> list[str]:
    """Return the names of the fleet's members that are not of this stack.

    Raises:
        CheckFailedError: the hub cannot be read.
    """
    names = [item["metadata"]["name"] for item in deployment.hub.items(f"{_FLEET}/memberclusters")]
    return sorted({*names} - {*deployment.outputs.members.values(), *deployment.outputs.lost_members.values()})


def _others(deployment: Deployment) -> str:
    """Check the fleet's other members: they may be in the fleet, but must not export the same Services."""
    for each in deployment.each:
        foreign = [
            item["metadata"]["name"]
            for entry in each.entries
            for item in _imported(each, entry).get(None, ())
            if _is_used(item)
        ]
        if foreign:
            raise CheckFailedError(
                f"their endpoints are behind the entry point: {', '.join(foreign)}",
                f"they export {each.app.service} too: have it withdrawn, or take another {each.section}.namespace; if "
                f"the member is that of a region which you have removed: {GONE}",
            )
    return ", ".join(foreign_members(deployment)) or "none"


def _placement(deployment: Deployment) -> str:
    """Check the placement of the app's namespace: it is available on every member."""
    names = list(deployment.members.values())
    placements = [
        item
        for item in deployment.hub.items(f"{_PLACEMENT}/clusterresourceplacements")
        if any(
            (each.get("kind"), each.get("name")) == ("Namespace", deployment.namespace)
            for each in item["spec"]["resourceSelectors"]
        )
    ]
    if not placements:
        raise CheckFailedError("none on the hub", _AGAIN)
    item = placements[0]
    status, kubectl = _status(item), deployment.hub.kubectl
    describe = f"`{kubectl} describe clusterresourceplacement {item['metadata']['name']}` names the object; fix it"
    placed = {each["clusterName"]: each for each in status.get("placementStatuses") or () if each.get("clusterName")}
    if lacking := [name for name in names if name not in placed]:
        raise CheckFailedError(
            f"not placed on {', '.join(lacking)}",
            f"`{kubectl} get memberclusters --show-labels`: it must be joined, and its fleet.azure.com/member-name one "
            "of the placement's",
        )
    if foreign := sorted(placed.keys() - {*names}):
        raise CheckFailedError(f"placed on members of others: {', '.join(foreign)}", _AGAIN)
    staged = _rollout(deployment, item)
    if waiting := [name for name in names if not _is_true(placed[name], "Available")]:
        failed = [
            f"{each.get('kind')} {each.get('name')}"
            for name in waiting
            for each in placed[name].get("failedPlacements") or ()
        ]
        because = f": {', '.join(dict.fromkeys(failed))}" if failed else ""
        raise CheckFailedError(f"not available on {', '.join(waiting)}{because}", describe)
    if staged:  # with stages, the placement's own conditions cover one version only
        return f"available on {len(names)} of {len(names)}; {staged}"
    if not status.get("selectedResources"):  # without its namespace, an empty placement is available
        raise CheckFailedError("places nothing: the hub has no such namespace", _AGAIN)
    if not _is_true(item, "ClusterResourcePlacementAvailable"):
        raise CheckFailedError(
            _condition(item, "ClusterResourcePlacementAvailable").get("message") or "not available", describe
        )
    return f"available on {len(names)} of {len(names)}"


def _rollout(deployment: Deployment, placement: Object) -> str:
    """Return what the rollout of a placement waits for, if it has stages and has not ended.

    Raises:
        CheckFailedError: the rollout has stopped, or a stage does not have the new version yet.
    """
    if placement["spec"]["strategy"].get("type") != "External":
        return ""
    runs = [
        item
        for item in deployment.hub.items(rollouts.RUNS)
        if item["spec"]["placementName"] == placement["metadata"]["name"]
    ]
    again = "fix the app, or put its last good version back; then `pulumi up`"
    if not runs:
        raise CheckFailedError("it is rolled out in stages, and the hub has no run", _AGAIN)
    run = max(runs, key=lambda item: item["metadata"]["creationTimestamp"])
    if (found := rollouts.rollout(run)) is None:
        raise CheckFailedError("Fleet has not started the rollout", "wait a minute; then `pulumi up`")
    if found.failure:
        delete = f"`{deployment.hub.kubectl} delete clusterstagedupdaterun {run['metadata']['name']}`"
        raise CheckFailedError(f"Fleet has stopped the rollout: {found.failure}", f"{delete}, then {_AGAIN}")
    if found.number == len(found.stages):
        return ""
    if not found.updating:
        return f"the rollout waits after {found.stage}"
    region = {member: region for region, member in deployment.outputs.members.items()}
    pods = deployment.within("", "v1", "pods")
    broken = [
        rollouts.broken(deployment.clusters[region[member]].items(pods))
        for member in found.updating
        if member in region
    ]
    because = f": {'; '.join(filter(None, broken))}" if any(broken) else ""
    raise CheckFailedError(
        f"the rollout is in {found.stage}; not available on {', '.join(found.updating)}{because}", again
    )


def _pods(deployment: Deployment, region: str) -> str:
    """Check the app's pods in a region: all are ready."""
    cluster = deployment.clusters[region]
    pods = [
        pod
        for pod in cluster.items(deployment.within("", "v1", "pods"))
        if "deletionTimestamp" not in pod["metadata"] and _status(pod).get("phase") != "Succeeded"
    ]
    here = f"--namespace {deployment.namespace}"
    if not pods:
        raise CheckFailedError("no pods", f"`{cluster.kubectl} get deployments,events {here}` says why")
    waiting = [pod for pod in pods if not _is_true(pod, "Ready")]
    if waiting:
        names = ", ".join(f"{pod['metadata']['name']} ({_why_waiting(pod)})" for pod in waiting)
        raise CheckFailedError(
            f"{len(pods) - len(waiting)} of {len(pods)} ready; not {names}",
            f"`{cluster.kubectl} describe pods {here}` says why",
        )
    return f"{len(pods)} of {len(pods)} ready"


def _export(deployment: Deployment, region: str) -> str:
    """Check the exports in a region: valid, and in no conflict; otherwise Fleet does not export its endpoints."""
    for service in deployment.app.entry_services.values():
        _require_export(deployment, region, service)
    number = len(deployment.entries)
    return "valid, no conflict" if number == 1 else f"{number} valid, no conflict"


def _require_export(deployment: Deployment, region: str, service: str) -> None:
    cluster = deployment.clusters[region]
    path = deployment.within(_NETWORKING, "v1beta1", "serviceexports")
    item = cluster.get(f"{path}/{service}").content
    if item is None:
        raise CheckFailedError("not found", f"the placement copies it from the hub; if the hub has none: {_AGAIN}")
    get = f"get service {service} --namespace {deployment.namespace}"
    valid, conflict = _condition(item, "Valid"), _condition(item, "Conflict")
    if valid.get("status") != "True":
        raise CheckFailedError(
            valid.get("message") or "not checked yet",
            f"`{cluster.kubectl} {get}`: it must exist, with a clusterIP, and not be an ExternalName",
        )
    if conflict.get("status") == "True":
        raise CheckFailedError(
            conflict["message"],
            f"all clusters need the very same ports: `{cluster.kubectl} {get} --output 'jsonpath={{.spec.ports}}'`, "
            "and on the others; put the changed ports back",
        )
    if conflict.get("status") != "False":
        raise CheckFailedError(
            conflict.get("message") or "the hub has not checked it yet",
            f"see that the member's agents run: `{cluster.kubectl} get pods --namespace {SYSTEM}`",
        )


def _entry_point(deployment: Deployment, entry: Entry) -> str:
    """Check an entry point: on its region's cluster, valid, with the stack's address."""
    if not (found := _entry_points(deployment, entry.cluster, entry.service)):
        elsewhere = [
            deployment.outputs.members[region]
            for region, cluster in deployment.clusters.items()
            if cluster is not entry.cluster and _reachable_entry_points(deployment, cluster, entry.service)
        ]
        raise CheckFailedError(f"it is on {', '.join(elsewhere)}" if elsewhere else "it is on no member", _AGAIN)
    item = found[0]
    valid = _condition(item, "Valid")
    if valid.get("status") != "True":
        raise _not_valid(deployment, entry, valid)
    addresses = [each.get("ip") or each.get("hostname") for each in _ingress(item)]
    if not addresses:
        raise CheckFailedError(
            "valid, but it has no address",
            f"`{entry.cluster.kubectl} get events --namespace {SYSTEM}` says why (often the quota of public addresses, "
            "or a right on the subnet); then `pulumi up`",
        )
    if not entry.address:
        raise CheckFailedError("the stack does not know its address yet", "`pulumi up`")
    if entry.address not in addresses:
        raise CheckFailedError(f"its address is {addresses[0]}, and not the stack's, {entry.address}", _AGAIN)
    return f"valid, {addresses[0]}"


def _globally_reachable(deployment: Deployment, entry: Entry) -> str:
    """Check the way from the global address to an entry point: the frontend is the one that its Service has now.

    The Service must accept the address, or the cluster drops what arrives for it.
    """
    app = deployment.app
    found = _entry_points(deployment, entry.cluster, entry.service)
    derived = part(found[0]["metadata"], "labels").get(_DERIVED) if found else None
    service = entry.cluster.get(f"/api/v1/namespaces/{SYSTEM}/services/{derived}").content if derived else None
    if service is None:
        raise CheckFailedError("the entry point has no Service", "fix the entry point first")
    frontend = frontend_name(service["metadata"]["uid"])
    if not app.frontend_ids.get(entry.region, "").lower().endswith(f"/{frontend}"):
        raise CheckFailedError("the address leads to a frontend that the entry point no longer has", _AGAIN)
    if app.global_address not in [each.get("ip") for each in _ingress(service)]:
        raise CheckFailedError("the entry point does not accept packets for the address", _AGAIN)
    return f"{app.global_address} leads here"


def _entry_points(deployment: Deployment, cluster: ClusterClient, service: str) -> list[Object]:
    path = deployment.within(_NETWORKING, "v1alpha1", "multiclusterservices")
    return [item for item in cluster.items(path) if item["spec"]["serviceImport"]["name"] == service]


def _reachable_entry_points(deployment: Deployment, cluster: ClusterClient, service: str) -> list[Object]:
    try:
        return _entry_points(deployment, cluster, service)
    except CheckFailedError:
        return []  # that cluster's own checks report the error


def _not_valid(deployment: Deployment, entry: Entry, valid: Object) -> CheckFailedError:
    """Return why an entry point is not valid: usually because a service has one importer in the whole fleet."""
    outputs = deployment.outputs
    path = deployment.within(_NETWORKING, "v1alpha1", "serviceimports")
    imported = deployment.hub.get(f"{path}/{entry.service}").content
    if imported is None:
        return CheckFailedError(
            "the service is exported by no member", "fix the exports first; the entry point follows"
        )
    claim: Object = json.loads(part(imported["metadata"], "annotations").get(_CLAIM) or "{}")
    holders = [name for name in part(claim, "MemberClusters").values() if name != outputs.members[entry.region]]
    if not holders:
        return CheckFailedError(
            valid.get("message") or "not checked yet",
            f"see that the agents run: `{entry.cluster.kubectl} get pods --namespace {SYSTEM}`",
        )
    holder = next((region for region, name in outputs.members.items() if name == holders[0]), "")
    others = _reachable_entry_points(deployment, deployment.clusters[holder], entry.service) if holder else []
    if not others:
        return CheckFailedError(
            f"the service belongs to {holders[0]}, which does not release it",
            f"give the entry region another entrySuffix, then `pulumi up`; if {holders[0]} is lost: {LOST}",
        )
    name, where = others[0]["metadata"]["name"], f"--namespace {deployment.namespace}"
    return CheckFailedError(
        f"the service belongs to the entry point on {holders[0]}, and can have one only",
        f"`{deployment.clusters[holder].kubectl} delete multiclusterservice {name} {where}`",
    )


def _imported(deployment: Deployment, entry: Entry) -> dict[str | None, list[endpoints.Slice]]:
    """Return the slices that an entry point balances over, by member."""
    names = [item["metadata"]["name"] for item in _entry_points(deployment, entry.cluster, entry.service)]
    slices = endpoints.imported(entry.cluster.items(endpoints.path()), deployment.namespace, names)
    members = [*deployment.outputs.members.values(), *deployment.outputs.lost_members.values()]
    return endpoints.by_member(slices, deployment.namespace, members)


def _is_used(item: endpoints.Slice) -> bool:
    """Say whether kube-proxy sends anything to a slice's endpoints (kubernetes v1.34.1, pkg/proxy/topology.go)."""
    return any(part(each, "conditions").get("ready") is not False for each in item.get("endpoints") or ())


def _endpoints(deployment: Deployment, region: str) -> str:
    """Check the endpoints behind the entry points: pods of every region, and nothing else.

    An entry point can be valid and have an address without them, and the endpoints of a lost region stay.
    """
    cluster = deployment.clusters[region]
    pods = {_status(pod).get("podIP") for pod in cluster.items(deployment.within("", "v1", "pods"))}
    numbers = [len(_behind(deployment, entry, region, pods)) for entry in deployment.entries]
    if len(numbers) == 1:
        return f"{numbers[0]} behind the entry point"
    return f"{' + '.join(map(str, numbers))} behind {len(numbers)} entry points"


def _behind(deployment: Deployment, entry: Entry, region: str, pods: Container[str | None]) -> list[str]:
    """Return a region's addresses behind an entry point; all of them are of its pods."""
    cluster, namespace, members = deployment.clusters[region], deployment.namespace, deployment.outputs.members
    addresses = endpoints.addresses(_imported(deployment, entry)[members[region]])
    lost = [address for address in addresses if address not in pods]
    if addresses and not lost:
        return addresses
    where = "the entry point" if len(deployment.entries) == 1 else f"the entry point on {members[entry.region]}"
    annotate = f"{cluster.kubectl} annotate endpointslices --all --namespace {namespace} --overwrite"
    raise CheckFailedError(
        f"{', '.join(lost)} behind {where}, which no pod has" if lost else f"none behind {where}",
        "once its Service, its pods and its export are healthy, let Fleet export the endpoints once more: "
        f'`{annotate} {endpoints.ASKED_AGAIN}="$(date +%s)"`',
    )


def _url(deployment: Deployment, url: str) -> str:
    """Request the URL, each time in a new connection: the load balancer chooses a pod for each connection."""
    unchecked = ", whatever its certificate" if url.startswith("https:") else ""
    ask = partial(traffic.request, url)
    return _tried(deployment, ask, "answers {} of {} requests" + unchecked, f"curl --verbose {url}")


def _port(deployment: Deployment, address: str, port: Port) -> str:
    """Connect to a port as often as the URL is requested. The port's protocol is not known."""
    if port.protocol != "TCP":
        return f"not tried: {port.protocol} has no connections; use a client of its protocol"

    connect = partial(traffic.connect, address, port.port)
    return _tried(deployment, connect, "takes {} of {} connections", f"nc -vz {address} {port.port}")


def _tried(deployment: Deployment, attempt: Callable[[], str], found: str, command: str) -> str:
    """Make all attempts. `attempt` returns the error, `found` is the text for the two numbers."""
    if not deployment.requests:
        return "not tried (--requests 0)"
    if deployment.public_only and _is_private(deployment.app.external_ip):
        return "not tried: a private address (--public-only)"

    def in_turn(_: int) -> str:
        with _TURNS:
            return attempt()

    with ThreadPoolExecutor(_CLIENTS) as pool:
        failures = Counter(filter(None, pool.map(in_turn, range(deployment.requests))))
    answered = deployment.requests - failures.total()
    said = found.format(answered, deployment.requests)
    if not failures:
        return said
    reasons = ", ".join(f"{count} × {reason}" for reason, count in failures.most_common())  # noqa: RUF001 - a sign of times
    raise CheckFailedError(f"{said}: {reasons}", _unanswered(deployment, command, answered=answered > 0))


def _unanswered(deployment: Deployment, command: str, *, answered: bool) -> str:
    if answered:
        return (
            f"some pods behind the address do not answer. If a check above failed, fix that first; {LOST}. Otherwise "
            "the nodes of the entry region do not reach the pods of another: `az network vnet peering list` must show "
            "the peering of both VNets as Connected, with allowVirtualNetworkAccess; no cluster may use an overlay "
            "network; security groups and network policies must let these nodes in (docs/azure.md, “What may enter and "
            "leave”)"
        )
    if _is_private(deployment.app.external_ip):
        return f"a private address: run this inside its network or one that is peered with it; `{command}`"
    return (
        "if all checks above pass, something drops the packets: the network security group of the nodes' subnet must "
        "allow them, inbound, from Internet to any destination, at this port; a network policy in the app's namespace "
        "must let them in (docs/azure.md, “What may enter and leave”); then look at your own firewall; "
        f"`{command}`"
    )


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


# Parts of objects.


def _status(item: Object) -> Object:
    return part(item, "status")


def _condition(item: Object, name: str) -> Object:
    """Return a condition of an object, or of a list entry with its own conditions; empty if there is none."""
    conditions: Sequence[Object] = item.get("conditions") or _status(item).get("conditions") or ()
    return next((each for each in conditions if each["type"] == name), Object())


def _is_true(item: Object, name: str) -> bool:
    return _condition(item, name).get("status") == "True"


def _ingress(item: Object) -> Sequence[Object]:
    return part(_status(item), "loadBalancer").get("ingress") or ()


def _why_waiting(pod: Object) -> str:
    status = _status(pod)
    statuses: list[Object] = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    reasons: list[str] = [part(part(each, "state"), "waiting").get("reason", "") for each in statuses]
    return next(filter(None, reasons), status.get("phase", "Pending"))


def _minutes(time: timedelta) -> str:
    return f"{time.total_seconds() / 60:.0f} min"
