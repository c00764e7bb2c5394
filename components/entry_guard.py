"""The guard of an entry point: it takes a region that is lost out of the entry point, and puts it back."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice

from .kubernetes_object import KubernetesObject, awaited
from .retries import OBJECT_RETRY
from .sdk import provider, unchanged

_NAMESPACE: Final = "entry-guard"
_NAME: Final = "entry-guard"
_SYSTEM: Final = "fleet-system"
_PORT: Final = 8080
_CODE: Final = "guard.py"
# Pinned. Azure clusters need this registry anyway (learn: aks/outbound-rules-control-egress). Untried: nobody has
# pulled it on Azure for this program.
IMAGE: Final = (
    "mcr.microsoft.com/azurelinux/distroless/python:3.12-nonroot"
    "@sha256:bb3696f7552a7f9a6550558343dff5a4d45c58fc38e1eb93c7493d685a68db17"
)
_LABELS: Final = {"app.kubernetes.io/name": _NAME}


class EntryGuardArgs(TypedDict):
    """The cluster, and the members whose endpoints it imports."""

    kubernetes: pulumi.Input[k8s.Provider]
    """Provider for objects on the cluster of the entry point."""
    members: Sequence[containerservice.FleetMember]
    """The fleet's members."""
    lost: NotRequired[bool]
    """Whether the cluster no longer answers. The guard then stays as it is, and must exist. False by default."""


class EntryGuard(pulumi.ComponentResource):
    """A workload beside an entry point that marks the endpoints of a lost region as not ready.

    It connects to each imported endpoint every five seconds. A region counts as lost when none of its endpoints has
    answered in three rounds, while others did. The guard may read and change EndpointSlices in `fleet-system`, and
    record events there; nothing else. `guard.py` says how it decides.
    """

    def __init__(self, name: str, args: EntryGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        left_alone = pulumi.ResourceOptions(transformations=[unchanged] if args.get("lost") else None)
        super().__init__("fleet-l4-lb:index:EntryGuard", name, {}, pulumi.ResourceOptions.merge(opts, left_alone))
        on_cluster = pulumi.ResourceOptions(
            parent=self, provider=provider(args["kubernetes"]), hooks=OBJECT_RETRY.hooks()
        )
        code = Path(__file__).with_name(_CODE).read_text(encoding="utf-8")
        namespace = KubernetesObject(f"{name}-namespace", _namespace(), on_cluster)
        inside = pulumi.ResourceOptions.merge(on_cluster, pulumi.ResourceOptions(depends_on=[namespace]))
        account = KubernetesObject(f"{name}-account", _account(), inside)
        role = KubernetesObject(
            f"{name}-role",
            _role(),
            # Its namespace exists once the cluster has joined the fleet.
            pulumi.ResourceOptions.merge(on_cluster, pulumi.ResourceOptions(depends_on=args["members"])),
        )
        binding = KubernetesObject(
            f"{name}-binding",
            _binding(),
            pulumi.ResourceOptions.merge(on_cluster, pulumi.ResourceOptions(depends_on=[account, role])),
        )
        configuration = KubernetesObject(f"{name}-code", _configuration(code), inside)
        KubernetesObject(
            f"{name}-deployment",
            awaited(_deployment(code, [member.name for member in args["members"]]), "condition=Available"),
            pulumi.ResourceOptions.merge(
                inside,
                pulumi.ResourceOptions(
                    depends_on=[binding, configuration],
                    custom_timeouts=pulumi.CustomTimeouts(create="10m", update="10m"),
                ),
            ),
        )
        self.register_outputs({})


def _object(api_version: str, kind: str, name: str, namespace: str | None = _NAMESPACE) -> dict[str, Any]:
    metadata = {"name": name, "labels": _LABELS, **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def _namespace() -> dict[str, Any]:
    item = _object("v1", "Namespace", _NAMESPACE, None)
    item["metadata"]["labels"] = {**_LABELS, "pod-security.kubernetes.io/enforce": "restricted"}
    return item


def _account() -> dict[str, Any]:
    return _object("v1", "ServiceAccount", _NAME)


def _role() -> dict[str, Any]:
    rules = [
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "patch"]},
        {"apiGroups": [""], "resources": ["events"], "verbs": ["create"]},
    ]
    return {**_object("rbac.authorization.k8s.io/v1", "Role", _NAME, _SYSTEM), "rules": rules}


def _binding() -> dict[str, Any]:
    return {
        **_object("rbac.authorization.k8s.io/v1", "RoleBinding", _NAME, _SYSTEM),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": _NAME},
        "subjects": [{"kind": "ServiceAccount", "name": _NAME, "namespace": _NAMESPACE}],
    }


def _configuration(code: str) -> dict[str, Any]:
    return {**_object("v1", "ConfigMap", _NAME), "data": {_CODE: code}}


def _deployment(code: str, members: Sequence[pulumi.Input[str]]) -> dict[str, Any]:
    names = pulumi.Output.json_dumps(members)
    environment = {"GUARD_MEMBERS": names, "GUARD_PORT": str(_PORT), "PYTHONDONTWRITEBYTECODE": "1"}
    probe = {"httpGet": {"path": "/healthz", "port": _PORT}, "periodSeconds": 10}
    container = {
        "name": _NAME,
        "image": IMAGE,
        "command": ["/usr/bin/python3", f"/guard/{_CODE}"],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "ports": [{"name": "metrics", "containerPort": _PORT}],
        "readinessProbe": probe,
        "livenessProbe": {**probe, "initialDelaySeconds": 30},
        "resources": {"requests": {"cpu": "10m", "memory": "40Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "code", "mountPath": "/guard", "readOnly": True}],
    }
    spec = {
        "serviceAccountName": _NAME,
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        # Five minutes, Kubernetes' default, are too long to wait for a guard whose node is lost.
        "tolerations": [
            {"key": f"node.kubernetes.io/{state}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}
            for state in ("not-ready", "unreachable")
        ],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [{"name": "code", "configMap": {"name": _NAME}}],
    }
    # A new code starts a new pod.
    template = {"labels": _LABELS, "annotations": {"fleet-l4-lb/code": sha256(code.encode()).hexdigest()[:16]}}
    return {
        **_object("apps/v1", "Deployment", _NAME),
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _LABELS},
            "template": {"metadata": template, "spec": spec},
        },
    }
