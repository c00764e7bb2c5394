"""The simulated azure-native provider, for the parts of Azure that the program uses."""

import re
import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import deepcopy
from itertools import product
from typing import Any, Final

from rehearsal.azure.access import (
    AKS_RBAC_CLUSTER_ADMIN,
    FLEET_RBAC_CLUSTER_ADMIN,
    IDENTITY,
    ROLE_ASSIGNMENT,
    Registry,
    RoleAssignment,
    UserAssignedIdentity,
    holds,
)
from rehearsal.azure.arm import (
    CREATE_BEFORE_DELETE,
    ClusterBackend,
    Deployer,
    Record,
    ResourceType,
    Subscription,
    compare,
    last_segment,
    listed,
    nested,
    short_location,
    subscription_of,
)
from rehearsal.azure.balancers import LOAD_BALANCER, PUBLIC_ADDRESS, LoadBalancer, PublicIPAddress
from rehearsal.azure.clusters import (
    AGENT_POOL,
    CLUSTER,
    AgentPool,
    MaintenanceConfiguration,
    ManagedCluster,
    may_balance,
    shut_out,
)
from rehearsal.azure.costs import BUDGET, Budget
from rehearsal.azure.credentials import (
    admin_credentials,
    hub_credentials,
    identity,
    is_local,
    user_credentials,
    uses_entra,
)
from rehearsal.azure.fleets import FLEET, MEMBER, AutoUpgradeProfile, Fleet, FleetMember, FleetUpdateStrategy
from rehearsal.azure.locations import require_location
from rehearsal.azure.monitoring import (
    DIAGNOSTIC_SETTING,
    METRICS_WORKSPACE,
    WORKSPACE,
    ActionGroup,
    ActivityLogAlert,
    AzureMonitorWorkspace,
    DataCollectionEndpoint,
    DataCollectionRule,
    DataCollectionRuleAssociation,
    DiagnosticSetting,
    MetricAlert,
    PrometheusRuleGroup,
    Workspace,
)
from rehearsal.azure.network import (
    NAT_GATEWAY,
    PEERING,
    SECURITY_GROUP,
    SUBNET,
    VIRTUAL_NETWORK,
    NatGateway,
    NetworkSecurityGroup,
    ResourceGroup,
    Subnet,
    VirtualNetwork,
    VirtualNetworkPeering,
    admits,
    api_access,
    is_peered,
)
from rehearsal.azure.ownership import Ownership
from rehearsal.core import schema
from rehearsal.core.errors import NotReadyError, RefusedError
from rehearsal.core.protocol import UNKNOWN, Call, Difference, FakeProvider, Operation, Problem, Properties
from rehearsal.core.store import Store
from rehearsal.timing.schedule import NETWORK_WRITERS, networks_written

TYPES: Final[dict[str, ResourceType]] = {
    "azure-native:resources:ResourceGroup": ResourceGroup(),
    VIRTUAL_NETWORK: VirtualNetwork(),
    SUBNET: Subnet(),
    PEERING: VirtualNetworkPeering(),
    SECURITY_GROUP: NetworkSecurityGroup(),
    NAT_GATEWAY: NatGateway(),
    PUBLIC_ADDRESS: PublicIPAddress(),
    LOAD_BALANCER: LoadBalancer(),
    IDENTITY: UserAssignedIdentity(),
    ROLE_ASSIGNMENT: RoleAssignment(),
    CLUSTER: ManagedCluster(),
    AGENT_POOL: AgentPool(),
    "azure-native:containerservice:MaintenanceConfiguration": MaintenanceConfiguration(),
    "azure-native:containerregistry:Registry": Registry(),
    WORKSPACE: Workspace(),
    METRICS_WORKSPACE: AzureMonitorWorkspace(),
    "azure-native:monitor:DataCollectionEndpoint": DataCollectionEndpoint(),
    "azure-native:monitor:DataCollectionRule": DataCollectionRule(),
    "azure-native:monitor:DataCollectionRuleAssociation": DataCollectionRuleAssociation(),
    DIAGNOSTIC_SETTING: DiagnosticSetting(),
    "azure-native:monitor:ActionGroup": ActionGroup(),
    "azure-native:monitor:MetricAlert": MetricAlert(),
    "azure-native:monitor:ActivityLogAlert": ActivityLogAlert(),
    "azure-native:alertsmanagement:PrometheusRuleGroup": PrometheusRuleGroup(),
    FLEET: Fleet(),
    MEMBER: FleetMember(),
    "azure-native:containerservice:FleetUpdateStrategy": FleetUpdateStrategy(),
    "azure-native:containerservice:AutoUpgradeProfile": AutoUpgradeProfile(),
    BUDGET: Budget(),
}
"""The supported resource types; add an entry for a new one."""


class Azure(FakeProvider):
    """Simulates azure-native on a store.

    Attributes:
        runner_network: the ID of the VNet in which the program runs; empty if that is not known, and then the program
            reaches every API server.

    Args:
        store: the storage of the resources, in its section `azure`.
        clusters: the Kubernetes side.
        deployer: the identity that runs the program.
        failure: returns the error if Azure accepts an operation and then fails.
    """

    def __init__(
        self,
        store: Store,
        clusters: ClusterBackend,
        deployer: Deployer | None = None,
        failure: Callable[[Operation], str | None] = lambda _operation: None,
    ) -> None:
        self._failure = failure
        self._store = store
        self.runner_network = ""
        self._subscription = Subscription(store, clusters, deployer or Deployer())
        self._ownership = Ownership()
        self._functions = {
            "azure-native:authorization:getClientConfig": self._client_config,
            "azure-native:containerservice:getManagedCluster": self._cluster,
            "azure-native:containerservice:listFleetCredentials": self._fleet_credentials,
            "azure-native:containerservice:listManagedClusterAdminCredentials": self._admin_credentials,
            "azure-native:containerservice:listManagedClusterUserCredentials": self._user_credentials,
        }

    def rotate_credentials(self) -> None:
        """Replace the certificates, keys and tokens of all clusters."""
        with self._store.transaction():
            self._subscription.reseed()

    # The provider.

    def check(
        self, call: Call, inputs: Properties, old_inputs: Properties | None = None
    ) -> tuple[Properties, list[Problem]]:
        """Complete name, location and API version (provider.go, `applyDefaults`), and check types and rules."""
        kind, old = _type(call.token), old_inputs or {}
        problems = schema.problems(call.token, inputs)
        completed = {key: value for key, value in inputs.items() if value is not None}
        if kind.name.key not in completed:
            completed[kind.name.key] = old.get(kind.name.key) or kind.name.default(call.name)
            if kind.name.automatic != "copy" and (not old or CREATE_BEFORE_DELETE in old):
                completed[CREATE_BEFORE_DELETE] = True
        if kind.located and "location" not in completed:
            location = old.get("location") or call.provider.get("location") or self._group_location(call, completed)
            if location is None:
                problems.append(Problem("location", "missing, and neither the provider nor the group has one"))
            else:
                completed["location"] = location
        completed["azureApiVersion"] = call.api_version or kind.api_version
        if not problems:
            name = completed[kind.name.key]
            if name is not UNKNOWN and not re.fullmatch(kind.name.pattern, name):
                reason = f"'{name}' does not match {kind.name.pattern} ({kind.name.source})"
                problems.append(Problem(kind.name.key, reason))
            problems += kind.problems(completed)
        return completed, problems

    def diff(self, call: Call, old_inputs: Properties, outputs: Properties, inputs: Properties) -> Difference:
        """Compare inputs. Parts of the ID and properties that Azure cannot change force a replacement."""
        kind = _type(call.token)
        # Imported inputs lack the version, but the state has it (azure-native, provider.go, `Diff`).
        old_inputs = {"azureApiVersion": outputs.get("azureApiVersion"), **old_inputs}
        return compare(old_inputs, inputs, {*kind.id_keys(), *kind.immutable})

    def create(self, call: Call, inputs: Properties) -> tuple[str, Properties]:
        """Create a resource; if it exists, raise an error, because azure-native does not adopt it."""
        kind = _type(call.token)
        if call.preview:
            return "", schema.expected_outputs(call.token, inputs)
        with self._store.transaction():
            resource_id = kind.id_of(self._asked(call.provider), inputs)
            if self._subscription.find(resource_id) is not None:
                # azure-native, provider/pkg/provider/crud/crud.go
                raise RefusedError(f"cannot create already existing resource '{resource_id}'")
            if kind.located and not (kind.placeless and inputs["location"] == "global"):
                require_location(kind.kind, inputs["location"], call.provider.get("environment"))
            outputs = self._put(call.token, resource_id, inputs)
            self._carry_out(Operation("create", call, resource_id, inputs), unfinished=True)
            return resource_id, kind.first_answer(outputs)

    def read(
        self,
        call: Call,
        resource_id: str,
        inputs: Properties,
        outputs: Properties,  # noqa: ARG002 - the store has them
    ) -> tuple[Properties, Properties] | None:
        """Return the program's inputs with their current values, and the outputs.

        An import has no inputs yet: it gets all of Azure's values that can be inputs, including defaults (azure-native,
        provider.go, `Read`; pulumi/pulumi-azure-native issue 4401).
        """
        _type(call.token)
        with self._store.transaction():
            record = self._subscription.find(resource_id)
            if record is None:
                return None
            present, found = record["inputs"], record["outputs"]
            if inputs:
                given = {key: present[key] for key in inputs if key in present}
            else:
                output_only = {re.split(r"[.[]", problem.path)[0] for problem in schema.problems(call.token, found)}
                given = {key: value for key, value in found.items() if key not in output_only} | present
                for key in (CREATE_BEFORE_DELETE, "azureApiVersion"):  # added by `check` only
                    given.pop(key, None)
            return deepcopy(given), deepcopy(found)

    def update(self, call: Call, resource_id: str, outputs: Properties, inputs: Properties) -> Properties:
        """Give a resource new inputs; a missing one is created, because ARM's PUT creates or updates."""
        if call.preview:
            kept = {key: outputs[key] for key in ("name", "location") if key in outputs}
            return {**schema.expected_outputs(call.token, inputs), **kept}
        with self._store.transaction():
            old = self._subscription.find(resource_id)
            unfinished = old is None or old["outputs"].get("provisioningState") == "Failed"
            outputs = self._put(call.token, resource_id, inputs)
            self._carry_out(Operation("update", call, resource_id, inputs), unfinished=unfinished)
            return outputs

    def delete(self, call: Call, resource_id: str, outputs: Properties) -> None:
        """Delete a resource with its children and the role assignments on it."""
        del outputs
        _type(call.token)
        with self._store.transaction():
            subscription = self._subscription.other(subscription_of(resource_id))
            record = subscription.find(resource_id)
            if record is None:
                return
            # Newer resources may use older ones, so they are deleted first.
            records = [*reversed(subscription.within(record["id"])), record]
            to_delete = {each["id"].lower() for each in records}
            for each in records:
                TYPES[each["token"]].admit_deletion(subscription, each, to_delete)
            for each in records:
                TYPES[each["token"]].deleted(subscription, each, to_delete)
            for each in records:
                subscription.remove(each)

    def invoke(self, call: Call, args: Properties) -> Properties:
        """Call a function: list credentials, return the deploying identity, or read a cluster."""
        problems = schema.function_problems(call.token, args)
        if problems:
            raise RefusedError("; ".join(f"{call.token}: {problem.reason}" for problem in problems))
        if call.token not in self._functions:
            raise RefusedError(
                f"the rehearsal does not support {call.token}: add it to Azure in rehearsal/providers/azure_native.py"
            )
        with self._store.transaction():
            return self._functions[call.token](self._asked(call.provider), args)

    def under_way(self, operation: Operation) -> AbstractContextManager[None]:
        """Return a context in which other operations see this operation as running."""
        verb, call = operation.verb, operation.call
        resource_id, inputs = operation.resource_id, operation.inputs
        if call.preview or verb not in {"create", "update", "delete"} or call.token not in NETWORK_WRITERS:
            return nullcontext()
        with self._store.transaction():
            if verb == "create" and inputs:
                resource_id = TYPES[call.token].id_of(self._asked(call.provider), inputs)
            elif verb == "delete" and (record := self._subscription.find(resource_id)):
                inputs = deepcopy(record["inputs"])
        return self._ownership.under_way(call, networks_written(call.token, verb, resource_id, inputs))

    # For the Kubernetes side.

    def may_balance(self, cluster_id: str) -> bool:
        """Return whether a cluster's load balancers get addresses: its identity must have a role on the subnet.

        Call it outside a transaction: inside one, Azure waits for clusters, which call this function.
        """
        return may_balance(self._subscription, cluster_id)

    def admits(self, cluster_id: str, port: int, origin_id: str = "") -> bool:
        """Return whether TCP packets get past the security groups of clusters' subnets.

        AKS opens its load balancers' ports in the other one, of the nodes' network interfaces (learn:
        aks/concepts-network). Call it outside a transaction, as `may_balance`.

        Args:
            cluster_id: the cluster that the packets go to.
            port: the destination's port: of a load balancer, or of a pod.
            origin_id: the cluster whose nodes send them; empty for the internet.
        """
        origins = self._node_subnets(origin_id) if origin_id else [None]
        ways = product(self._node_subnets(cluster_id), origins)
        return all(admits(self._subscription, subnet, port, origin) for subnet, origin in ways)

    def enforces(self, cluster_id: str) -> bool:
        """Return whether a cluster has an engine for network policies; without one, they change nothing."""
        record = self._subscription.find(cluster_id)
        return bool(record) and nested(record["inputs"], "networkProfile").get("networkPolicy") == "cilium"

    def _node_subnets(self, cluster_id: str) -> list[str]:
        record = self._subscription.find(cluster_id)
        pools = listed(record["inputs"], "agentPoolProfiles") if record else []
        return [pool["vnetSubnetID"] for pool in pools if pool.get("vnetSubnetID")]

    def may_access(self, cluster_id: str) -> bool:
        """Return whether the deployer's identity may use the API server of a cluster or hub.

        Azure's roles decide on hubs (by the fleet's ID) and on clusters with Entra ID and Azure RBAC. On clusters with
        Entra ID but without Azure RBAC, it counts as a member of the administrators' group, if there is one. With a
        client certificate of a cluster with local accounts, it needs no role.
        """
        with self._store.transaction():
            record = self._subscription.find(cluster_id)
            if record is None:
                return False
            principal = self._subscription.deployer.object_id
            if record["token"] == FLEET:
                return holds(self._subscription, principal, {FLEET_RBAC_CLUSTER_ADMIN}, cluster_id)
            if not uses_entra(record):
                return True
            entra: Properties = record["inputs"]["aadProfile"]
            if entra.get("enableAzureRBAC"):
                return holds(self._subscription, principal, {AKS_RBAC_CLUSTER_ADMIN}, cluster_id)
            return bool(entra.get("adminGroupObjectIDs"))

    def reaches(self, cluster_id: str) -> bool:
        """Return whether the program's network reaches the API server of a cluster or hub.

        A private one answers in its VNet, and in networks that are peered with that (learn: aks/private-clusters).
        """
        with self._store.transaction():
            record = self._subscription.find(cluster_id)
            if record is None or not self.runner_network:
                return True
            access, runner = api_access(record), self.runner_network
            if not access.get("enablePrivateCluster"):
                return True
            pools = listed(record["inputs"], "agentPoolProfiles")
            subnet = str(access.get("subnetId") or (pools[0].get("vnetSubnetID") if pools else ""))
            network = subnet.rsplit("/", 2)[0]
            own = self._subscription.other(subscription_of(network))
            return network.lower() == runner.lower() or is_peered(own, network, runner)

    def identity(self, cluster_id: str, host: str) -> ssl.SSLContext:
        """Return the TLS context of the API server of a cluster or hub in memory, which its kubeconfig trusts."""
        with self._store.transaction():
            return identity(self._subscription, cluster_id, host)

    def is_local(self, cluster_id: str, token: str) -> bool:
        """Return whether a token is one of a cluster's local accounts."""
        with self._store.transaction():
            record = self._subscription.find(cluster_id)
            if record is None or record["token"] != CLUSTER or record["inputs"].get("disableLocalAccounts"):
                return False
            return is_local(self._subscription, record["id"], token)

    # Within a transaction.

    def _carry_out(self, operation: Operation, *, unfinished: bool) -> None:
        resource_id = operation.resource_id
        reason = self._ownership.failure(operation.call) or self._failure(operation)
        if unfinished and operation.call.token == CLUSTER and not reason and operation.inputs:
            reason = shut_out(self._subscription, operation.inputs)
        if reason:
            # The resource exists. azure-native reads it, and returns it with the error for the engine's state
            # (azure-native, provider/pkg/provider/crud/crud.go, `HandleErrorWithCheckpoint`).
            record = self._subscription.require(resource_id)
            record["outputs"]["provisioningState"] = "Failed"
            outputs = deepcopy(record["outputs"])
            raise NotReadyError(reason, resource_id=resource_id, outputs=outputs, reasons=[reason])

    def _put(self, token: str, resource_id: str, inputs: Properties) -> Properties:
        kind, subscription = TYPES[token], self._subscription.other(subscription_of(resource_id))
        old = subscription.find(resource_id)
        kind.require_parents(subscription, resource_id)
        kind.admit(subscription, resource_id, inputs, old)
        given = deepcopy({key: value for key, value in inputs.items() if value is not None})
        computed = kind.outputs(subscription, resource_id, given, old["outputs"] if old else {})
        visible = schema.expected_outputs(token, {})
        outputs: Properties = {
            **{key: value for key, value in given.items() if key in visible},
            **{key: value for key, value in computed.items() if value is not None},
            "azureApiVersion": given.get("azureApiVersion", kind.api_version),
            "name": last_segment(resource_id),
            "type": kind.shown or kind.kind,
        }
        if kind.located:
            outputs["location"] = short_location(given["location"])
        record = Record(id=resource_id, token=token, inputs=given, outputs=outputs)
        kind.applied(subscription, record, old)
        subscription.put(record)
        return deepcopy(outputs)

    def _asked(self, provider: Properties) -> Subscription:
        """Return the subscription in which an instance of the provider works (provider.go, `Configure`)."""
        return self._subscription.other(provider.get("subscriptionId") or "")

    def _group_location(self, call: Call, inputs: Properties) -> Any:  # noqa: ANN401 - a text, UNKNOWN or None
        group = inputs.get("resourceGroupName")
        if group is None or group is UNKNOWN:
            return group
        with self._store.transaction():
            record = self._subscription.find(f"{self._asked(call.provider).id}/resourceGroups/{group}")
            return record["outputs"]["location"] if record else None

    def _client_config(self, subscription: Subscription, args: Properties) -> Properties:
        del args
        deployer = subscription.deployer
        return {
            "clientId": deployer.client_id,
            "objectId": deployer.object_id,
            "subscriptionId": subscription_of(subscription.id),
            "tenantId": deployer.tenant_id,
        }

    def _cluster(self, subscription: Subscription, args: Properties) -> Properties:
        record = self._named(subscription, CLUSTER, args, {"resourceName"})
        return {**deepcopy(record["outputs"]), "id": record["id"]}

    def _fleet_credentials(self, subscription: Subscription, args: Properties) -> Properties:
        return hub_credentials(subscription, self._named(subscription, FLEET, args, {"fleetName"}))

    def _user_credentials(self, subscription: Subscription, args: Properties) -> Properties:
        cluster = self._named(subscription, CLUSTER, args, {"resourceName"})
        public = args.get("serverFqdn") == "public"
        return user_credentials(subscription, cluster, style=args.get("format"), public=public)

    def _admin_credentials(self, subscription: Subscription, args: Properties) -> Properties:
        return admin_credentials(subscription, self._named(subscription, CLUSTER, args, {"resourceName"}))

    def _named(self, subscription: Subscription, token: str, args: Properties, keys: set[str]) -> Record:
        for key in sorted({"resourceGroupName", *keys}):
            if not args.get(key):
                raise RefusedError(f"missing required argument '{key}'")
        return subscription.require(TYPES[token].id_of(subscription, args))


def _type(token: str) -> ResourceType:
    if token not in TYPES:
        raise RefusedError(f"unknown type {token}: add it to TYPES in rehearsal/providers/azure_native.py")
    return TYPES[token]
