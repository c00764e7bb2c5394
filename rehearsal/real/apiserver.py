"""A client of a real API server."""

import json
import ssl
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast, get_args

import httpx

from rehearsal.azure.arm import Access
from rehearsal.cluster.kinds import HUB, KINDS, Kind, split_api_version
from rehearsal.cluster.objects import Object, conditions_of, name_of, namespace_of
from rehearsal.core.errors import ApiError, Reason

MANAGER: Final = "rehearsal"
_SECONDS: Final = 30  # for an answer
_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_GUARD_RAIL: Final = (
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/fleet-guard-rail-webhook-configuration"
)


class RealApiServer:
    """Requests to one API server, as its administrator or for a user; on a hub the user is the deploying identity.

    Args:
        cluster_id: the cluster's Azure resource ID; for a hub, the fleet's.
        role: whether it is a fleet's hub or a member.
        access: its URL and the administrator's credentials.
        deployer: the deploying identity's token.
    """

    def __init__(self, cluster_id: str, role: str, access: Access, deployer: str) -> None:
        self.id = cluster_id
        self.role = role
        self.access = access
        # Hubs have no local accounts; the demo's members have them.
        self._user = {"Authorization": f"Bearer {deployer}"} if role == HUB else dict[str, str]()
        self._client = httpx.Client(
            base_url=access.server,
            headers={"Authorization": f"Bearer {access.token}"},
            timeout=_SECONDS,
            verify=ssl.create_default_context(cadata=b64decode(access.certificate_authority).decode()),
            trust_env=False,  # the user's proxy does not lead to this machine
        )

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    @property
    def reachable(self) -> bool:
        """Whether it answers and is ready."""
        try:
            return self._client.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def create(self, body: Object, *, user: str = "") -> Object:
        """Create an object; return the result.

        Raises:
            ApiError: the server refuses the request, or does not answer.
        """
        path = self._collection(body["apiVersion"], body["kind"], namespace_of(body))
        return self._ask("POST", path, body, user=user)

    def apply(self, body: Object, *, user: str = "") -> Object:
        """Apply a configuration to an object, or create it; return the result.

        Raises:
            ApiError: the server refuses the request, or does not answer.
        """
        path = self._object(body["apiVersion"], body["kind"], name_of(body), namespace_of(body))
        parameters = {"fieldManager": MANAGER, "force": "true"}
        return self._ask("PATCH", path, body, content_type=_APPLY, parameters=parameters, user=user)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object:
        """Return an object in the requested version.

        Raises:
            ApiError: the object does not exist, or the server does not answer.
        """
        return self._ask("GET", self._object(api_version, kind, name, namespace))

    def list(self, api_version: str, kind: str, namespace: str = "") -> list[Object]:
        """Return the objects of a kind, of one namespace or of all, by their names.

        Raises:
            ApiError: the server refuses the request, or does not answer.
        """
        answer = self._ask("GET", self._collection(api_version, kind, namespace, everywhere=not namespace))
        return [{**item, "apiVersion": api_version, "kind": kind} for item in answer["items"]]

    def delete(  # noqa: PLR0913 - the parts of a request
        self, api_version: str, kind: str, name: str, namespace: str = "", *, foreground: bool = False, user: str = ""
    ) -> None:
        """Delete an object; foreground: after its dependents.

        Raises:
            ApiError: the server refuses the request, or does not answer.
        """
        options = {"propagationPolicy": "Foreground" if foreground else "Background"}
        self._ask("DELETE", self._object(api_version, kind, name, namespace), options, user=user)

    def discard(self, item: Object) -> None:
        """Remove an object at once, as a kubelet does after its containers have ended."""
        path = self._object(item["apiVersion"], item["kind"], name_of(item), namespace_of(item))
        self._ask("DELETE", path, {"gracePeriodSeconds": 0})

    def bind(self, pod: Object, node: str) -> None:
        """Schedule a pod to a node."""
        target = {"apiVersion": "v1", "kind": "Node", "name": node}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name_of(pod)}, "target": target}
        self._ask("POST", f"/api/v1/namespaces/{namespace_of(pod)}/pods/{name_of(pod)}/binding", binding)

    def set_status(self, item: Object, status: Object) -> None:
        """Write parts of an object's status."""
        path = self._object(item["apiVersion"], item["kind"], name_of(item), namespace_of(item))
        self._ask("PATCH", f"{path}/status", {"status": status}, content_type=_MERGE)

    def create_token(self, namespace: str, account: str) -> str:
        """Return a token for a service account, valid for a year."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 31536000},
        }
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        return self._ask("POST", path, request)["status"]["token"]

    def watch(self, api_version: str, kind: str) -> Iterator[Object]:
        """Yield the events of a kind in all namespaces, beginning with the existing objects; ends with the connection.

        An event has a `type` and an `object` (Kubernetes docs, reference/using-api/api-concepts).

        Raises:
            ApiError: the server refuses the request, or does not answer.
        """
        path = self._collection(api_version, kind, "", everywhere=True)
        timeout = httpx.Timeout(_SECONDS, read=None)
        try:
            with self._client.stream("GET", path, params={"watch": "true"}, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                    raise _refusal(response)
                for line in response.iter_lines():
                    yield json.loads(line)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def install(self, name: str, definition: str) -> None:
        """Install or update a CustomResourceDefinition, in YAML."""
        path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"
        parameters = {"fieldManager": MANAGER, "force": "true"}
        self._ask("PATCH", path, definition, content_type=_APPLY, parameters=parameters)

    def installed(self) -> bool:
        """Return whether every CustomResourceDefinition is served."""
        answer = self._ask("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")
        return all(
            any((entry["type"], entry["status"]) == ("Established", "True") for entry in conditions_of(item))
            for item in answer["items"]
        )

    def guard_rail(self) -> str:
        """Return the uid of the configuration of Fleet's guard rail; empty if there is none, or no answer."""
        try:
            return self._ask("GET", _GUARD_RAIL)["metadata"]["uid"]
        except ApiError:
            return ""

    def give_guard_rail_time(self) -> None:
        """Set the time limit of Fleet's guard rail to 30 seconds, Kubernetes' maximum.

        Fleet sets one second, after which a request is allowed (Azure/fleet v0.18.12, pkg/webhook/webhook.go). On a
        busy machine, forbidden requests would sometimes be allowed.

        Raises:
            ApiError: the server refuses, or does not answer.
        """
        webhooks = [{**each, "timeoutSeconds": 30} for each in self._ask("GET", _GUARD_RAIL)["webhooks"]]
        self._ask("PATCH", _GUARD_RAIL, {"webhooks": webhooks}, content_type=_MERGE)

    def _ask(  # noqa: PLR0913 - the parts of a request
        self,
        method: str,
        path: str,
        body: Object | str | None = None,
        *,
        content_type: str = "application/json",
        parameters: Mapping[str, str] | None = None,
        user: str = "",
    ) -> Object:
        try:
            response = self._client.request(
                method,
                path,
                params=parameters,
                content=body if body is None or isinstance(body, str) else json.dumps(body),  # JSON is YAML
                headers={"Content-Type": content_type, **(self._user if user else {})},
            )
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if response.is_success:
            return cast("Object", response.json())
        raise _refusal(response)

    def _unreachable(self, error: httpx.HTTPError) -> ApiError:
        return ApiError("Unreachable", f'Get "{self.access.server}": {error or type(error).__name__}')

    def _object(self, api_version: str, kind: str, name: str, namespace: str) -> str:
        return f"{self._collection(api_version, kind, namespace)}/{name}"

    @staticmethod
    def _collection(api_version: str, kind: str, namespace: str, *, everywhere: bool = False) -> str:
        found = _kind(api_version, kind)
        root = f"/apis/{api_version}" if found.group else f"/api/{api_version}"
        space = f"/namespaces/{namespace or 'default'}" if found.namespaced and not everywhere else ""
        return f"{root}{space}/{found.plural}"


def _kind(api_version: str, kind: str) -> Kind:
    group, _ = split_api_version(api_version)
    found = KINDS.get(f"{kind}.{group}" if group else kind)
    if found is None:
        raise ApiError("NoMatch", f'no matches for kind "{kind}" in version "{api_version}"')
    return found


def _refusal(response: httpx.Response) -> ApiError:
    try:
        status: dict[str, Any] = response.json()
    except ValueError:
        return ApiError("Refused", f"{response.status_code} {response.text.strip()}")
    reason, message = status.get("reason"), status.get("message", "")
    if reason == "NotFound" and not status.get("details", {}).get("name"):
        # The path does not exist: the server does not serve the kind.
        return ApiError("NoMatch", message)
    return ApiError(cast("Reason", reason) if reason in get_args(Reason) else "Refused", message)
