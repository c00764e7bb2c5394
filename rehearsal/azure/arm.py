"""Azure Resource Manager without its resource types: IDs, names, stored resources, and comparison of inputs."""

import re
import secrets
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, NotRequired, Protocol, TypedDict, cast

from typing_extensions import override

from rehearsal.azure import errors
from rehearsal.core.protocol import UNKNOWN, Difference, Problem, Properties
from rehearsal.core.store import Store


@dataclass(frozen=True)
class Deployer:
    """The identity that runs the program: Owner of its tenant's subscriptions, without access inside clusters.

    `subscription_id` is the default subscription; `client_id` is the Azure CLI's public application, as after `az
    login`.
    """

    subscription_id: str = "5a1f0c2e-6d3b-4e8a-9f57-20c4d1b7e930"
    tenant_id: str = "c7e4b8d2-1f60-4a93-8b25-9d0e3a6f4c71"
    object_id: str = "e2907d5b-84c1-4f3e-a6d8-71b5c03f9a24"
    client_id: str = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


@dataclass(frozen=True)
class Access:
    """The local administrator's access to a real API server.

    Attributes:
        server: the API server's URL.
        certificate_authority: the certificate of the server's authority, as base64 of PEM.
        token: bearer token.
    """

    server: str
    certificate_authority: str
    token: str = field(repr=False)


class ClusterBackend(Protocol):
    """The interface through which Azure's control plane creates networks, clusters, hubs and memberships."""

    @property
    def now(self) -> float:
        """Seconds since some moment, to measure how long a cluster is busy."""
        ...

    def add_network(self, network: str, prefixes: list[str]) -> None:
        """Add a virtual network with its address space."""
        ...

    def remove_network(self, network: str) -> None:
        """Remove a virtual network."""
        ...

    def set_peered(self, network: str, other: str, *, peered: bool) -> None:
        """Connect or disconnect two virtual networks, given by ID."""
        ...

    def set_routes(self, network: str, other: str, prefixes: list[str]) -> None:
        """Restrict the ranges that a network reaches in a peered one."""
        ...

    def add_cluster(  # noqa: PLR0913 - the parts of a cluster
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
            cluster_id: its resource ID.
            server: the URL at which Azure would have its API server.
            location: the region's short name.
            network: the ID of its nodes' virtual network.
            pods: the CIDR of pods' addresses; on flat Azure CNI also of nodes' addresses.
            flat: whether pods have addresses of the network, rather than of an overlay.
            nodes: how many nodes it has.
            services: the service network's CIDR.
        """
        ...

    def set_pool(self, cluster_id: str, pool: str, nodes: int | None, taints: Sequence[str]) -> None:
        """Give a node pool a number of nodes, and taints.

        Args:
            cluster_id: the cluster's resource ID.
            pool: the pool's name; empty for the nodes that came with the cluster.
            nodes: how many nodes the pool has; none remove it, None keeps the number.
            taints: AKS's form, `key=value:effect`.
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
        """Return the access to a cluster or hub; None if it is in memory, where any credentials will do."""
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
        """Remove a member; raise `RefusedError` while it has live exports."""
        ...


class Record(TypedDict):
    """One stored resource. Its background work ends at a time on the clusters' clock.

    `stale`: references of a load balancer that its inputs no longer have.
    """

    id: str
    token: str
    inputs: Properties
    outputs: Properties
    busy_until: NotRequired[float]
    stale: NotRequired[list[str]]


def some_of(alphabet: str, number: int) -> str:
    """Return random characters."""
    return "".join(secrets.choice(alphabet) for _ in range(number))


def timestamp() -> str:
    """Return the current time in Azure's format."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def system_data(subscription: "Subscription", old: Properties) -> Properties:
    """Return the `systemData` of a Fleet resource: who created and changed it, and when.

    Azure/azure-cli-extensions, recordings test_fleet_hubful and test_fleet_hubless: fleets, members and their update
    resources always have it.
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
    """Return `eastus2` for `East US 2`: case and spaces are ignored (azure-native, diff.go `normalizedLocation`)."""
    return location.replace(" ", "").lower()


def last_segment(resource_id: str) -> str:
    """Return the name of a resource."""
    return resource_id.rsplit("/", 1)[-1]


def resource_group_of(resource_id: str) -> str:
    """Return the name of a resource's group. Azure writes both `resourceGroups` and `resourcegroups` before it."""
    return resource_id.split("/")[4]


def subscription_of(resource_id: str) -> str:
    """Return the ID of a resource's subscription."""
    return resource_id.split("/")[2]


def known(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Return a value, or None if it is not known yet."""
    return None if value is UNKNOWN else value


def nested(properties: Properties, key: str) -> Properties:
    """Return an object of the properties; empty if it is absent or not known yet."""
    value = properties.get(key)
    return cast("Properties", value) if isinstance(value, dict) else {}


def listed(properties: Properties, key: str) -> list[Any]:
    """Return a list of the properties; empty if it is absent or not known yet."""
    value = properties.get(key)
    return cast("list[Any]", value) if isinstance(value, list) else []


class Subscription:
    """One subscription, with access to its tenant's resources in other subscriptions.

    Use it inside a transaction of the store. Case is ignored in ids.

    Args:
        store: the storage of the resources.
        clusters: the Kubernetes side.
        deployer: the identity that runs the program.
        subscription_id: its ID; by default the deployer's.
    """

    def __init__(self, store: Store, clusters: ClusterBackend, deployer: Deployer, subscription_id: str = "") -> None:
        self._store = store
        self.clusters = clusters
        self.deployer = deployer
        self.id = f"/subscriptions/{subscription_id or deployer.subscription_id}"
        """The subscription's ID in ARM's form."""

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
        """A random text, constant for one store, for values that differ between clouds but not between calls."""
        return self._section.setdefault("seed", secrets.token_hex(16))

    def reseed(self) -> None:
        """Replace `seed`, and with it the values derived from it."""
        self._section.pop("seed", None)

    def find(self, resource_id: str) -> Record | None:
        """Return a resource by its ID; None if it does not exist."""
        record = self._records.get(resource_id.lower())
        return self._as_of_now(record) if record else None

    def require(self, resource_id: str) -> Record:
        """Return a resource that another one refers to; raise an error if it does not exist."""
        record = self.find(resource_id)
        if record is None:
            kind = resource_id.rsplit("/providers/", 1)[-1].rsplit("/", 1)[0]
            name, group = last_segment(resource_id), resource_group_of(resource_id)
            raise errors.RESOURCE_NOT_FOUND.refusal(kind=kind, name=name, group=group)
        return record

    def within(self, scope: str) -> list[Record]:
        """Return all resources below a scope: children, a group's content, and role assignments on any of these."""
        prefix = f"{scope.lower()}/"
        return [self._as_of_now(record) for key, record in self._records.items() if key.startswith(prefix)]

    def _as_of_now(self, record: Record) -> Record:
        # Machines of real clusters read without a transaction.
        if (busy_until := record.get("busy_until")) is not None and busy_until <= self.clusters.now:
            record.pop("busy_until", None)
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
    """The rules for the names of a type's resources.

    Attributes:
        key: the input that names the resource.
        pattern: the pattern of the whole name.
        source: where Azure documents the pattern.
        automatic: the kind of azure-native's automatic name: the logical name and 8 hex digits for top-level resources,
            the logical name for children, or a GUID (provider.go, `getDefaultName`).
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
    """One entry of the table of resource types. Subclasses implement a type's special behaviour.

    Attributes:
        kind: ARM's name of the type.
        groups: the segment before the group's name in IDs of this type, in Azure's spelling.
        shown: the type's name in Azure's answers, if it differs from `kind`.
        api_version: azure-native 3.29.0's default API version.
        name: the rules for its resources' names.
        ancestors: the inputs with the names of the enclosing resources below the group, outermost first.
        located: whether its resources have a location.
        placeless: whether the location may be `global`.
        immutable: properties that force a replacement, in addition to the parts of the ID. Sources: azure-native,
            provider/pkg/gen/replacement.go (`forceNewMap`), and `x-ms-mutability: [read, create]` in
            Azure/azure-rest-api-specs.
    """

    kind: str
    api_version: str
    name: Name
    ancestors: tuple[str, ...] = ()
    located: bool = False
    placeless: bool = False
    immutable: tuple[str, ...] = ()
    groups: str = "resourceGroups"
    shown: str = ""

    def id_of(self, subscription: Subscription, inputs: Properties) -> str:
        """Return the ID of a resource with these inputs."""
        namespace, *types = self.kind.split("/")
        names = [inputs[key] for key in (*self.ancestors, self.name.key)]
        path = "/".join(f"{kind}/{name}" for kind, name in zip(types, names, strict=True))
        return f"{subscription.id}/{self.groups}/{inputs['resourceGroupName']}/providers/{namespace}/{path}"

    def id_keys(self) -> Collection[str]:
        """Return the inputs that make up the ID."""
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
        """Return the mistakes in inputs of the right types; some values may be unknown."""
        del inputs
        yield from ()

    def admit(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Record | None) -> None:
        """Raise an error if Azure refuses the request; `old` is the resource before an update, None for a new one."""

    def outputs(self, subscription: Subscription, resource_id: str, inputs: Properties, old: Properties) -> Properties:
        """Return the computed outputs; `old` holds those before an update and is empty for a new resource."""
        del subscription, resource_id, inputs, old
        return {}

    def first_answer(self, outputs: Properties) -> Properties:
        """Return the outputs in the answer to the creation, which may lack values that later reads have."""
        return outputs

    def applied(self, subscription: Subscription, record: Record, old: Record | None) -> None:
        """Carry out the side effects of a creation or update, before the resource is visible."""

    def admit_deletion(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        """Refuse to delete a resource that is used by another one, unless that is in `to_delete` (lower-case IDs)."""

    def deleted(self, subscription: Subscription, record: Record, to_delete: Collection[str]) -> None:
        """Carry out the side effects of a deletion, while the resource still exists."""


class ExtensionResource(ResourceType):
    """A resource on another one, on a group or on a subscription, whose ID comes first in its own.

    Attributes:
        scope: the input with that ID.
    """

    scope: str = "scope"

    @override
    def id_of(self, subscription: Subscription, inputs: Properties) -> str:
        del subscription
        # azure-native, provider/pkg/provider/crud/crud.go, `PrepareAzureRESTIdAndQuery`
        return f"/{inputs[self.scope].strip('/')}/providers/{self.kind}/{inputs[self.name.key]}"

    @override
    def id_keys(self) -> Collection[str]:
        return {self.scope, self.name.key}

    @override
    def require_parents(self, subscription: Subscription, resource_id: str) -> None:
        scope = resource_id.rsplit("/providers/", 1)[0]
        depth = scope.count("/")
        if depth == _GROUP_DEPTH:
            super().require_parents(subscription, resource_id)
        elif depth > _GROUP_DEPTH:
            subscription.require(scope)


_GROUP_DEPTH: Final = "/subscriptions/…/resourceGroups/…".count("/")

CREATE_BEFORE_DELETE: Final = "__createBeforeDelete"
"""azure-native's input that marks a resource with an automatic name."""


def compare(old: Properties, new: Properties, immutable: Collection[str]) -> Difference:
    """Compare two sets of inputs as azure-native does (diff.go).

    Args:
        old: the resource's inputs.
        new: its new inputs.
        immutable: the properties that force a replacement, in the form `agentPoolProfiles[].name`.

    Returns:
        The paths of the changed leaves. These count as equal: spellings of one location, 2 and 2.0, no tags and an
        empty map.
    """
    old, new = ({**side, "tags": side.get("tags") or None} for side in (old, new))
    if isinstance(old.get("location"), str) and isinstance(new.get("location"), str):
        old = {**old, "location": short_location(old["location"])}
        new = {**new, "location": short_location(new["location"])}
    changed = list(_changes(old, new, ""))
    replaced = [path for path in changed if _forces_replacement(path, immutable)]
    # A resource with an explicit name cannot exist twice, so the old one is deleted first (provider.go, `Diff`).
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
