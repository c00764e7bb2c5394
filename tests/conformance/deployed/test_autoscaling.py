"""An app with a HorizontalPodAutoscaler, as the program places it: what the autoscaler does on a member stays."""

from pathlib import Path

from tests.conformance.fleet import Fleet, eventually
from tests.support.stack import Stack

AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: product-service}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: product-service}
  minReplicas: 2
  maxReplicas: 4
"""
SCALE = "get deployment/product-service --namespace aks-store-demo --output jsonpath={.spec.replicas}"


def _replicas(fleet: Fleet) -> tuple[str, str]:
    return fleet.kubectl("east", *SCALE.split()), fleet.kubectl("west", *SCALE.split())


def test_number_of_pods_is_the_autoscalers_also_after_a_new_version(
    stack: Stack, fleet: Fleet, manifests: Path
) -> None:
    (manifests / "app" / "autoscaler.yaml").write_text(AUTOSCALER)
    done = stack.up().changes
    assert {name: done[name] for name in done if "product-service" in name} == {
        "app-deployment-product-service": "update",
        "app-horizontalpodautoscaler-product-service": "create",
        "app-resourceoverride-product-service": "create",
    }
    eventually(lambda: _replicas(fleet), ("2", "2"), 300)

    scale = "scale deployment/product-service --namespace aks-store-demo --replicas=3"
    fleet.kubectl("east", *scale.split())
    file = manifests / "app" / "product-service.yaml"
    file.write_text(file.read_text().replace("product-service:2.2.0", "product-service:2.2.1"))
    assert stack.up().changes == {"app-deployment-product-service": "update"}
    image = "get deployment/product-service --namespace aks-store-demo --output jsonpath={..image}"
    for region in ("east", "west"):
        eventually(
            lambda region=region: fleet.kubectl(region, *image.split()).endswith(":2.2.1"), expected=True, seconds=300
        )
    assert _replicas(fleet) == ("3", "2")
