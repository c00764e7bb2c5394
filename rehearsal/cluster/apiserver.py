"""An API server in memory, with requests for clients and live objects for controllers."""

import ipaddress
import uuid
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Final, TypeAlias

from rehearsal.cluster import admission, quantities
from rehearsal.cluster.clock import Clock
from rehearsal.cluster.kinds import HUB, KINDS, Kind, key_of, resolve
from rehearsal.cluster.objects import (
    FieldPath,
    Object,
    child,
    conflicting,
    deleting,
    digest,
    finalizers_of,
    leaves,
    merge,
    name_of,
    namespace_of,
    patched,
    put_condition,
    status_of,
    timestamp,
    unshared,
    without,
)
from rehearsal.core.errors import ApiError, RefusedError

Objects: TypeAlias = list[Object]

# Fields that only the API server and controllers write.
_SERVER_FIELDS: Final = (
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
)

_MANAGER: Final = "rehearsal"  # the default field manager, for every user


class Cluster:
    """One API server. Requests copy objects in and out; controllers change the live objects."""

    def __init__(self, clock: Clock, cluster_id: str, data: dict[str, Any]) -> None:
        self.clock = clock
        self.id = cluster_id
        self._data = data
        self._data.setdefault("fields", {})  # files of an earlier version lack it
        self.revision = 0
        """Increases with every change, so that controllers can skip unchanged clusters."""

    @property
    def role(self) -> str:
        """Whether this is a fleet's hub or a member."""
        return self._data["role"]

    @property
    def server(self) -> str:
        """The URL for clients."""
        return self._data["server"]

    @property
    def location(self) -> str:
        """The Azure region's short name."""
        return self._data["location"]

    @property
    def reachable(self) -> bool:
        """Whether the API server answers and the agents run."""
        return self._data["reachable"]

    @reachable.setter
    def reachable(self, value: bool) -> None:
        self._data["reachable"] = value
        self.revision += 1

    # Requests of clients and of controllers.

    def create(self, body: Object, *, user: str = "", manager: str = "", dry_run: bool = False) -> Object:
        """Create an object, for a user or (without one) for a controller; return the result.

        Args:
            body: the object.
            user: the user of the request; empty for a controller.
            manager: the client's name: the field manager that owns the written fields.
            dry_run: whether to return the result without storing it.

        Raises:
            ApiError: the API server refuses the request, with its own message.
        """
        kind, item = self._prepare(body)
        admission.check(self, kind, item, user)
        quantities.normalise(kind, item)
        self._guard("CREATE", kind, item, None, api_version=body["apiVersion"], user=user)
        body = deepcopy(item)
        live = self._add(kind, item, dry_run=dry_run)
        if not dry_run and (user or manager):
            self._fields(kind, item)[manager or _MANAGER] = body
        return deepcopy(live)

    def _add(self, kind: Kind, item: Object, *, dry_run: bool = False) -> Object:
        items = self._items(kind.key)
        name = name_of(item)
        if self._address(item) in items:
            raise ApiError("AlreadyExists", f'{kind.resource} "{name}" already exists')
        if kind.namespaced:
            self._check_namespace(kind, item)
        serial = 0 if dry_run else self.clock.next_serial()
        item["metadata"] |= {
            "uid": str(uuid.UUID(digest([self.id, serial], 32))),
            "creationTimestamp": timestamp(self.clock.now),
        }
        if kind.group:
            item["metadata"]["generation"] = 1
        admission.complete(self, kind, item, None)
        if dry_run:
            return item
        item["metadata"]["resourceVersion"] = str(serial)
        items[self._address(item)] = item
        self.revision += 1
        return item

    def apply(
        self, body: Object, *, user: str = "", manager: str = "", force: bool = True, dry_run: bool = False
    ) -> Object:
        """Apply a configuration to an object, or create it (server-side apply); return the result.

        Args:
            body: the configuration.
            user: the user of the request; empty for a controller.
            manager: the client's name; its earlier fields that the configuration lacks are removed.
            force: whether to take fields over from other clients.
            dry_run: whether to return the result without storing it.

        Raises:
            ApiError: the API server refuses the request, with its own message; Conflict: other clients own fields.
        """
        kind, item = self._prepare(body)
        live = self._items(kind.key).get(self._address(item))
        manager = manager or _MANAGER
        if live is None:
            admission.check(self, kind, item, user)
        quantities.normalise(kind, item)
        if live is None:
            self._guard("CREATE", kind, item, None, api_version=body["apiVersion"], user=user)
            live = self._add(kind, deepcopy(item), dry_run=dry_run)
            if not dry_run:
                self._fields(kind, item)[manager] = item
            return deepcopy(live)
        fields: dict[str, Object] = deepcopy(self._data["fields"].get(self._fields_key(kind, item), {}))
        previous: Object = fields.get(manager, {})
        others = {name: held for name, held in fields.items() if name != manager}
        if conflicts := {name: found for name, held in others.items() if (found := conflicting(held, live, item))}:
            # Fields that a client is about to take over are no conflict in its dry run (await.go, patchForce).
            if not force and not (dry_run and all(map(_taken_over, conflicts))):
                raise ApiError("Conflict", _conflict(conflicts))
            for name, paths in conflicts.items():
                others[name] = without(others[name], paths)
        for held in others.values():
            previous = unshared(previous, held)
        merged = merge(live, previous, item)
        merged["metadata"] |= {key: live["metadata"][key] for key in _SERVER_FIELDS if key in live["metadata"]}
        kept = [entry for entry in finalizers_of(live) if entry not in finalizers_of(previous or {"metadata": {}})]
        if added := [*finalizers_of(item), *(entry for entry in kept if entry not in finalizers_of(item))]:
            merged["metadata"]["finalizers"] = added
        self._check_change(kind, live, merged, api_version=body["apiVersion"], user=user)
        if dry_run:
            return merged
        self._data["fields"][self._fields_key(kind, item)] = {**others, manager: item}
        self._replace(live, merged)
        return deepcopy(live)

    def _check_change(self, kind: Kind, live: Object, merged: Object, *, api_version: str, user: str) -> None:
        admission.check(self, kind, merged, user)
        self._guard("UPDATE", kind, merged, live, api_version=api_version, user=user)
        admission.check_immutable(kind, live, merged)
        admission.complete(self, kind, merged, live)
        if merged != live and kind.group and _specification(merged) != _specification(live):
            merged["metadata"]["generation"] += 1

    def _replace(self, live: Object, merged: Object) -> None:
        if merged != live:
            live.clear()
            live.update(merged)
            self.touch(live)

    def change(  # noqa: PLR0913 - the parts of a request
        self, api_version: str, kind: str, name: str, namespace: str, changes: Object, *, status: bool, user: str
    ) -> Object:
        """Change an object by a JSON merge patch (RFC 7386); return the result.

        Args:
            api_version: the object's group and version.
            kind: its kind.
            name: its name.
            namespace: its namespace, if its kind has them.
            changes: the patch; None removes a field. The fields are then no client's that applies configurations.
            status: whether to change the status, and nothing else, rather than everything else.
            user: the user of the request.

        Raises:
            ApiError: the API server refuses the request, with its own message.
        """
        found = self._resolve(api_version, kind)
        live = self._items(found.key).get(_key(namespace, name))
        if live is None:
            raise ApiError("NotFound", f'{found.resource} "{name}" not found')
        if status:
            self.set_status(live, patched(status_of(live), changes.get("status") or {}))
            return deepcopy(live)
        merged = patched(live, changes)
        self._check_change(found, live, merged, api_version=api_version, user=user)
        fields = self._data["fields"].get(self._fields_key(found, live), {})
        self._data["fields"][self._fields_key(found, live)] = {
            manager: without(held, {*leaves(changes)}) for manager, held in fields.items()
        }
        self._replace(live, merged)
        return deepcopy(live)

    def adopt(self, item: Object, manager: str) -> None:
        """Give a client the fields of the managers that it replaces (fluxcd/pkg/ssa): kubectl, and its own creation."""
        kind = self._resolve(item["apiVersion"], item["kind"])
        fields = self._fields(kind, item)
        for name in list(filter(_taken_over, fields)):
            fields[manager] = merge(fields.get(manager, {}), {}, fields.pop(name))

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object:
        """Return an object in the requested version.

        Raises:
            ApiError: the object does not exist (NotFound), or the cluster does not serve the kind (NoMatch).
        """
        found = self._resolve(api_version, kind)
        item = self._items(found.key).get(_key(namespace, name))
        if item is None:
            raise ApiError("NotFound", f'{found.resource} "{name}" not found')
        return {**deepcopy(item), "apiVersion": api_version}

    def list(self, api_version: str, kind: str, namespace: str = "") -> Objects:
        """Return the objects of a kind, of one namespace or of all."""
        found = self._resolve(api_version, kind)
        return [
            {**deepcopy(item), "apiVersion": api_version}
            for item in self.objects(found.key)
            if not namespace or namespace_of(item) == namespace
        ]

    def delete(  # noqa: PLR0913 - the parts of a request
        self, api_version: str, kind: str, name: str, namespace: str = "", *, foreground: bool = False, user: str = ""
    ) -> None:
        """Delete an object, or mark it for deletion while it has finalizers (foreground: while it has dependents).

        Raises:
            ApiError: the object does not exist, or the deletion is refused.
        """
        found = self._resolve(api_version, kind)
        item = self._items(found.key).get(_key(namespace, name))
        if item is None:
            raise ApiError("NotFound", f'{found.resource} "{name}" not found')
        admission.check_delete(self, found, api_version, item, user)
        self.discard(item, foreground=foreground)

    # For controllers, with live objects.

    def objects(self, key: str) -> Objects:
        """Return the live objects of a kind, oldest first."""
        return [*self._data["objects"].get(key, {}).values()]

    def find(self, key: str, name: str, namespace: str = "") -> Object | None:
        """Return a live object."""
        return self._data["objects"].get(key, {}).get(_key(namespace, name))

    def everything(self) -> Iterator[Object]:
        """Yield all live objects."""
        for items in [*self._data["objects"].values()]:
            yield from [*items.values()]

    def touch(self, item: Object) -> None:
        """Mark a live object as changed."""
        item["metadata"]["resourceVersion"] = str(self.clock.next_serial())
        self.revision += 1

    def set_status(self, item: Object, status: Object) -> None:
        """Write a live object's status, if it differs."""
        before = status_of(item)
        if before == status:
            return
        item["status"] = status
        self.touch(item)
        known = {entry["type"]: entry for entry in before.get("conditions", ())}
        for entry in status.get("conditions", ()):
            old = known.get(entry["type"])
            if old is None or (old["status"], old["reason"]) != (entry["status"], entry["reason"]):
                self.clock.report(self.id, item, entry)

    def set_condition(self, item: Object, name: str, status: str, reason: str, message: str) -> None:
        """Write one condition of a live object."""
        entry = {
            "type": name,
            "status": status,
            "reason": reason,
            "message": message,
            "observedGeneration": item["metadata"].get("generation", 0),
        }
        current = status_of(item)
        conditions = put_condition(current.get("conditions") or [], entry, self.clock.now)
        self.set_status(item, {**current, "conditions": conditions})

    def set_finalizer(self, item: Object, finalizer: str, *, present: bool) -> None:
        """Add or remove a finalizer. A deleted object is removed with its last finalizer."""
        current = finalizers_of(item)
        if (finalizer in current) is present:
            return
        rest = [*current, finalizer] if present else [entry for entry in current if entry != finalizer]
        if rest:
            item["metadata"]["finalizers"] = rest
        else:
            item["metadata"].pop("finalizers", None)
        self.touch(item)
        if not rest and deleting(item):
            self._drop(item)

    def set_metadata(self, item: Object, part: str, key: str, value: str | None) -> None:
        """Set or (None) remove a label or an annotation."""
        entries: dict[str, str] = item["metadata"].get(part) or {}
        if entries.get(key) == value:
            return
        item["metadata"][part] = {k: v for k, v in entries.items() if k != key} | (
            {} if value is None else {key: value}
        )
        self.touch(item)

    def discard(self, item: Object, *, foreground: bool = False) -> None:
        """Delete a live object, as `delete` does."""
        if deleting(item):
            return
        key = key_of(item)
        if foreground and any(
            reference["uid"] == item["metadata"]["uid"]
            for other in self.everything()
            for reference in other["metadata"].get("ownerReferences", ())
        ):
            item["metadata"]["finalizers"] = [*finalizers_of(item), "foregroundDeletion"]
        if key == "Namespace":
            item["status"] = {"phase": "Terminating"}
        elif not finalizers_of(item):
            self._drop(item)
            return
        else:  # apiserver v0.36 pkg/registry/generic/registry/store.go, markAsDeleting
            item["metadata"]["deletionGracePeriodSeconds"] = 0
        item["metadata"]["deletionTimestamp"] = timestamp(self.clock.now)
        self.touch(item)

    def _drop(self, item: Object) -> None:
        kind = KINDS[key_of(item)]
        self._items(kind.key).pop(self._address(item), None)
        self._data["fields"].pop(self._fields_key(kind, item), None)
        self.revision += 1

    def remove_namespace(self, item: Object) -> None:
        """Finish the deletion of a namespace that is empty."""
        self._drop(item)

    def free_address(self) -> str:
        """Return the lowest free address of the node subnet: for nodes, pods and internal balancers (flat Azure CNI).

        Raises:
            RefusedError: the subnet is full.
        """
        used = {
            entry["address"]
            for node in self.objects("Node")
            for entry in node["status"]["addresses"]
            if entry["type"] == "InternalIP"
        }
        used |= {status_of(pod).get("podIP") for pod in self.objects("Pod")}
        used |= {
            entry["ip"]
            for service in self.objects("Service")
            for entry in child(status_of(service), "loadBalancer").get("ingress", ())
        }
        network = ipaddress.ip_network(self._data["pods"])
        # Azure keeps the first four addresses of a subnet and the last one (virtual-networks-faq).
        for offset in range(4, network.num_addresses - 1):
            if (address := str(network[offset])) not in used:
                return address
        raise RefusedError(f"SubnetIsFull: subnet {self._data['pods']} has no free address")

    def free_service_address(self) -> str:
        """Return the lowest free address of the service network (.1 is the API server's, .10 the DNS service's)."""
        used = {service["spec"].get("clusterIP") for service in self.objects("Service")}
        network = ipaddress.ip_network(self._data["services"])
        return next(address for host in range(11, network.num_addresses) if (address := str(network[host])) not in used)

    def _resolve(self, api_version: str, kind: str) -> Kind:
        if not self.reachable:
            raise ApiError("Unreachable", f'Get "{self.server}": dial tcp: i/o timeout')
        return resolve(api_version, kind, self.role)

    def _prepare(self, body: Object) -> tuple[Kind, Object]:
        kind = self._resolve(body["apiVersion"], body["kind"])
        item = deepcopy(body)
        item["apiVersion"] = kind.api_version
        item.pop("status", None)
        _drop_empty(item, "data", "binaryData")
        _drop_empty(item["metadata"], "labels", "annotations")
        admission.normalise(item)
        for field in _SERVER_FIELDS:
            item["metadata"].pop(field, None)
        if kind.namespaced:
            item["metadata"].setdefault("namespace", "default")
        else:
            item["metadata"].pop("namespace", None)
        return kind, item

    def _guard(  # noqa: PLR0913 - what is done to what, and by whom
        self, verb: str, kind: Kind, item: Object, live: Object | None, *, api_version: str, user: str
    ) -> None:
        if user and self.role == HUB:
            admission.check_guard_rail(kind, verb, item, live, api_version=api_version, user=user)

    def _check_namespace(self, kind: Kind, item: Object) -> None:
        name = namespace_of(item)
        namespace = self.find("Namespace", name)
        if namespace is None:
            raise ApiError("NotFound", f'namespaces "{name}" not found')
        if deleting(namespace):
            raise ApiError(
                "Forbidden",
                f'{kind.resource} "{name_of(item)}" is forbidden: unable to create new content in namespace {name} '
                "because it is being terminated",
            )

    def _fields(self, kind: Kind, item: Object) -> dict[str, Object]:
        # In place of managedFields: each client's fields, as it wrote them.
        return self._data["fields"].setdefault(self._fields_key(kind, item), {})

    def _fields_key(self, kind: Kind, item: Object) -> str:
        return f"{kind.key} {self._address(item)}"

    def _items(self, key: str) -> dict[str, Object]:
        return self._data["objects"].setdefault(key, {})

    @staticmethod
    def _address(item: Object) -> str:
        return _key(namespace_of(item), name_of(item))


def _key(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"


def _taken_over(manager: str) -> bool:
    return manager.startswith("kubectl") or manager == "pulumi-kubernetes"


def _conflict(conflicts: Mapping[str, Sequence[FieldPath]]) -> str:
    # apimachinery v0.34, pkg/util/managedfields/internal/conflict.go
    paths = [(manager, "".join(f".{part}" for part in path)) for manager, all_ in conflicts.items() for path in all_]
    if len(paths) == 1:
        return f'Apply failed with 1 conflict: conflict with "{paths[0][0]}": {paths[0][1]}'
    lines = [f"Apply failed with {len(paths)} conflicts:"]
    for manager in sorted(conflicts):
        lines += [f'conflicts with "{manager}":', *(f"- {path}" for name, path in sorted(paths) if name == manager)]
    return "\n".join(lines)


def _drop_empty(part: Object, *fields: str) -> None:
    # Fields that are left out if they are empty (`omitempty` in k8s.io/api core/v1 and apimachinery meta/v1).
    for field in fields:
        if not part.get(field):
            part.pop(field, None)


def _specification(item: Object) -> Object:
    return {key: value for key, value in item.items() if key not in ("metadata", "status")}
