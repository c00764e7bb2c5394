"""Azure Resource Manager without its resource types: ids, names, what exists, refusals, comparison of inputs."""

import re
import secrets
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NotRequired, Protocol, TypedDict, cast

from rehearsal.azure import errors
from rehearsal.core.protocol import UNKNOWN, Difference, Problem, Properties
from rehearsal.core.store import Store


@dataclass(frozen=True)
class Deployer:
    """The identity that runs the program: Owner of its tenant's subscriptions, which grants nothing inside clusters.

    `subscription_id` is that of a login with nothing else said; `client_id` is the Azure CLI's public application, as
    in a login with `az login`.
    """

    subscription_id: str = "5a1f0c2e-6d3b-4e8a-9f57-20c4d1b7e930"
    tenant_id: str = "c7e4b8d2-1f60-4a93-8b25-9d0e3a6f4c71"
    object_id: str = "e2907d5b-84c1-4f3e-a6d8-71b5c03f9a24"
    client_id: str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


@dataclass(frozen=True)
class Access:
    """How the local administrator of a cluster that really answers gets in.

    Attributes:
        server: the API server's URL.
        certificate_authority: base64 of the PEM certificate that its own is signed with.
        token: bearer token.
    """

    server: str
    certificate_authority: str
    token: str = field(repr=False)


class ClusterBackend(Protocol):
    """What Azure's control plane tells about networks, clusters, hubs and memberships, and to whom."""

    @property
    def now(self) -> float:
        """Seconds since some moment: how long a cluster is busy is counted by them."""
        ...

    def add_network(self, network: str, prefixes: list[str]) -> None:
        """Add a virtual network with its address space."""
        ...

    def remove_network(self, network: str) -> None:
        """Remove a virtual network."""
        ...

    def set_peered(self, network: str, other: str, *, peered: bool) -> None:
        """Let two virtual networks, by their ids, reach each other, or not any more."""
        ...

    def set_routes(self, network: str, other: str, prefixes: list[str]) -> None:
        """Let one of two peered networks reach only these ranges of the other."""
        ...

    def add_cluster(  # noqa: PLR0913 - what one cluster is made of
        self,
        cluster_id: str,
        server: str,
        *,
        location: str,
        network: str,
        pods: str,
        flat: bool,
        nodes: int,
        services: str,
    ) -> object:
        """Start a cluster in a network.

        Args:
            cluster_id: its resource id.
            server: the URL at which Azure would have its API server.
            location: the region's short name.
            network: the id of the virtual network that its nodes are in.
            pods: the CIDR that pods get their addresses from; on flat Azure CNI also nodes.
            flat: whether pods have addresses of the network, rather than of an overlay.
            nodes: how many nodes it has.
            services: the service network's CIDR.
        """
        ...

    def public_address(self) -> str:
        """Return a public address that nothing else has."""
        ...

    def frontends(self, cluster_id: str) -> dict[str, str]:
        """Return the frontends of a cluster's load balancers: each name, and its address, empty if it is internal."""
        ...

    def balance(self, address: str, frontends: Mapping[str, Collection[int]]) -> None:
        """Lead a global address to the nearest healthy regional one.

        Args:
            address: the global address.
            frontends: the regional addresses, each with the TCP ports whose packets keep the global address (floating
                IP); none ends it.
        """
        ...

    def access(self, cluster_id: str) -> Access | None:
        """Return how to get into a cluster or hub; None where no server answers and made-up credentials will do."""
        ...

    def add_hub(self, fleet_id: str, server: str) -> object:
        """Start a fleet's hub."""
        ...

    def remove(self, cluster_id: str) -> None:
        """Remove a cluster, or a hub with its memberships."""
        ...

    def join(self, fleet_id: str, member: str, cluster_id: str, labels: dict[str, str]) -> None:
        """Make a cluster a member of a fleet; the labels go on its MemberCluster."""
        ...

    def leave(self, fleet_id: str, member: str) -> None:
        """Let a member go; raises `RefusedError` while it has live exports."""
        ...


class Record(TypedDict):
    """One resource as it is stored; what happens to it by itself ends at a time of the clusters.

    `stale` is what a load balancer goes on referring to, although its inputs no longer do.
    """

    id: str
    token: str
    inputs: Properties
    outputs: Properties
    busy_until: NotRequired[float]
    stale: NotRequired[list[str]]


def some_of(alphabet: str, number: int) -> str:
    """Return so many characters by chance."""
    return "".join(secrets.choice(alphabet) for _ in range(number))


def timestamp() -> str:
    """Return the present time as Azure writes it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def system_data(subscription: "Subscription", old: Properties) -> Properties:
    """Return who has made and changed a resource of Fleet's, and when.

    Azure/azure-cli-extensions, recordings test_fleet_hubful and test_fleet_hubless: fleets, members and what belongs to
    their updates always have it.
    """
    now, who = timestamp(), subscription.deployer.object_id
    before = nested(old, "systemData")
    return {
        "createdAt": before.get("createdAt") or now,
        "createdBy": before.get("createdBy") or who,
        "createdByType": "User",
        "lastModifiedAt": now,
        "lastModifiedBy": who,
        "lastModifiedByType": "User",
    }


def short_location(location: str) -> str:
    """Return `eastus2` for `East US 2`: case and spaces mean nothing (azure-native, diff.go `normalizedLocation`)."""
    return location.replace(" ", "").lower()


def last_segment(resource_id: str) -> str:
    """Return the name of a resource."""
    return resource_id.rsplit("/", 1)[-1]


def resource_group_of(resource_id: str) -> str:
    """Return the name of the resource group of a resource; Azure writes the segment before it in either case."""
    return resource_id.split("/")[4]


def subscription_of(resource_id: str) -> str:
    """Return the id of the subscription that a resource is in."""
    return resource_id.split("/")[2]


def known(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value, or None if it is not known yet."""
    return None if value is UNKNOWN else value


def nested(properties: Properties, key: str) -> Properties:
    """Return an object among the properties; an empty one if it is absent or not known yet."""
    value = properties.get(key)
    return cast("Properties", value) if isinstance(value, dict) else {}


def listed(properties: Properties, key: str) -> list[Any]:
    """Return a list among the properties; an empty one if it is absent or not known yet."""
    value = properties.get(key)
    return cast("list[Any]", value) if isinstance(value, list) else []


class Subscription:
    """One subscription, and what its tenant has in this one and in others.

    Used inside a transaction of the store; ids are compared without case.

    Args:
        store: what keeps the resources.
        clusters: the Kubernetes side.
        deployer: who runs the program.
        subscription_id: that of this one; without it, the deployer's own.
    """

    def __init__(self, store: Store, clusters: ClusterBackend, deployer: Deployer, subscription_id: str = "") -> None:
        self._store = store
        self.clusters = clusters
        self.deployer = deployer
        self.id = f"/subscriptions/{subscription_id or deployer.subscription_id}"
        """The subscription's id in ARM's form."""

    def other(self, subscription_id: str) -> "Subscription":
        """Return another subscription of the tenant."""
        return Subscription(self._store, self.clusters, self.deployer, subscription_id)

    @property
    def _section(self) -> dict[str, Any]:
        return self._store.section("azure")

    @property
    def _records(self) -> dict[str, Record]:
        return self._section.setdefault("resources", {})

    @property
    def seed(self) -> str:
        """A random text, constant for one store: what must differ between clouds, yet not between calls."""
        return self._section.setdefault("seed", secrets.token_hex(16))

    def reseed(self) -> None:
        """Forget `seed`, so that what depends on it changes."""
        self._section.pop("seed", None)

    def find(self, resource_id: str) -> Record | None:
        """Return a resource, or None if there is none of this id."""
        record = self._records.get(resource_id.lower())
        return self._as_of_now(record) if record else None

    def require(self, resource_id: str) -> Record:
        """Return a resource that another one refers to."""
        record = self.find(resource_id)
        if record is None:
            kind = resource_id.rsplit("/providers/", 1)[-1].rsplit("/", 1)[0]
            name, group = last_segment(resource_id), resource_group_of(resource_id)
            raise errors.RESOURCE_NOT_FOUND.refusal(kind=kind, name=name, group=group)
        return record

    def within(self, scope: str) -> list[Record]:
        """Return everything below a scope: children, a group's content, role assignments on any of these."""
        prefix = f"{scope.lower()}/"
        return [self._as_of_now(record) for key, record in self._records.items() if key.startswith(prefix)]

    def _as_of_now(self, record: Record) -> Record:
        if "busy_until" in record and record["busy_until"] <= self.clusters.now:
            del record["busy_until"]
            record["outputs"]["provisioningState"] = "Succeeded"
        return record

    def all_of(self, token: str, scope: str | None = None) -> list[Record]:
        """Return the resources of one type in every subscription, optionally only those below a scope."""
        records = self.within(scope) if scope else list(self._records.values())
        return [record for record in records if record["token"] == token]

    def put(self, record: Record) -> None:
        """Add or replace a resource."""
        self._records[record["id"].lower()] = record

    def remove(self, record: Record) -> None:
        """Remove a resource."""
        del self._records[record["id"].lower()]


@dataclass(frozen=True)
class Name:
    """How a type's resources are named.

    Attributes:
        key: the input that names the resource.
        pattern: what the whole name must match.
        source: where Azure documents the pattern.
        automatic: what azure-native makes of the logical name where the program gives none: 8 more hex digits for
            top-level resources, a plain copy for children, a GUID instead of it (provider.go, `getDefaultName`).
    """

    key: str
    pattern: str
    source: str
    automatic: Literal["random", "copy", "guid"]

    def default(self, logical_name: str) -> str:
        """Return a new automatic name."""
        match self.automatic:
            case "random":
                return f"{logical_name}{secrets.token_hex(4)}"
            case "copy":
                return logical_name
            case "guid":
                return str(uuid.uuid4())


class ResourceType:
    """One entry of the table of resource types. Subclasses fill in what is special about theirs.

    Attributes:
        kind: ARM's name of the type.
        groups: how Azure writes the segment before the group's name in an id of this type.
        shown: ARM's name of the type as Azure writes it in answers, where that is not `kind`.
        api_version: the version that azure-native 3.29.0 talks to by default.
        name: how its resources are named.
        ancestors: the inputs that name the enclosing resources, outermost first, below the resource group.
        located: whether it has a location.
        immutable: properties that force a replacement, besides all that make up the id. Sources: azure-native,
            provider/pkg/gen/replacement.go (`forceNewMap`), and `x-ms-mutability: [read, create]` in
            Azure/azure-rest-api-specs.
    """

    kind: str
    api_version: str
    name: Name
    ancestors: tuple[str, ...] = ()
    located: bool = False
    immutable: tuple[str, ...] = ()
    groups: str = "resourceGroups"
    shown: str = ""

    def id_of(self, subscription: Subscription, inputs: Properties) -> str:
        """Return the id that these inputs give a resource."""
        namespace, *types = self.kind.split("/")
        names = [inputs[key] for key in (*self.ancestors, self.name.key)]
        path = "/".join(f"{kind}/{name}" for kind, name in zip(types, names, strict=True))
        return f"{subscription.id}/{self.groups}/{inputs['resourceGroupName']}/providers/{namespace}/{path}"

    def id_keys(self) -> Collection[str]:
        """Return the inputs that make up the id."""
        return {"resourceGroupName", *self.ancestors, self.name.key}

    def require_parents(self, subscription: Subscription, resource_id: str) -> None:
        """Refuse a resource whose group or enclosing resource does not exist."""
        group = "/".join(resource_id.split("/")[:5])
        if subscription.find(group) is None:
            raise errors.RESOURCE_GROUP_NOT_FOUND.refusal(group=last_segment(group))
        parent = resource_id.rsplit("/", 2)[0]
        if self.ancestors and subscription.find(parent) is None:
            raise errors.PARENT_RESOURCE_NOT_FOUND.refusal(kind=self.kind.partition("/")[2], parent=parent)

    def problems(self, inputs: Properties) -> Iterator[Problem]:
        """Say what is wrong with inputs of the right types; unknown values may be among them."""
        del inputs
        yield from ()

    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        """Refuse what Azure refuses; `old` is the resource before an update, None when it is created."""

    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        """Return the computed outputs; `old` holds those before an update and is empty for a new resource."""
        del subscription, resource_id, inputs, old
        return {}

    def first_answer(self, outputs: Properties) -> Properties:
        """Return the outputs as the answer to the creation has them, where what is read later says more."""
        return outputs

    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        """Do what else happens when a resource was created or updated, before anybody can see it."""

    def admit_deletion(self, subscription: Subscription, record: Record, doomed: Collection[str]) -> None:
        """Refuse the deletion of a resource in use by one that is not among the doomed (lower-case ids)."""

    def deleted(self, subscription: Subscription, record: Record, doomed: Collection[str]) -> None:
        """Do what else happens when a resource goes, while it still exists."""


CREATE_BEFORE_DELETE: Final = "__createBeforeDelete"
"""azure-native's mark, among the inputs, of a resource whose name it made itself."""


def compare(old: Properties, new: Properties, immutable: Collection[str]) -> Difference:
    """Compare two sets of inputs as azure-native does (diff.go).

    Args:
        old: the inputs that the resource has.
        new: the inputs that it shall get.
        immutable: the properties that force a replacement, in the form `agentPoolProfiles[].name`.

    Returns:
        The paths of the changed leaves. Equal are: spellings of one location, 2 and 2.0, no tags and an empty map.
    """
    old, new = ({**side, "tags": side.get("tags") or None} for side in (old, new))
    if isinstance(old.get("location"), str) and isinstance(new.get("location"), str):
        old = {**old, "location": short_location(old["location"])}
        new = {**new, "location": short_location(new["location"])}
    changed = list(_changes(old, new, ""))
    replaced = [path for path in changed if _forces_replacement(path, immutable)]
    # An explicitly named resource cannot exist twice, so the old one goes first (provider.go, `Diff`).
    return Difference(changed, replaced, delete_before_replace=bool(replaced) and not old.get(CREATE_BEFORE_DELETE))


_INDEX: Final = re.compile(r"\[\d+]")


def _forces_replacement(path: str, immutable: Collection[str]) -> bool:
    path = _INDEX.sub("[]", path)
    return any(path == key or path.startswith((f"{key}.", f"{key}[")) for key in immutable)


def _changes(old: Any, new: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("Properties", old), cast("Properties", new)
        for key in sorted({*before, *after}):
            step = key if key.isidentifier() else f'["{key}"]'
            separator = "." if path and not step.startswith("[") else ""
            yield from _changes(before.get(key), after.get(key), f"{path}{separator}{step}")
    elif isinstance(old, list) and isinstance(new, list):
        before, after = cast("list[Any]", old), cast("list[Any]", new)
        shared = min(len(before), len(after))
        for index in range(shared):
            yield from _changes(before[index], after[index], f"{path}[{index}]")
        for index in range(shared, max(len(before), len(after))):
            yield f"{path}[{index}]"
    elif old != new:
        yield path
