"""The pulumi-kubernetes provider, on the clusters of the rehearsal.

Source of behaviour and texts: pulumi/pulumi-kubernetes 4.32, provider/pkg/provider/provider.go and await/await.go.
"""

import secrets
from base64 import b64decode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from rehearsal import schema
from rehearsal.azure.arm import Deployer
from rehearsal.kubernetes import diffing, kubeconfig, waiting
from rehearsal.kubernetes.apiserver import Cluster
from rehearsal.kubernetes.kinds import KINDS, find_kind, split_api_version
from rehearsal.kubernetes.kubeconfig import UnreachableError
from rehearsal.kubernetes.objects import ApiError, Object, annotations_of, finalizers_of, merge, name_of, namespace_of
from rehearsal.kubernetes.world import World
from rehearsal.model import (
    UNKNOWN,
    Call,
    Difference,
    NotReadyError,
    Problem,
    Properties,
    RefusedError,
    has_unknown,
)

_Verb: TypeAlias = Literal["create", "get", "patch", "delete"]

# Entra ID's name for an application is its object id, and it is in no group of Kubernetes' own (learn:
# aks/azure-ad-integration; kubeguard/guard, auth/providers/azure).
_USER: Final = Deployer().object_id
_AUTONAMED: Final = "pulumi.com/autonamed"
_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"
_CLUSTER_KEYS: Final = ("kubeconfig", "context", "cluster")
# NotFound and NoMatch are tried again after 1, 2, 4, 8, 16 and 32 seconds (await.go, Creation).
_CREATION_RETRIES: Final = 63
_REMEDY: Final = 'rerunning the operation with the PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
# Components that the provider itself would render or construct; programs here register typed objects instead.
_COMPONENTS: Final = ("yaml", "helm.sh", "kustomize")


@dataclass(frozen=True)
class _Connection:
    """A cluster that answers, and the right to use it."""

    cluster: Cluster
    allowed: bool

    def check(self, verb: _Verb, item: Object) -> None:
        """Refuse a request that the deploying identity may not make, as AKS with Azure RBAC does.

        Raises:
            ApiError: Forbidden.
        """
        kind = find_kind(item["apiVersion"], item["kind"], self.cluster.role)
        if self.allowed or kind is None:
            return
        space = namespace_of(item) or ("default" if kind.namespaced else "")
        where = f'in the namespace "{space}"' if space else "at the cluster scope"
        # A create request has no name in its URL.
        what = kind.resource if verb == "create" else f'{kind.resource} "{name_of(item)}"'
        raise ApiError(
            "Forbidden",
            f'{what} is forbidden: User "{_USER}" cannot {verb} resource "{kind.plural}" in API group "{kind.group}" '
            f"{where}: User does not have access to the resource in Azure. Update role assignment to allow access.",
        )


class Kubernetes:
    """The provider's behaviour; one instance answers for all provider instances (`call.provider` tells them apart).

    Args:
        clusters: the clusters.
        may_access: whether the deploying identity's roles allow it to use a cluster, by the cluster's id.
    """

    def __init__(self, clusters: World, *, may_access: Callable[[str], bool]) -> None:
        self._clusters = clusters
        self._may_access = may_access

    # Provider instances.

    def check_provider(self, config: Properties) -> list[Problem]:
        """Say what is wrong with a provider instance's configuration."""
        if config.get("renderYamlToDirectory"):
            return [Problem("renderYamlToDirectory", "this rehearsal does not render YAML")]
        return []

    def diff_provider(self, old: Properties, new: Properties) -> Difference:
        """Compare two configurations: another cluster replaces, unless an identifier denies it (DiffConfig)."""
        changed = [key for key in {**old, **new} if old.get(key) != new.get(key) or new.get(key) is UNKNOWN]
        if not changed:
            return Difference()
        before, after = old.get("clusterIdentifier"), new.get("clusterIdentifier")
        replaced: list[str] = []
        if before is not None and after is not None and "clusterIdentifier" in changed:
            replaced.append("clusterIdentifier")
        settled = after is not None and "clusterIdentifier" not in changed
        if unknown := [key for key in _CLUSTER_KEYS if new.get(key) is UNKNOWN]:
            return Difference(unknown[:1], [] if settled else [*replaced, *unknown[:1]])
        try:
            clusters = [kubeconfig.active_cluster(config) for config in (old, new)]
        except UnreachableError as error:
            raise RefusedError(str(error)) from error
        if None not in clusters and clusters[0] != clusters[1]:
            replaced += [key for key in _CLUSTER_KEYS if key in changed]
        return Difference(changed, [] if settled else replaced)

    # Objects.

    def check(
        self, call: Call, inputs: Properties, old_inputs: Properties | None = None
    ) -> tuple[Properties, list[Problem]]:
        """Complete the inputs (kind, automatic name, namespace), and say what is wrong with them."""
        api_version, kind = _kind_of(call)
        problems = schema.problems(call.token, inputs)
        result: Properties = {"apiVersion": api_version, "kind": kind, **diffing.duplicate(inputs)}
        if result.get("metadata") is UNKNOWN:
            return result, problems
        result["metadata"] = metadata = _known(result, "metadata")
        if not metadata.get("name"):
            if metadata.get("generateName"):
                raise RefusedError("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
            old = _known(old_inputs or {}, "metadata")
            metadata["name"] = old["name"] if _autonamed(old) else f"{call.name}-{secrets.token_hex(4)}"
            metadata["annotations"] = _known(metadata, "annotations") | {_AUTONAMED: "true"}
        if _namespaced(api_version, kind) and not metadata.get("namespace"):
            # The provider leaves it out when it has no configuration to take it from.
            with suppress(UnreachableError):
                metadata["namespace"] = kubeconfig.resolve(call.provider).namespace
        return result, problems

    def diff(self, call: Call, old_inputs: Properties, outputs: Properties, inputs: Properties) -> Difference:
        """Compare the live object, as far as the program describes it, with the new inputs."""
        api_version, kind = _kind_of(call)
        live = outputs if outputs.get("metadata") else old_inputs
        old, new = diffing.prune(live, diffing.normal(old_inputs)), diffing.normal(inputs)
        for metadata in (_known(old, "metadata"), _known(new, "metadata")):
            if _namespaced(api_version, kind):
                metadata.setdefault("namespace", "default")
            else:
                metadata.pop("namespace", None)
        changed = list(diffing.changes(old, new))
        forcing = diffing.replacing(
            api_version,
            kind,
            mutable_config_maps=_flag(call, "enableConfigMapMutable"),
            mutable_secrets=_flag(call, "enableSecretMutable"),
        )
        replaced = [path for path in changed if any(diffing.touches(path, force) for force in forcing)]
        # Delete first where the new object must have the old one's name (provider.go, deleteBeforeReplace).
        named = _known(new, "metadata")
        first = (
            bool(replaced)
            and named.get("name") == name_of(live)
            and named.get("namespace", "") == namespace_of(live)
            and not _autonamed(named)
        )
        return Difference(
            [diffing.render(path) for path in changed], [diffing.render(path) for path in replaced], first
        )

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Create an object and wait until it is ready."""
        if call.preview:
            self._preview(call, inputs)
            return "", diffing.duplicate(inputs)
        connection = self._require(call)
        live = self._post(call, connection, inputs)
        prefix = (
            f'resource "{call.name}" was successfully created, but the Kubernetes API server reported that it failed '
            "to fully initialize or become live"
        )
        return _id_of(live), self._await(call, connection.cluster, inputs, live, prefix)

    def update(self, call: Call, resource_id: str, outputs: Properties, inputs: Properties) -> Properties:
        """Apply an object's new configuration and wait until it is ready."""
        if call.preview:
            self._preview(call, inputs)
            return diffing.duplicate(inputs) if has_unknown(inputs) else merge(outputs, {}, inputs)
        connection = self._require(call)
        with self._clusters.requests():
            try:
                connection.check("patch", inputs)
                namespace, name = _parse_id(resource_id)
                connection.cluster.get(inputs["apiVersion"], inputs["kind"], name, namespace)
                live = connection.cluster.apply(inputs, user=_USER) | {"apiVersion": inputs["apiVersion"]}
            except ApiError as error:
                raise RefusedError(f'update of resource "{call.name}" failed: {error}') from error
        prefix = f'the Kubernetes API server reported that "{resource_id}" failed to fully initialize or become live'
        return self._await(call, connection.cluster, inputs, live, prefix)

    def delete(self, call: Call, resource_id: str, outputs: Properties) -> None:
        """Delete an object and wait until it is gone, its finalizers and dependents included."""
        api_version, kind = _kind_of(call)
        connection = self._connect(call)
        if isinstance(connection, UnreachableError):
            if _flag(call, "deleteUnreachable"):
                return
            raise RefusedError(
                "configured Kubernetes cluster is unreachable. If the cluster was deleted, you can remove this "
                f"resource from Pulumi state by {_REMEDY}"
            )
        namespace, name = _parse_id(resource_id)
        live: Object = {"apiVersion": api_version, "kind": kind, **outputs}
        cluster = connection.cluster
        policy = annotations_of(live).get(_PROPAGATION, "foreground").lower()

        def request() -> None:
            connection.check("delete", live)
            cluster.delete(api_version, kind, name, namespace, foreground=policy == "foreground", user=_USER)

        with self._clusters.requests():
            try:
                request()
            except ApiError as error:
                if error.reason in ("NotFound", "NoMatch"):
                    return
                raise
        if not waiting.awaits_deletion(live):
            return

        def gone() -> bool:
            nonlocal live
            try:
                live = cluster.get(api_version, kind, name, namespace)
            except ApiError as error:
                return error.reason in ("NotFound", "NoMatch")
            return False

        if not self._clusters.wait_until(gone, waiting.timeout_of(live, call.timeout)):
            message = "timed out waiting for the condition"
            holding = f"finalizers might be preventing deletion ({', '.join(finalizers_of(live))})"
            raise NotReadyError(
                f"{message}: {holding}", resource_id=resource_id, outputs=live, reasons=[message, holding]
            )

    def read(
        self,
        call: Call,
        resource_id: str,
        inputs: Properties,
        outputs: Properties,  # noqa: ARG002 - the cloud remembers for itself
    ) -> tuple[Properties, Properties] | None:
        """Return the live object, and what the program's inputs would be if they said the same.

        An import has no inputs yet: it gets all that could be said, or the bare identity of a kind that the SDK does
        not know, such as Fleet's (provider.go, Read).
        """
        api_version, kind = _kind_of(call)
        connection = self._connect(call)
        if isinstance(connection, UnreachableError):
            if _flag(call, "deleteUnreachable"):
                return None
            raise RefusedError(
                "failed to read resource state due to unreachable cluster. If the cluster was deleted, you can remove "
                f"this resource from Pulumi state by {_REMEDY}"
            )
        namespace, name = _parse_id(resource_id)
        with self._clusters.requests():
            try:
                target = {"name": name, **({"namespace": namespace} if namespace else {})}
                connection.check("get", {"apiVersion": api_version, "kind": kind, "metadata": target})
                live = connection.cluster.get(api_version, kind, name, namespace)
            except ApiError as error:
                if error.reason in ("NotFound", "NoMatch"):
                    return None
                raise
        if not inputs:
            sayable = schema.expected_outputs(call.token, {}).keys() - {"status"}
            described = {key: value for key, value in live.items() if key in sayable}
            return diffing.normal({"apiVersion": api_version, "kind": kind, "metadata": target} | described), live
        return _as_inputs(live, inputs), live

    def invoke(self, call: Call, args: Properties) -> Properties:
        """Refuse: the provider's functions only render YAML, Helm and Kustomize."""
        del args
        raise RefusedError(_not_played(call.token))

    # How operations are carried out.

    def _preview(self, call: Call, inputs: Properties) -> None:
        # A server-side dry run; what it cannot decide is left to the update (provider.go, Create with Preview).
        connection = self._connect(call)
        if isinstance(connection, UnreachableError) or has_unknown(inputs):
            return
        with self._clusters.requests():
            try:
                connection.check("create", inputs)
                connection.cluster.dry_run(inputs, user=_USER)
            except ApiError as error:
                if error.reason == "Invalid":
                    raise RefusedError(_creation_failure(call, inputs, error)) from error

    def _post(self, call: Call, connection: _Connection, inputs: Properties) -> Object:
        refused: ApiError | None = None
        live: Object = {}

        def created() -> bool:
            nonlocal refused, live
            try:
                connection.check("create", inputs)
                live = connection.cluster.create(inputs, user=_USER)
            except ApiError as error:
                refused = error
                # A namespace or a definition may still be on its way; nothing else mends itself.
                return error.reason not in ("NotFound", "NoMatch")
            refused = None
            return True

        self._clusters.wait_until(created, _CREATION_RETRIES)
        if refused:
            raise RefusedError(_creation_failure(call, inputs, refused)) from refused
        return live | {"apiVersion": inputs["apiVersion"]}

    def _await(self, call: Call, cluster: Cluster, inputs: Properties, live: Object, prefix: str) -> Properties:
        try:
            awaited = waiting.awaited(inputs)
        except RefusedError as error:
            raise RefusedError(
                f'resource "{call.name}" was not successfully created by the Kubernetes API server: {error}'
            ) from error
        if awaited is None:
            return live
        lacks: list[str] = []

        def ready() -> bool:
            nonlocal live, lacks
            try:
                live = cluster.get(inputs["apiVersion"], inputs["kind"], name_of(live), namespace_of(live))
                lacks = awaited.lacks(cluster, live)
            except ApiError as error:
                lacks = [str(error)]
            return not lacks

        if self._clusters.wait_until(ready, waiting.timeout_of(inputs, call.timeout)):
            return live
        cause = (
            f"'{name_of(live)}' timed out waiting to be Ready"
            if awaited.built_in
            else "timed out waiting for the condition"
        )
        reasons = [f"{prefix}: {cause}", *lacks, waiting.last_seen(live)]
        raise NotReadyError(
            f"{prefix}: {cause}: {'; '.join(reasons[1:])}", resource_id=_id_of(live), outputs=live, reasons=reasons
        )

    # Connections.

    def _connect(self, call: Call) -> _Connection | UnreachableError:
        try:
            target = kubeconfig.resolve(call.provider)
        except UnreachableError as error:
            return error
        with self._clusters.requests():
            cluster = self._clusters.at(target.server)
        if cluster is None or not cluster.reachable:
            host = target.server.removeprefix("https://").partition(":")[0]
            trouble = f"dial tcp: lookup {host}: no such host" if cluster is None else "dial tcp: i/o timeout"
            return UnreachableError(
                "unable to load schema information from the API server: "
                f'Get "{target.server}/openapi/v2?timeout=32s": {trouble}'
            )
        return _Connection(cluster, allowed=not target.entra or self._may_access(cluster.id))

    def _require(self, call: Call) -> _Connection:
        connection = self._connect(call)
        if isinstance(connection, UnreachableError):
            raise RefusedError(f"configured Kubernetes cluster is unreachable: {connection}") from connection
        return connection


def _creation_failure(call: Call, inputs: Properties, error: ApiError) -> str:
    if error.reason == "NoMatch":
        return (
            f'creation of resource "{call.name}" with kind {inputs["apiVersion"]}/{inputs["kind"]} failed because the '
            "Kubernetes API server reported that the apiVersion for this resource does not exist. Verify that any "
            f"required CRDs have been created: {error}"
        )
    hint = " (import it, or let another name be used)" if error.reason == "AlreadyExists" else ""
    return f'resource "{call.name}" was not successfully created by the Kubernetes API server: {error}{hint}'


def _kind_of(call: Call) -> tuple[str, str]:
    """Return a type's API version and kind: `kubernetes:core/v1:Service` is `v1`, `Service`."""
    _, version, kind = call.token.split(":")
    if version.startswith(_COMPONENTS) or kind.endswith(("List", "Patch")):
        raise RefusedError(_not_played(call.token))
    return version.removeprefix("core/"), kind


def _not_played(token: str) -> str:
    return (
        f"this rehearsal does not know {token}: register typed objects or CustomResource, which tests and previews can "
        "see, instead of YAML, Helm, Kustomize, lists or patches"
    )


def _namespaced(api_version: str, kind: str) -> bool:
    group, _ = split_api_version(api_version)
    # A kind that nobody serves counts as namespaced (provider.go, Check).
    known = KINDS.get(f"{kind}.{group}" if group else kind)
    return known is None or known.namespaced


def _flag(call: Call, key: str) -> bool:
    # Provider configuration arrives as JSON values or as their text.
    return call.provider.get(key) in (True, "true")


def _known(properties: Properties, key: str) -> Properties:
    value: Any = properties.get(key)
    return cast("Properties", value) if isinstance(value, dict) else {}


def _autonamed(metadata: Properties) -> bool:
    return _known(metadata, "annotations").get(_AUTONAMED) == "true"


def _id_of(item: Object) -> str:
    return "/".join(part for part in (namespace_of(item), name_of(item)) if part)


def _parse_id(resource_id: str) -> tuple[str, str]:
    namespace, _, name = resource_id.rpartition("/")
    return namespace, name


def _as_inputs(live: Object, inputs: Properties) -> Properties:
    result: Properties = diffing.prune(live, diffing.normal(inputs))
    if plain := _known(inputs, "stringData"):
        # The API server keeps `data` only; said in the program's words, its values stay the secrets they were.
        data: dict[str, str] = result.pop("data", {})
        result["stringData"] = {key: b64decode(data[key]).decode() for key in plain if key in data}
    return result
