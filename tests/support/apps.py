"""Several apps: their manifests and their settings."""

from pathlib import Path
from typing import Any

from tests.support.stack import Stack

_MANIFESTS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {service}}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: {service}}}}}
  template:
    metadata: {{labels: {{app: {service}}}}}
    spec:
      containers:
        - name: {service}
          image: {image}
          ports: [{{containerPort: 8080}}]
          resources: {{requests: {{cpu: 10m, memory: 16Mi}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: {service}}}
spec:
  selector: {{app: {service}}}
  ports: [{{port: {port}, targetPort: 8080}}]
"""
IMAGE = "registry.example.com/web:1"


def own_manifests(root: Path) -> Path:
    """Give a copy of the program a folder of manifests that can be changed."""
    folder = root / "manifests"
    shipped = folder.resolve()
    folder.unlink()
    folder.mkdir()
    (folder / "fleet").symlink_to(shipped / "fleet")
    (folder / "app").symlink_to(shipped / "app")
    return folder


def write_app(root: Path, name: str, image: str = IMAGE, **services: int) -> None:
    """Write an app's manifests: a Deployment and a Service for each name, with its port."""
    folder = root / "manifests"
    if folder.is_symlink():
        folder = own_manifests(root)
    (folder / name).mkdir(exist_ok=True)
    for service, port in services.items():
        (folder / name / f"{service}.yaml").write_text(_MANIFESTS.format(service=service, image=image, port=port))


def three_apps(root: Path) -> dict[str, Any]:
    """Write the manifests of three apps, and return their settings: two share a global address."""
    write_app(root, "shop", web=80, orders=8080)
    write_app(root, "news", news=443)
    write_app(root, "jobs", jobs=5000)
    return {
        "apps": {
            "shop": {"services": ["web", "orders"], "entryRegions": ["east", "west"], "globalAddress": "front"},
            "news": {"namespace": "daily", "globalAddress": "front"},
            "jobs": {"regions": ["west"], "internal": True},
        },
        "globalAddresses": {"front": {"homeRegion": "eastus2"}},
    }


def deploy_three_apps(stack: Stack, **options: Any) -> None:  # noqa: ANN401 - the engine's
    """Deploy stack dev with three apps in place of its own."""
    apps = three_apps(stack.root)
    stack.configure_all({key: value for key, value in stack.config.items() if key != "app"} | apps)
    stack.up(**options)
