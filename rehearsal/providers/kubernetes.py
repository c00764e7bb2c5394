"""The simulated pulumi-kubernetes provider, on clusters in memory.

Source of behaviour and texts: pulumi/pulumi-kubernetes 4.32, provider/pkg/provider/provider.go and await/await.go.
"""

import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, cast

from rehearsal.azure.arm import Deployer
from rehearsal.azure.errors import NO_ACCESS_TO_CLUSTER
from rehearsal.cluster.apiserver import Cluster
from rehearsal.cluster.kinds import KINDS, find_kind, split_api_version
from rehearsal.cluster.objects import Object, annotations_of, finalizers_of, name_of, namespace_of
from rehearsal.core import schema
from rehearsal.core.errors import ApiError, NotReadyError, RefusedError, UnreachableError
from rehearsal.core.protocol import UNKNOWN, Call, Change, Difference, Problem, Properties, has_unknown
from rehearsal.fleet.in_memory import InMemoryClusters
from rehearsal.providers import diffing, kubeconfig
from rehearsal.providers import readiness as waiting

_Verb: TypeAlias = Literal["create", "get", "patch", "delete"]

# Entra ID's name for an application is its object ID, and it is in no group of Kubernetes' own (learn:
# aks/azure-ad-integration; kubeguard/guard, auth/providers/azure).
_USER: Final = Deployer().object_id
_AUTONAMED: Final = "pulumi.com/autonamed"
_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"
_FORCE: Final = "pulumi.com/patchForce"
_REQUIRED_FIELD: Final = (
    "this Patch resource is currently managing a required field, so it can't be deleted directly. Either set the "
    "`retainOnDelete` resource option, or transfer ownership of the field before deleting: spec.ports"
)
_PATCH_MANAGER: Final = "pulumi.com/patchFieldManager"
# Keys of a resource's outputs that do not belong to the object.
_INPUTS: Final = "__inputs"
_FIRST_VERSION: Final = "__initialApiVersion"
_MANAGER: Final = "__fieldManager"
_CREATOR: Final = "pulumi-kubernetes"
_CLUSTER_KEYS: Final = ("kubeconfig", "context", "cluster")
# NotFound and NoMatch are retried after 1, 2, 4, 8, 16 and 32 seconds (await.go, Creation).
_CREATION_RETRIES: Final = 63
_REMEDY: Final = 'rerunning the operation with the PULUMI_K8S_DELETE_UNREACHABLE environment variable set to "true"'
_UNREACHABLE: Final = "configured Kubernetes cluster is unreachable and the `deleteUnreachable` option is enabled."
_CONFLICT: Final = (
    "server-side apply field conflict detected, see https://www.pulumi.com/registry/packages/kubernetes/how-to-guides/"
    "managing-resources-with-server-side-apply/#handle-field-conflicts-on-existing-resources for troubleshooting help"
    '\nThe resource managed by field manager "{manager}" had an apply conflict: {error}'
)
# The message since 4.29 (pull request 4278).
_EXISTS: Final = """

The resource already exists in the cluster. This can happen when:

  - Renaming a Pulumi resource: use an alias to preserve the identity,
    or use deleteBeforeReplace if the resource needs replacement.
  - Managing an existing resource: use a Patch resource (e.g. NamespacePatch)
    to manage specific fields without owning the resource lifecycle.
  - Adopting a resource into Pulumi: use `pulumi import`. Note that
    protected resources (e.g. kube-system) cannot be deleted on destroy.
  - Intentional upsert: set upsertExistingObjects on the provider to allow
    server-side apply to update existing objects on create."""
# Components that the real provider renders or constructs. Rehearsed programs must register typed objects instead.
_COMPONENTS: Final = ("yaml", "helm.sh", "kustomize")


class _WaitError(RefusedError):
    """An object that is not ready in time, with its state at that time.

    Attributes:
        live: the object.
        lacks: the missing conditions of the provider's own rules, which are part of the error.
        seen: all missing conditions, and the object's conditions, for runs without an engine.
    """

    def __init__(self, message: str, live: Object, lacks: Sequence[str], seen: Sequence[str]) -> None:
        super().__init__(message)
        self.live = live
        self.lacks = lacks
        self.seen = seen


@dataclass(frozen=True)
class _Connection:
    """A connection to a cluster that answers: the cluster, the user, and the user's access."""

    cluster: Cluster
    user: str
    allowed: bool

    def can_preview(self, inputs: Properties) -> bool:
        """Return whether the API server can dry-run an object: it serves the kind, and all values are known."""
        served = find_kind(inputs["apiVersion"], inputs["kind"], self.cluster.role)
        return served is not None and not has_unknown(inputs)

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
            f'{what} is forbidden: User "{self.user}" cannot {verb} resource "{kind.plural}" in API group "{kind.group}" '  # noqa: E501
            f"{where}: {NO_ACCESS_TO_CLUSTER}",
        )


class Kubernetes:
    """The provider's behaviour; one instance answers for all provider instances (`call.provider` tells them apart).

    Args:
        clusters: the clusters.
        user: the name that API servers know the deploying identity by.
        may_access: whether the deploying identity's roles allow it to use a cluster, by the cluster's ID.
        reaches: whether the program's network reaches a cluster's API server, by the cluster's ID.
    """

    def __init__(
        self,
        clusters: InMemoryClusters,
        *,
        user: str = _USER,
        may_access: Callable[[str], bool],
        reaches: Callable[[str], bool] = lambda _cluster_id: True,
    ) -> None:
        self._clusters = clusters
        self._user = user
        self._may_access = may_access
        self._reaches = reaches

    # Provider instances.

    def check_provider(self, config: Properties) -> list[Problem]:
        """Return the mistakes in a provider instance's configuration."""
        if config.get("renderYamlToDirectory"):
            return [Problem("renderYamlToDirectory", "the rehearsal does not render YAML")]
        return []

    def diff_provider(self, old: Properties, new: Properties) -> Difference:
        """Compare two configurations: another cluster replaces, unless the cluster identifier is equal (DiffConfig)."""
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
        clusters = [kubeconfig.active_cluster(config) for config in (old, new)]
        if None not in clusters and clusters[0] != clusters[1]:
            replaced += [key for key in _CLUSTER_KEYS if key in changed]
        return Difference(changed, [] if settled else replaced)

    # Objects.

    def check(
        self, call: Call, inputs: Properties, old_inputs: Properties | None = None
    ) -> tuple[Properties, list[Problem]]:
        """Complete the inputs (kind, automatic name, namespace), and return the mistakes in them."""
        api_version, kind = _kind_of(call)
        problems = schema.problems(call.token, inputs)
        result = diffing.normal({"apiVersion": api_version, "kind": kind} | inputs)
        if result.get("metadata") is UNKNOWN:
            return result, problems
        result["metadata"] = metadata = _known(result, "metadata")
        if not metadata.get("name"):
            if _is_patch(call):
                raise RefusedError("patch resources require the `.metadata.name` field to be set")
            if metadata.get("generateName"):
                raise RefusedError("the `.metadata.generateName` field is not supported in Server-Side Apply mode")
            old = _known(old_inputs or {}, "metadata")
            metadata["name"] = old["name"] if _autonamed(old) else f"{call.name}-{secrets.token_hex(4)}"
            metadata["annotations"] = _known(metadata, "annotations") | {_AUTONAMED: "true"}
        if _namespaced(api_version, kind) and not metadata.get("namespace"):
            # The provider omits the namespace if it has no configuration to take it from.
            with suppress(UnreachableError):
                metadata["namespace"] = kubeconfig.resolve(call.provider).namespace
        return result, problems

    def diff(self, call: Call, old_inputs: Properties, outputs: Properties, inputs: Properties) -> Difference:
        """Compare the live object, as far as the program describes it, with the new inputs."""
        api_version, kind = _kind_of(call)
        described: Properties = outputs.get(_INPUTS) or old_inputs
        live = outputs if outputs.get("metadata") else old_inputs
        old, new = diffing.prune(live, diffing.normal(described)), diffing.normal(inputs)
        for metadata in (_known(old, "metadata"), _known(new, "metadata")):
            if _namespaced(api_version, kind):
                metadata["namespace"] = metadata.get("namespace") or "default"
            else:
                metadata.pop("namespace", None)
        if _known(new, "metadata").get("name"):
            old["metadata"]["name"] = name_of(live)
        changed = list(diffing.changes(old, new))
        mutable = not new.get("immutable")
        forcing = diffing.replacing(
            api_version,
            kind,
            mutable_config_maps=mutable and _flag(call, "enableConfigMapMutable"),
            mutable_secrets=mutable and _flag(call, "enableSecretMutable"),
        )
        replaced = [path for path, _, value in changed if any(diffing.touches(path, value, force) for force in forcing)]
        # Delete first if the new object must have the old one's name (provider.go, deleteBeforeReplace).
        named = _known(new, "metadata")
        first = (
            bool(replaced)
            and named.get("name") == name_of(live)
            and named.get("namespace", "") == namespace_of(live)
            and not _autonamed(named)
        )
        kinds: dict[str, Change] = {diffing.render(path): change for path, change, _ in changed}
        return Difference([*kinds], [diffing.render(path) for path in replaced], first, kinds)

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Create an object and wait until it is ready."""
        state = {_MANAGER: f"pulumi-kubernetes-{secrets.token_hex(4)}"}
        if call.preview:
            return "", self._preview_creation(call, inputs, state)
        connection = self._require(call)
        live = self._post(call, connection, inputs, state)
        prefix = (
            f'resource "{call.urn or call.name}" was successfully created, but the Kubernetes API server reported that it failed '  # noqa: E501
            "to fully initialize or become live"
        )
        try:
            live = self._await(call, connection.cluster, inputs, live)
        except _WaitError as error:
            raise _unready(prefix, error, _checkpoint(inputs, error.live, state)) from error
        except RefusedError as error:
            raise RefusedError(_creation_failure(call, inputs, error)) from error
        return _id_of(live), _checkpoint(inputs, live, state)

    def update(self, call: Call, resource_id: str, outputs: Properties, inputs: Properties) -> Properties:
        """Apply an object's new configuration and wait until it is ready."""
        inputs = diffing.normal(inputs)
        connection = self._connect(call) if call.preview else self._require(call)
        if isinstance(connection, UnreachableError) or (call.preview and not connection.can_preview(inputs)):
            return inputs
        cluster = connection.cluster
        # The object is looked up by its current name; its new configuration may have another one.
        namespace, name = _parse_id(resource_id)
        place = (inputs["apiVersion"], inputs["kind"], name, namespace)
        try:
            with self._clusters.requests():
                connection.check("get", {**inputs, "metadata": {"name": name, "namespace": namespace}})
                cluster.get(*place)
                live = self._apply(call, connection, inputs, outputs)
            if not call.preview:
                live = self._await(call, cluster, inputs, live)
        except RefusedError as error:
            if call.preview and isinstance(error, ApiError) and error.reason == "Forbidden":
                return inputs
            # The object's current state is read, and returned with the error.
            try:
                with self._clusters.requests():
                    connection.check("get", {**inputs, "metadata": {"name": name, "namespace": namespace}})
                    live = cluster.get(*place)
            except ApiError as gone:
                raise RefusedError(
                    f'update of resource "{call.urn or call.name}" failed: {error}\nunable to get cluster state: {gone}'
                ) from error
            prefix = (
                f'the Kubernetes API server reported that "{_id_of(live)}" failed to fully initialize or become live'
            )
            raise _unready(prefix, error, _checkpoint(inputs, live, outputs)) from error
        return _checkpoint(inputs, live, outputs)

    def delete(self, call: Call, resource_id: str, outputs: Properties) -> None:
        """Delete an object and wait until it is gone, its finalizers and dependents included."""
        api_version, kind = _kind_of(call)
        connection = self._connect(call)
        if isinstance(connection, UnreachableError):
            call.log("warning", f"configured Kubernetes cluster is unreachable: {connection}")
            if _flag(call, "deleteUnreachable"):
                call.log("info", f"{_UNREACHABLE} Deleting the unreachable resource from Pulumi state")
                return
            raise RefusedError(
                "configured Kubernetes cluster is unreachable. If the cluster was deleted, you can remove this "
                f"resource from Pulumi state by {_REMEDY}"
            )
        namespace, name = _parse_id(resource_id)
        inputs = {"apiVersion": api_version, "kind": kind, **(outputs.get(_INPUTS) or outputs)}
        live: Object = {"apiVersion": api_version, "kind": kind, **outputs}
        cluster = connection.cluster
        policy = annotations_of(inputs).get(_PROPAGATION, "foreground").lower()
        if _is_patch(call):
            self._relinquish(connection, live, outputs)
            return

        with self._clusters.requests():
            try:
                connection.check("delete", live)
                cluster.delete(
                    api_version, kind, name, namespace, foreground=policy == "foreground", user=connection.user
                )
            except ApiError as error:
                if error.reason in ("NotFound", "NoMatch"):
                    return
                raise
        if not waiting.awaits_deletion(inputs):
            return

        def gone() -> bool:
            nonlocal live
            try:
                live = cluster.get(api_version, kind, name, namespace)
            except ApiError as error:
                return error.reason in ("NotFound", "NoMatch")
            return False

        if not self._clusters.wait_until(gone, waiting.timeout_of(inputs, call.timeout)):
            call.log("warning", f"finalizers might be preventing deletion ({', '.join(finalizers_of(live))})")
            message = "timed out waiting for the condition"
            raise NotReadyError(
                message, resource_id=resource_id, outputs=_checkpoint(live, live, outputs), reasons=[message]
            )

    def read(
        self, call: Call, resource_id: str, inputs: Properties, outputs: Properties
    ) -> tuple[Properties, Properties] | None:
        """Return the inputs that match the live object, and the live object.

        An import has no inputs yet: it gets all possible inputs, or only the identity if the SDK does not know the
        kind, such as Fleet's (provider.go, Read).

        Raises:
            NotReadyError: the object is not ready, by the provider's own rules.
        """
        api_version, kind = _kind_of(call)
        connection = self._connect(call)
        if isinstance(connection, UnreachableError):
            call.log("warning", f"configured Kubernetes cluster is unreachable: {connection}")
            if _flag(call, "deleteUnreachable"):
                call.log("info", f"{_UNREACHABLE} Deleting the unreachable resource from Pulumi state")
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
            found = diffing.normal({"apiVersion": api_version, "kind": kind, "metadata": target} | described)
        else:
            found = diffing.prune(live, diffing.normal(inputs))
        checkpoint = _checkpoint(found, live, outputs)
        rule = waiting.own_rule({"apiVersion": api_version, "kind": kind} | inputs) if inputs else None
        if rule and (lacks := rule(connection.cluster, live)):
            reasons = [f"Resource '{name}' was created but failed to initialize", *lacks]
            raise NotReadyError(reasons[0], resource_id=resource_id, outputs=checkpoint, inputs=found, reasons=reasons)
        return found, checkpoint

    def invoke(self, call: Call, args: Properties) -> Properties:
        """Refuse: the provider's functions only render YAML, Helm and Kustomize."""
        del args
        raise RefusedError(_unsupported(call.token))

    # How operations are carried out.

    def _preview_creation(self, call: Call, inputs: Properties, state: Properties) -> Properties:
        # A server-side dry run; errors that it cannot decide are left to the update (provider.go, Create with Preview).
        connection = self._connect(call)
        if isinstance(connection, UnreachableError) or not connection.can_preview(inputs):
            return diffing.duplicate(inputs)
        with self._clusters.requests():
            try:
                live = self._submit(call, connection, inputs, state)
            except ApiError as error:
                if error.reason in ("Forbidden", "AlreadyExists") or _lacks_namespace(error):
                    return diffing.duplicate(inputs)
                raise RefusedError(_creation_failure(call, inputs, error)) from error
        live.pop("status", None)
        return _checkpoint(inputs, live, state)

    def _post(self, call: Call, connection: _Connection, inputs: Properties, state: Properties) -> Object:
        refused: ApiError | None = None
        live: Object = {}

        def created() -> bool:
            nonlocal refused, live
            try:
                live = self._submit(call, connection, inputs, state)
            except ApiError as error:
                refused = error
                # A namespace or a definition may appear later; all other errors are permanent.
                return error.reason not in ("NotFound", "NoMatch")
            refused = None
            return True

        self._clusters.wait_until(created, _CREATION_RETRIES)
        if refused:
            raise RefusedError(_creation_failure(call, inputs, refused)) from refused
        return live

    def _submit(self, call: Call, connection: _Connection, inputs: Properties, state: Properties) -> Object:
        """Create an object, or apply a patch; an existing object is updated if the provider is configured so."""
        if _is_patch(call) or _flag(call, "upsertExistingObjects"):
            return self._apply(call, connection, inputs, state, force=call.preview)
        connection.check("create", inputs)
        # The field manager from which the first update takes over the fields (await.go, Creation).
        created = connection.cluster.create(inputs, user=connection.user, manager=_CREATOR, dry_run=call.preview)
        return created | {"apiVersion": inputs["apiVersion"]}

    @staticmethod
    def _apply(
        call: Call, connection: _Connection, inputs: Properties, state: Properties, *, force: bool = False
    ) -> Object:
        connection.check("patch", inputs)
        manager = _manager(inputs, state)
        if not call.preview:
            connection.cluster.adopt(inputs, manager)
        force = force or annotations_of(inputs).get(_FORCE) == "true" or _flag(call, "enablePatchForce")
        try:
            applied = connection.cluster.apply(
                inputs, user=connection.user, manager=manager, force=force, dry_run=call.preview
            )
        except ApiError as error:
            if error.reason == "Conflict":
                raise ApiError(error.reason, _CONFLICT.format(manager=manager, error=error)) from error
            raise
        return applied | {"apiVersion": inputs["apiVersion"]}

    def _relinquish(self, connection: _Connection, live: Object, outputs: Properties) -> None:
        """Give back the fields of a patch: applied by nobody else, they go (await.go, Deletion)."""
        identity = {key: live["metadata"][key] for key in ("name", "namespace") if key in live["metadata"]}
        bare = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": identity}
        with self._clusters.requests():
            connection.check("patch", bare)
            try:
                connection.cluster.get(live["apiVersion"], live["kind"], name_of(live), namespace_of(live))
            except ApiError as error:
                if error.reason == "NotFound" and live["kind"] == "Service":
                    # The provider would create it anew, without its ports (provider.go, IsDeleteRequiredFieldErr).
                    raise RefusedError(_REQUIRED_FIELD) from None
                return
            with suppress(ApiError):
                connection.cluster.apply(bare, user=connection.user, manager=_manager(live, outputs))

    def _await(self, call: Call, cluster: Cluster, inputs: Properties, live: Object) -> Object:
        awaited = waiting.awaited(inputs)
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
        # The missing conditions of `waitFor` are logged during the wait, and are not in the error
        # (await/internal/awaiter.go).
        for lack in lacks:
            call.log("status", lack)
        raise _WaitError(cause, live, lacks if awaited.built_in else (), [*lacks, waiting.last_seen(live)])

    # Connections.

    def _connect(self, call: Call) -> _Connection | UnreachableError:
        try:
            target = kubeconfig.resolve(call.provider)
        except UnreachableError as error:
            return error
        with self._clusters.requests():
            cluster = self._clusters.at(target.server)
        if cluster is None or not cluster.reachable or not self._reaches(cluster.id):
            host = target.server.removeprefix("https://").partition(":")[0]
            trouble = f"dial tcp: lookup {host}: no such host" if cluster is None else "dial tcp: i/o timeout"
            return UnreachableError(
                "unable to load schema information from the API server: "
                f'Get "{target.server}/openapi/v2?timeout=32s": {trouble}'
            )
        return _Connection(cluster, self._user, allowed=not target.entra or self._may_access(cluster.id))

    def _require(self, call: Call) -> _Connection:
        connection = self._connect(call)
        if isinstance(connection, UnreachableError):
            raise RefusedError(f"configured Kubernetes cluster is unreachable: {connection}") from connection
        return connection


def _creation_failure(call: Call, inputs: Properties, error: RefusedError) -> str:
    if isinstance(error, ApiError) and error.reason == "NoMatch":
        return (
            f'creation of resource "{call.urn or call.name}" with kind {inputs["apiVersion"]}/{inputs["kind"]} failed because the '  # noqa: E501
            "Kubernetes API server reported that the apiVersion for this resource does not exist. Verify that any "
            f"required CRDs have been created: {error}"
        )
    hint = _EXISTS if isinstance(error, ApiError) and error.reason == "AlreadyExists" else ""
    return (
        f'resource "{call.urn or call.name}" was not successfully created by the Kubernetes API server: {error}{hint}'
    )


def _lacks_namespace(error: ApiError) -> bool:
    return error.reason == "NotFound" and str(error).startswith("namespaces ")


def _manager(inputs: Properties, state: Properties) -> str:
    """Return the field manager of a resource (provider.go, fieldManagerName)."""
    return annotations_of(inputs).get(_PATCH_MANAGER) or state.get(_MANAGER) or _CREATOR


def _checkpoint(inputs: Properties, live: Object, state: Properties) -> Properties:
    """Return outputs as the provider stores them: the live object, and the inputs that it was made from."""
    return {
        **live,
        _INPUTS: diffing.duplicate(inputs),
        _FIRST_VERSION: state.get(_FIRST_VERSION) or inputs["apiVersion"],
        _MANAGER: _manager(inputs, state),
    }


def _unready(prefix: str, error: RefusedError, outputs: Properties) -> NotReadyError:
    message = f"{prefix}: {error}"
    lacks, seen = (error.lacks, error.seen) if isinstance(error, _WaitError) else ((), ())
    text = ": ".join([message, "; ".join(seen)]) if seen else message
    return NotReadyError(text, resource_id=_id_of(outputs), outputs=outputs, reasons=[message, *lacks])


def _kind_of(call: Call) -> tuple[str, str]:
    """Return a type's API version and kind: `kubernetes:core/v1:Service` is `v1`, `Service`."""
    _, version, kind = call.token.split(":")
    if version.startswith(_COMPONENTS) or kind.endswith("List"):
        raise RefusedError(_unsupported(call.token))
    return version.removeprefix("core/"), kind.removesuffix("Patch")


def _is_patch(call: Call) -> bool:
    """Say whether a resource is a part of an object that somebody else owns, such as `ServicePatch`."""
    return call.token.endswith("Patch")


def _unsupported(token: str) -> str:
    return (
        f"the rehearsal does not support {token}: register typed objects or CustomResource, which tests and previews "
        "can see, instead of YAML, Helm, Kustomize or lists"
    )


def _namespaced(api_version: str, kind: str) -> bool:
    group, _ = split_api_version(api_version)
    # A kind that no cluster serves counts as namespaced (provider.go, Check).
    known = KINDS.get(f"{kind}.{group}" if group else kind)
    return known is None or known.namespaced


def _flag(call: Call, key: str) -> bool:
    # Provider configuration arrives as JSON values or as text.
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
