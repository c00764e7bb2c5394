"""The wait until the entry point has endpoints of every member, as a resource of its own."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any, Final

import pulumi

from fleet_clusters import endpoints
from fleet_clusters.errors import CheckFailedError

from .kubernetes_object import KubernetesObject
from .sdk import in_thread
from .waiting import wait

# Fleet imports endpoints within seconds. Its agents look every five minutes for endpoints that they have missed
# (Azure/fleet-networking v0.3.25, pkg/controllers/member/endpointsliceexport). After that, only another change of a
# member's EndpointSlice brings them.
_MINUTES: Final = 7
_AGAIN: Final = 60  # seconds before Fleet is asked again


class EndpointsError(Exception):
    """The entry point has no endpoints of some members; the message has their names and the remedy."""


class EntryPointEndpoints(pulumi.ComponentResource):
    """Records in the state that an entry point has had endpoints of every member.

    Fleet can lose a member's endpoints on their way. After a minute, the hook asks for them once more, if it has a
    log-in to the member.

    A hook waits for the endpoints before the engine creates or updates this resource. If they do not come, `up` fails,
    and the next `up` waits again. A hook after the entry point itself would not run again: the engine records the entry
    point as created, and not that a hook has failed (pulumi issue 21899). The Kubernetes provider cannot wait for
    endpoints: it reads objects by their names (pulumi-kubernetes issue 305), and Fleet gives the objects that it
    imports random names.

    Args:
        name: the resource's name, and the hook's.
        entry_point: the MultiClusterService.
        members: the names of the members.
        kubeconfig: log-in to the entry point's cluster.
        kubeconfigs: log-ins to members, by their names.
        offered: whether the app has any endpoints, according to its manifests.
        opts: the resource's options.
    """

    def __init__(  # noqa: PLR0913 - the parts of the wait
        self,
        name: str,
        entry_point: KubernetesObject,
        members: Sequence[pulumi.Input[str]],
        kubeconfig: pulumi.Input[str],
        *,
        kubeconfigs: Mapping[str, pulumi.Input[str]],
        offered: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        log_in, log_ins = pulumi.Output.from_input(kubeconfig), pulumi.Output.from_input({**kubeconfigs})
        hook = pulumi.ResourceHook(name, _waiting(log_in, log_ins) if offered else _unneeded)
        super().__init__(
            "fleet-l4-lb:index:EntryPointEndpoints",
            name,
            {
                # `uid` tells an entry point from a later one of the same name; name and namespace are for the hook.
                **{key: entry_point.metadata.apply(_get(key)) for key in ("uid", "namespace", "name")},
                "members": members,
            },
            pulumi.ResourceOptions.merge(
                opts,
                pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])),
            ),
        )
        self.register_outputs({})


def _get(key: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda known: known.get(key)  # a preview may not know all of them


def _unneeded(asked: pulumi.ResourceHookArgs) -> None:
    pulumi.log.info(f"{asked.name}: the Service has no pods according to the app's manifests, so it needs no endpoints")


def _waiting(
    kubeconfig: pulumi.Output[str], kubeconfigs: pulumi.Output[Any]
) -> Callable[[pulumi.ResourceHookArgs], Awaitable[None]]:
    async def until_there(asked: pulumi.ResourceHookArgs) -> None:
        # Members whose endpoints the entry point has had are not checked again: their region may be lost since.
        new, old = asked.new_inputs or {}, asked.old_inputs or {}
        had = old["members"] if old.get("uid") == new["uid"] else ()
        if not (lacking := [member for member in new["members"] if member not in had]):
            return
        text = await kubeconfig.future() or ""
        log_ins: Mapping[str, str] = await kubeconfigs.future() or {}
        deadline = time.monotonic() + 60 * _MINUTES

        def check(found: str) -> None:
            if time.monotonic() > deadline:
                raise EndpointsError(
                    f"gave up after {_MINUTES} minutes of waiting until {found}. Everything else is up. "
                    "`make verify` says what is wrong, and what to do; `pulumi up` looks again"
                )

        with TemporaryDirectory(prefix="fleet-l4-lb-") as folder:
            watch = await in_thread(_Watch, asked.name, new, text, log_ins, folder)
            await wait(asked.name, partial(watch.look, lacking), check)

    return until_there


class _Watch:
    """Looks for the endpoints of an entry point, and asks Fleet once more for those that do not come.

    Args:
        name: the hook's name, for messages.
        entry_point: namespace and name of the entry point, and the members.
        kubeconfig: log-in to the entry point's cluster.
        kubeconfigs: log-ins to members, by their names.
        folder: a folder that only we can read.
    """

    def __init__(
        self,
        name: str,
        entry_point: Mapping[str, Any],
        kubeconfig: str,
        kubeconfigs: Mapping[str, str],
        folder: str,
    ) -> None:
        # This import takes a second, so only runs that wait for endpoints do it.
        from fleet_clusters.api_server import ClusterClient  # noqa: PLC0415

        self._name, self._entry_point = name, entry_point
        self._cluster = ClusterClient("its cluster", kubeconfig, folder=folder, silent="")
        self._members = {
            member: ClusterClient(member, text, folder=folder, silent="") for member, text in kubeconfigs.items()
        }
        self._asked = time.monotonic()

    def look(self, members: Sequence[str]) -> str:
        """Return which members the entry point has no endpoints of, in words; "" if it has endpoints of all."""
        namespace, name = self._entry_point["namespace"], self._entry_point["name"]
        wanted = f"the entry point has endpoints of {', '.join(members)}"
        try:
            slices = endpoints.imported(self._cluster.items(endpoints.path()), namespace, [name])
        except CheckFailedError as problem:
            return f"{wanted}; {problem.found}"
        by_member = endpoints.by_member(slices, namespace, self._entry_point["members"])
        lacking = [member for member in members if not endpoints.addresses(by_member[member])]
        if not lacking:
            return ""
        if time.monotonic() > self._asked + _AGAIN:
            self._asked = time.monotonic()
            for member in lacking:
                self._ask_again(member)
        found = [f"{member} (no pod of it is ready)" if by_member[member] else member for member in lacking]
        return f"the entry point has endpoints of {', '.join(found)}"

    def _ask_again(self, member: str) -> None:
        if (cluster := self._members.get(member)) is None:
            return
        pulumi.log.info(f"{self._name}: asking Fleet once more for the endpoints of {member}")
        try:
            # An entry point has the name of the Service that it imports.
            endpoints.export_again(cluster, self._entry_point["namespace"], self._entry_point["name"], str(self._asked))
        except CheckFailedError as problem:
            pulumi.log.info(f"{self._name}: {problem.found}")
