"""Fleet networking: exporting services, importing them, and the MultiClusterService's load balancer.

Behaviour and texts: Azure/fleet-networking v0.3.25, pkg/controllers.
"""

import json
from collections.abc import Container, Iterable, Iterator
from copy import deepcopy
from typing import Final

from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.interface import Part
from rehearsal.cluster.objects import (
    Object,
    annotations_of,
    child,
    condition,
    deleting,
    digest,
    is_true,
    labels_of,
    name_of,
    namespace_of,
    owned_by,
    owner_reference,
    status_of,
)
from rehearsal.cluster.workloads import INTERNAL, SERVICE_NAME
from rehearsal.fleet.view import FleetView

_GROUP: Final = "networking.fleet.azure.com"
EXPORT: Final = f"ServiceExport.{_GROUP}"
SERVICE: Final = f"MultiClusterService.{_GROUP}"
_IMPORT: Final = f"ServiceImport.{_GROUP}"
_INTERNAL_EXPORT: Final = f"InternalServiceExport.{_GROUP}"
INTERNAL_IMPORT: Final = f"InternalServiceImport.{_GROUP}"
SLICE_EXPORT: Final = f"EndpointSliceExport.{_GROUP}"
_SLICE_IMPORT: Final = f"EndpointSliceImport.{_GROUP}"
_SLICE: Final = "EndpointSlice.discovery.k8s.io"

_SYSTEM: Final = "fleet-system"
_CLAIM: Final = f"{_GROUP}/service-in-use-by"
_IMPORT_LABEL: Final = f"{_GROUP}/service-import"
_DERIVED_LABEL: Final = f"{_GROUP}/derived-service"
_CLAIM_FINALIZER: Final = f"{_GROUP}/internalsvcimport-cleanup"
_EXPORT_FINALIZER: Final = f"{_GROUP}/svc-export-cleanup"
_IMPORT_FINALIZER: Final = f"{_GROUP}/serviceimport-cleanup"
_INTERNAL_EXPORT_FINALIZER: Final = f"{_GROUP}/internal-svc-export-cleanup"
SLICE_EXPORT_FINALIZER: Final = f"{_GROUP}/endpointsliceexport-cleanup"
_SLICE_IMPORT_FINALIZER: Final = f"{_GROUP}/endpointsliceimport-cleanup"
_SERVICE_FINALIZER: Final = f"{_GROUP}/service-resources-cleanup"
_MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
_IMPORTER: Final = f"endpointsliceimport-controller.{_GROUP}"
_PORT_FIELDS: Final = ("name", "protocol", "appProtocol", "port", "targetPort")
_UNKNOWN_IMPORT: Final = (
    "importing service; if the condition remains for a while, please verify that service has been exported or service "
    "has been exported by other multiClusterService"
)


def member_namespace(member: str) -> str:
    """Return the hub namespace through which a member and the hub exchange objects."""
    return f"fleet-member-{member}"


def exports(fleet: FleetView, hub: Cluster) -> None:
    """Validate the members' exports, and copy valid ones to the hub (member/serviceexport/controller.go)."""
    for member, cluster in _agents(fleet, hub):
        for item in cluster.objects(EXPORT):
            _export(hub, member, cluster, item)


def _export(hub: Cluster, member: str, cluster: Cluster, item: Object) -> None:
    space, name = namespace_of(item), name_of(item)
    internal = hub.find(_INTERNAL_EXPORT, f"{space}-{name}", member_namespace(member))
    service = cluster.find("Service", name, space)
    problem = _ineligibility(service)
    if deleting(item) or problem:
        if internal:
            hub.discard(internal)
        cluster.set_finalizer(item, _EXPORT_FINALIZER, present=False)
        if problem and not deleting(item):
            # An earlier Conflict condition stays (observed).
            cluster.set_condition(item, "Valid", "False", problem[0], f"service {space}/{name} is {problem[1]}")
        return
    if internal and deleting(internal):
        return
    ports = _ports(service or {})
    if internal is None:
        cluster.set_finalizer(item, _EXPORT_FINALIZER, present=True)
        cluster.set_condition(item, "Valid", "True", "ServiceIsValid", f"service {space}/{name} is valid for export")
        if condition(item, "Conflict") is None:
            cluster.set_condition(
                item,
                "Conflict",
                "Unknown",
                "ServicePendingConflictResolution",
                f"service {space}/{name} is pending export conflict resolution",
            )
    elif internal["spec"]["ports"] == ports:
        if (found := condition(internal, "Conflict")) is not None:
            cluster.set_condition(item, "Conflict", found["status"], found["reason"], found["message"])
        return
    hub.apply(
        {
            "apiVersion": f"{_GROUP}/v1alpha1",
            "kind": "InternalServiceExport",
            "metadata": {"name": f"{space}-{name}", "namespace": member_namespace(member)},
            "spec": {
                "ports": ports,
                "serviceReference": {
                    "clusterId": member,
                    "name": name,
                    "namespace": space,
                    "namespacedName": f"{space}/{name}",
                },
            },
        }
    )


def _ineligibility(service: Object | None) -> tuple[str, str] | None:
    if service is None or deleting(service):
        return ("ServiceNotFound", "not found")
    if service["spec"]["type"] == "ExternalName" or service["spec"].get("clusterIP") == "None":
        return ("ServiceIneligible", "not eligible for export")
    return None


def _ports(service: Object) -> list[Object]:
    return [
        {field: port[field] for field in _PORT_FIELDS if field in port} for port in service["spec"].get("ports") or ()
    ]


def internal_exports(fleet: FleetView, hub: Cluster) -> None:
    """Keep a finalizer on the members' exports until they have left the service (hub/internalserviceexport)."""
    del fleet
    for item in hub.objects(_INTERNAL_EXPORT):
        hub.set_finalizer(item, _INTERNAL_EXPORT_FINALIZER, present=not deleting(item))


def conflicts(fleet: FleetView, hub: Cluster) -> None:
    """Give a service the ports of its first export; the other exports must have the same list."""
    del fleet
    groups: dict[tuple[str, str], list[Object]] = {}
    for item in hub.objects(_INTERNAL_EXPORT):
        if not deleting(item):
            reference = item["spec"]["serviceReference"]
            groups.setdefault((reference["namespace"], reference["name"]), []).append(item)
    _withdraw_imports(hub, groups)
    for (space, name), items in groups.items():
        # The service's namespace must also exist on the hub (hub/internalserviceexport/controller.go:198-214).
        own_namespace = hub.find("Namespace", space)
        if own_namespace is None or deleting(own_namespace):
            continue
        ports: list[Object] = items[0]["spec"]["ports"]
        agreed: list[Object] = []
        for item in items:
            if item["spec"]["ports"] == ports:
                message = f"service {space}/{name} is exported without conflict"
                hub.set_condition(item, "Conflict", "False", "NoConflictFound", message)
                agreed.append({"cluster": item["spec"]["serviceReference"]["clusterId"]})
            else:
                message = f"service {space}/{name} is in conflict with other exported services"
                hub.set_condition(item, "Conflict", "True", "ConflictFound", message)
        found = hub.find(_IMPORT, name, space)
        if found is None:
            hub.create(_import(space, name))
        elif not deleting(found):
            hub.set_status(found, {"type": "ClusterSetIP", "clusters": agreed, "ports": deepcopy(ports)})


def _withdraw_imports(hub: Cluster, exported: Container[tuple[str, str]]) -> None:
    for item in hub.objects(_IMPORT):
        if (namespace_of(item), name_of(item)) not in exported:
            hub.discard(item)


def _import(space: str, name: str) -> Object:
    return {
        "apiVersion": f"{_GROUP}/v1alpha1",
        "kind": "ServiceImport",
        "metadata": {"name": name, "namespace": space},
    }


def claims(fleet: FleetView, hub: Cluster) -> None:
    """Give a service to one importer in the whole fleet, the first one (hub/internalserviceimport/controller.go).

    The claim is an annotation of the hub's ServiceImport. It is removed when its member stops importing. A claim that
    somebody else wrote is respected, and stays.
    """
    del fleet
    for item in hub.objects(INTERNAL_IMPORT):
        reference = item["spec"]["serviceImportReference"]
        found = hub.find(_IMPORT, reference["name"], reference["namespace"])
        claim = _claim(found)
        if deleting(item) or (found and deleting(found)):
            if found and namespace_of(item) in claim:
                hub.set_metadata(found, "annotations", _CLAIM, None)
                hub.set_finalizer(found, _IMPORT_FINALIZER, present=False)
            hub.set_finalizer(item, _CLAIM_FINALIZER, present=False)
            continue
        if found and not claim:
            hub.set_finalizer(item, _CLAIM_FINALIZER, present=True)
            hub.set_finalizer(found, _IMPORT_FINALIZER, present=True)
            claim = {namespace_of(item): reference["clusterId"]}
            value = json.dumps({"MemberClusters": claim}, separators=(",", ":"))
            hub.set_metadata(found, "annotations", _CLAIM, value)
        if namespace_of(item) in claim:
            hub.set_status(item, deepcopy(status_of(found or {})))
        else:
            hub.set_finalizer(item, _CLAIM_FINALIZER, present=False)
            hub.set_status(item, {})


def _claim(found: Object | None) -> Object:
    """Return a service's claim: the members by their namespaces."""
    return json.loads(annotations_of(found).get(_CLAIM, "{}")).get("MemberClusters", {}) if found else {}


def imports(fleet: FleetView, hub: Cluster) -> None:
    """Copy the members' imports to the hub, and the hub's answers back (member/serviceimport)."""
    for member, cluster in _agents(fleet, hub):
        for item in cluster.objects(_IMPORT):
            space, name = namespace_of(item), name_of(item)
            internal = hub.find(INTERNAL_IMPORT, f"{space}-{name}", member_namespace(member))
            if deleting(item):
                if internal:
                    hub.discard(internal)
                cluster.set_finalizer(item, _IMPORT_FINALIZER, present=False)
            elif internal is None:
                cluster.set_finalizer(item, _IMPORT_FINALIZER, present=True)
                reference = {"clusterId": member, "name": name, "namespace": space}
                hub.create(
                    {
                        "apiVersion": f"{_GROUP}/v1alpha1",
                        "kind": "InternalServiceImport",
                        "metadata": {"name": f"{space}-{name}", "namespace": member_namespace(member)},
                        "spec": {"serviceImportReference": reference},
                    }
                )
            else:
                cluster.set_status(item, deepcopy(status_of(internal)))


def services(fleet: FleetView, hub: Cluster) -> None:
    """Create an import and a load balancer for each MultiClusterService (multiclusterservice/controller.go)."""
    for _, cluster in _agents(fleet, hub):
        for item in cluster.objects(SERVICE):
            _serve(cluster, item)


def _serve(cluster: Cluster, item: Object) -> None:
    space, wanted = namespace_of(item), item["spec"]["serviceImport"]["name"]
    current = labels_of(item).get(_IMPORT_LABEL)
    if deleting(item):
        _withdraw(cluster, item)
        # Found by name, without a check of its owner: deleting a second MultiClusterService on this member also deletes
        # the first one's import.
        if current and (shared := cluster.find(_IMPORT, current, space)):
            cluster.discard(shared)
        cluster.set_finalizer(item, _SERVICE_FINALIZER, present=False)
        return
    if current != wanted:
        if current and (old := cluster.find(_IMPORT, current, space)):
            cluster.discard(old)
        cluster.set_finalizer(item, _SERVICE_FINALIZER, present=True)
        cluster.set_metadata(item, "labels", _IMPORT_LABEL, wanted)
        return
    found = cluster.find(_IMPORT, wanted, space)
    own_namespace = cluster.find("Namespace", space)
    if found is None and own_namespace and not deleting(own_namespace):
        cluster.create(_import(space, wanted) | {"metadata": _owned(item, wanted)})
    if found is None or not owned_by(found, item) or not status_of(found).get("clusters"):
        _withdraw(cluster, item)
        cluster.set_metadata(item, "labels", _DERIVED_LABEL, None)
        cluster.set_status(item, {**status_of(item), "loadBalancer": {}})
        cluster.set_condition(item, "Valid", "Unknown", "UnknownServiceImport", _UNKNOWN_IMPORT)
        return
    derived = _derive(cluster, item, found["status"]["ports"])
    cluster.set_metadata(item, "labels", _DERIVED_LABEL, _derived_name(item))
    balancer = deepcopy(child(status_of(derived or {}), "loadBalancer"))
    cluster.set_status(item, {**status_of(item), "loadBalancer": balancer})
    cluster.set_condition(item, "Valid", "True", "FoundServiceImport", "found valid service import")


def _owned(item: Object, name: str) -> Object:
    return {"name": name, "namespace": namespace_of(item), "ownerReferences": [owner_reference(item)]}


def _derived_name(item: Object) -> str:
    return f"{namespace_of(item)}-{name_of(item)}"


def _withdraw(cluster: Cluster, item: Object) -> None:
    if derived := cluster.find("Service", _derived_name(item), _SYSTEM):
        cluster.discard(derived)


def _derive(cluster: Cluster, item: Object, ports: list[Object]) -> Object | None:
    name = _derived_name(item)
    live = cluster.find("Service", name, _SYSTEM)
    internal = annotations_of(item).get(f"{_GROUP}/azure-load-balancer-internal") == "true"
    if live and _ports(live) == ports and (not internal or annotations_of(live).get(INTERNAL) == "true"):
        return live
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {
                "name": name,
                "namespace": _SYSTEM,
                "labels": {
                    f"{_GROUP}/multi-cluster-service-name": name_of(item),
                    f"{_GROUP}/multi-cluster-service-namespace": namespace_of(item),
                },
                # Once set, the annotation stays: the controller never removes it (controller.go:344-353).
                "annotations": {INTERNAL: "true"} if internal else annotations_of(live) if live else {},
            },
            "spec": {"type": "LoadBalancer", "ports": deepcopy(ports)},
        }
    )
    return live


def slice_exports(fleet: FleetView, hub: Cluster) -> None:
    """Copy the ready IPv4 endpoints of exports without conflict to the hub (member/endpointslice)."""
    for member, cluster in _agents(fleet, hub):
        wanted: set[str] = set()
        for item in cluster.objects(EXPORT):
            conflict = condition(item, "Conflict")
            if deleting(item) or conflict is None or conflict["status"] != "False":
                continue
            for endpoint_slice in cluster.objects(_SLICE):
                if namespace_of(endpoint_slice) == namespace_of(item) and labels_of(endpoint_slice).get(
                    SERVICE_NAME
                ) == name_of(item):
                    wanted.add(_export_slice(hub, member, item, endpoint_slice))
        for endpoint_slice in hub.objects(SLICE_EXPORT):
            if namespace_of(endpoint_slice) == member_namespace(member) and name_of(endpoint_slice) not in wanted:
                hub.discard(endpoint_slice)


def _export_slice(hub: Cluster, member: str, item: Object, endpoint_slice: Object) -> str:
    name = f"{member}-{namespace_of(endpoint_slice)}-{name_of(endpoint_slice)}"
    name = f"{name}-{digest(name, 5)}"
    specification = {
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": endpoint["addresses"]}
            for endpoint in endpoint_slice["endpoints"]
            if endpoint["conditions"]["ready"]
        ],
        "ports": deepcopy(endpoint_slice["ports"]),
        "ownerServiceReference": {"name": name_of(item), "namespace": namespace_of(item)},
    }
    live = hub.find(SLICE_EXPORT, name, member_namespace(member))
    if live is None or live["spec"] != specification:
        hub.apply(
            {
                "apiVersion": f"{_GROUP}/v1alpha1",
                "kind": "EndpointSliceExport",
                "metadata": {"name": name, "namespace": member_namespace(member)},
                "spec": specification,
            }
        )
    return name


def slice_distribution(fleet: FleetView, hub: Cluster) -> None:
    """Offer exported slices to the member that has claimed their service (hub/endpointsliceexport)."""
    del fleet
    for item in hub.objects(_SLICE_IMPORT):
        source = next((each for each in hub.objects(SLICE_EXPORT) if name_of(each) == name_of(item)), None)
        if source is None or deleting(source) or namespace_of(item) not in _claimants(hub, source):
            hub.discard(item)
    for endpoint_slice in hub.objects(SLICE_EXPORT):
        claimants = () if deleting(endpoint_slice) else _claimants(hub, endpoint_slice)
        hub.set_finalizer(endpoint_slice, SLICE_EXPORT_FINALIZER, present=bool(claimants))
        for space in claimants:
            own_namespace = hub.find("Namespace", space)
            if own_namespace is None or deleting(own_namespace):  # the member is leaving
                continue
            live = hub.find(_SLICE_IMPORT, name_of(endpoint_slice), space)
            if live is None or (live["spec"] != endpoint_slice["spec"] and not deleting(live)):
                hub.apply(
                    {
                        "apiVersion": f"{_GROUP}/v1alpha1",
                        "kind": "EndpointSliceImport",
                        "metadata": {"name": name_of(endpoint_slice), "namespace": space},
                        "spec": deepcopy(endpoint_slice["spec"]),
                    }
                )


def _claimants(hub: Cluster, endpoint_slice: Object) -> Iterable[str]:
    """Return the namespaces of the members that get an exported slice."""
    reference = endpoint_slice["spec"]["ownerServiceReference"]
    return _claim(hub.find(_IMPORT, reference["name"], reference["namespace"]))


def slice_imports(fleet: FleetView, hub: Cluster) -> None:
    """Keep a slice in the importing member's fleet-system for each offer (member/endpointsliceimport).

    An offer is processed when it is created or changes, not when an entry point is created or the slice is deleted.
    """
    for member, cluster in _agents(fleet, hub):
        for item in hub.objects(_SLICE_IMPORT):
            if namespace_of(item) != member_namespace(member):
                continue
            uid, generation = item["metadata"]["uid"], item["metadata"]["generation"]
            if deleting(item):
                fleet.seen.pop(uid, None)
                if live := cluster.find(_SLICE, name_of(item), _SYSTEM):
                    cluster.discard(live)
                hub.set_finalizer(item, _SLICE_IMPORT_FINALIZER, present=False)
            elif (
                fleet.seen.get(uid) != generation
                and not _passed_over(fleet, hub, item)
                and _import_offer(hub, cluster, item)
            ):
                fleet.seen[uid] = generation


def _passed_over(fleet: FleetView, hub: Cluster, item: Object) -> bool:
    source = next((each for each in hub.objects(SLICE_EXPORT) if name_of(each) == name_of(item)), None)
    origin = fleet.members(hub).get(namespace_of(source).removeprefix(member_namespace(""))) if source else None
    return origin is not None and fleet.is_down(Part.IMPORTS, origin)


def _import_offer(hub: Cluster, cluster: Cluster, item: Object) -> bool:
    """Import an offered slice; return False to retry."""
    reference = item["spec"]["ownerServiceReference"]
    importing = [
        labels_of(each).get(_DERIVED_LABEL, "")
        for each in cluster.objects(SERVICE)
        if namespace_of(each) == reference["namespace"] and each["spec"]["serviceImport"]["name"] == reference["name"]
    ]
    derived = next(filter(None, importing), "")
    if importing and cluster.find("Service", derived, _SYSTEM) is None:
        return False
    if importing:
        hub.set_finalizer(item, _SLICE_IMPORT_FINALIZER, present=True)
        _import_slice(cluster, derived, name_of(item), item["spec"])
    return True


def _import_slice(cluster: Cluster, derived: str, name: str, specification: Object) -> None:
    content: Object = {
        "addressType": "IPv4",
        "endpoints": [{"addresses": entry["addresses"], "conditions": {}} for entry in specification["endpoints"]],
        "ports": specification["ports"],
    }
    live = cluster.find(_SLICE, name, _SYSTEM)
    if live is None or any(live[key] != value for key, value in content.items()):
        cluster.apply(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "name": name,
                    "namespace": _SYSTEM,
                    "labels": {SERVICE_NAME: derived, _MANAGED_BY: _IMPORTER},
                },
                **content,
            }
        )


def _agents(fleet: FleetView, hub: Cluster) -> Iterator[tuple[str, Cluster]]:
    for member, cluster in fleet.members(hub).items():
        item = hub.find("MemberCluster.cluster.kubernetes-fleet.io", member)
        if cluster and cluster.reachable and item and is_true(item, "Joined"):
            yield member, cluster


CONTROLLERS: Final = (
    slice_imports,
    slice_distribution,
    slice_exports,
    services,
    imports,
    claims,
    conflicts,
    internal_exports,
    exports,
)
