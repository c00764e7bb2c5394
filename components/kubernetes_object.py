"""A Kubernetes object as a resource, given by its manifest, and whether Pulumi awaits it."""

import json
from typing import Any

import pulumi

from .app_manifests import Manifest, overlay


class KubernetesObject(pulumi.CustomResource):
    """An object of any kind.

    One class for all kinds: the SDK's classes require every field of a manifest to be renamed, and it has none for
    Fleet's kinds. `pulumi_kubernetes.yaml.v2.ConfigGroup` takes manifests, but error hooks do not reach its children.

    Attributes:
        metadata: the object's metadata.
        status: the object's status once it is ready; None for kinds without one.
    """

    metadata: pulumi.Output[Any]
    status: pulumi.Output[Any]

    def __init__(self, name: str, manifest: Manifest, opts: pulumi.ResourceOptions) -> None:
        version, kind = manifest["apiVersion"], manifest["kind"]
        group_version = version if "/" in version else f"core/{version}"
        if kind == "Secret":
            manifest = manifest | {
                part: {key: pulumi.Output.secret(value) for key, value in manifest[part].items()}
                for part in ("data", "stringData")
                if part in manifest
            }
        # With this input, `status` becomes an attribute that the provider's answer fills.
        super().__init__(f"kubernetes:{group_version}:{kind}", name, {**manifest, "status": None}, opts)


def awaited(manifest: Manifest, *conditions: str) -> Manifest:
    """Return a manifest that is ready when all conditions hold, as `kubectl wait` takes them."""
    return overlay(manifest, {"metadata": {"annotations": {"pulumi.com/waitFor": json.dumps(conditions)}}})


def not_awaited(manifest: Manifest) -> Manifest:
    """Return a manifest that is ready once it is created."""
    return overlay(manifest, {"metadata": {"annotations": {"pulumi.com/skipAwait": "true"}}})
