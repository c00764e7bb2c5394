"""A fleet, and the objects that tests put on it."""

from typing import Any

from rehearsal.azure.arm import Deployer
from rehearsal.cloud import Cloud
from rehearsal.cluster.interface import ApiServer
from rehearsal.cluster.objects import Object, condition
from rehearsal.core.store import Activity, Store
from rehearsal.fleet.in_memory import Cluster, InMemoryClusters

HUB = "/fleets/hub"
USER = Deployer().object_id


def new_object(api_version: str, kind: str, name: str, namespace: str = "", **content: Any) -> Object:  # noqa: ANN401 - JSON
    metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def deployment(name: str = "front", replicas: int = 2, image: str = "shop:1") -> Object:
    labels = {"app": name}
    return new_object(
        "apps/v1",
        "Deployment",
        name,
        "shop",
        spec={
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 8080}]}]},
            },
        },
    )


def service(name: str = "front", **spec: Any) -> Object:  # noqa: ANN401 - JSON
    ports = [{"port": 80, "targetPort": 8080}]
    return new_object("v1", "Service", name, "shop", spec={"selector": {"app": name}, "ports": ports, **spec})


def export(name: str = "front") -> Object:
    return new_object("networking.fleet.azure.com/v1beta1", "ServiceExport", name, "shop")


def entry_point(name: str = "front", of: str = "front") -> Object:
    return new_object(
        "networking.fleet.azure.com/v1alpha1",
        "MultiClusterService",
        name,
        "shop",
        spec={"serviceImport": {"name": of}},
    )


def placement(policy: Object | None = None, namespace: str = "shop") -> Object:
    selector = {"group": "", "version": "v1", "kind": "Namespace", "name": namespace}
    spec: Object = {"resourceSelectors": [selector], **({"policy": policy} if policy else {})}
    return new_object("placement.kubernetes-fleet.io/v1", "ClusterResourcePlacement", "shop", spec=spec)


def override(path: str = "/spec/replicas", **rule: Any) -> Object:  # noqa: ANN401 - JSON
    """Return what takes a field away from the Deployment on every member."""
    selector = {"group": "apps", "version": "v1", "kind": "Deployment", "name": "front"}
    removal = [{"op": "remove", "path": path}]
    spec: Object = {
        "placement": {"name": "shop"},
        "resourceSelectors": [selector],
        "policy": {
            "overrideRules": [{"clusterSelector": {"clusterSelectorTerms": []}, "jsonPatchOverrides": removal, **rule}]
        },
    }
    return new_object("placement.kubernetes-fleet.io/v1", "ResourceOverride", "load", "shop", spec=spec)


def in_locations(*locations: str) -> Object:
    """Return the policy of the article: all clusters whose location label has one of these values."""
    expression = {"key": "fleet.azure.com/location", "operator": "In", "values": list(locations)}
    terms = [{"labelSelector": {"matchExpressions": [expression]}}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"clusterSelectorTerms": terms}}
    return {"placementType": "PickAll", "affinity": {"clusterAffinity": required}}


def in_memory(cloud: Cloud) -> InMemoryClusters:
    """Return the Kubernetes side of a cloud that has it in memory."""
    assert isinstance(cloud.clusters, InMemoryClusters)
    return cloud.clusters


def add_member(clusters: InMemoryClusters, name: str, location: str, number: int) -> Cluster:
    cluster = clusters.add_cluster(
        f"/clusters/{name}", f"https://{name}", location=location, network="vnet", pods=f"10.{number}.0.0/24", nodes=2
    )
    clusters.join(HUB, name, cluster.id, {})
    return cluster


def new_fleet(
    store: Store | None = None, activity: Activity | None = None
) -> tuple[InMemoryClusters, Cluster, Cluster, Cluster]:
    """Return the article's fleet: all clusters, the hub, and the members east and west."""
    clusters = InMemoryClusters(store or Store(), activity)
    hub = clusters.add_hub(HUB, "https://hub")
    return clusters, hub, add_member(clusters, "east", "eastus2", 1), add_member(clusters, "west", "westus2", 2)


def put_app(hub: Cluster) -> None:
    """Create the namespace, a Deployment, its Service and the export on the hub."""
    hub.create(new_object("v1", "Namespace", "shop"), user=USER)
    for item in (deployment(), service(), export()):
        hub.create(item, user=USER)


def placed_fleet() -> tuple[InMemoryClusters, Cluster, Cluster, Cluster]:
    """Return a fleet with the app placed on both members."""
    clusters, hub, east, west = new_fleet()
    put_app(hub)
    hub.create(placement(in_locations("eastus2", "westus2")), user=USER)
    clusters.settle()
    return clusters, hub, east, west


def get(cluster: ApiServer, item: Object) -> Object:
    """Return the live version of an object."""
    metadata = item["metadata"]
    return cluster.get(item["apiVersion"], item["kind"], metadata["name"], metadata.get("namespace", ""))


def state(item: Object, name: str) -> tuple[str, str] | None:
    """Return a condition's status and reason."""
    found = condition(item, name)
    return (found["status"], found["reason"]) if found else None


def addresses(item: Object) -> list[str]:
    """Return a load balancer's addresses."""
    return [entry["ip"] for entry in item["status"]["loadBalancer"].get("ingress", ())]


def role(name: str, space: str = "shop") -> Object:
    """Return a Role that lets somebody read pods."""
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    return {**new_object("rbac.authorization.k8s.io/v1", "Role", name, space), "rules": rules}
