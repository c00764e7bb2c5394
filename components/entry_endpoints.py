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
# (Azure/fleet-networking v0.3.25, pkg/controllers/member/endpointsliceexport). After that, only a pod's next change
# brings missing endpoints.
_MINUTES: Final = 7


class EndpointsError(Exception):
    """The entry point has no endpoints of some members; the message has their names and the remedy."""


class EntryPointEndpoints(pulumi.ComponentResource):
    """Records in the state that an entry point has had endpoints of every member.

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
        offered: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        hook = pulumi.ResourceHook(name, _waiting(pulumi.Output.from_input(kubeconfig)) if offered else _unneeded)
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


def _waiting(kubeconfig: pulumi.Output[str]) -> Callable[[pulumi.ResourceHookArgs], Awaitable[None]]:
    async def until_there(asked: pulumi.ResourceHookArgs) -> None:
        # Members whose endpoints the entry point has had are not checked again: their region may be lost since.
        new, old = asked.new_inputs or {}, asked.old_inputs or {}
        had = old["members"] if old.get("uid") == new["uid"] else ()
        if not (lacking := [member for member in new["members"] if member not in had]):
            return
        text = await kubeconfig.future() or ""
        deadline = time.monotonic() + 60 * _MINUTES

        def check(found: str) -> None:
            if time.monotonic() > deadline:
                raise EndpointsError(
                    f"gave up after {_MINUTES} minutes of waiting until {found}. Everything else is up. "
                    "`make verify` says what is wrong, and what to do; `pulumi up` looks again"
                )

        with TemporaryDirectory(prefix="fleet-l4-lb-") as folder:
            look = await in_thread(_look, text, folder, new)
            await wait(asked.name, partial(look, lacking), check)

    return until_there


def _look(kubeconfig: str, folder: str, entry_point: Mapping[str, Any]) -> Callable[[Sequence[str]], str]:
    """Return a function that describes the endpoints that an entry point lacks; it returns "" if it lacks none."""
    # This import takes a second, so only runs that wait for endpoints do it.
    from fleet_clusters.api_server import ClusterClient  # noqa: PLC0415

    cluster = ClusterClient("its cluster", kubeconfig, folder=folder, silent="")

    def look(members: Sequence[str]) -> str:
        wanted = f"the entry point has endpoints of {', '.join(members)}"
        try:
            slices = endpoints.imported(cluster.items(endpoints.PATH), entry_point["namespace"], [entry_point["name"]])
        except CheckFailedError as problem:
            return f"{wanted}; {problem.found}"
        by_member = endpoints.by_member(slices, entry_point["namespace"], entry_point["members"])
        lacking = [
            f"{member} (no pod of it is ready)" if by_member[member] else member
            for member in members
            if not endpoints.addresses(by_member[member])
        ]
        return f"the entry point has endpoints of {', '.join(lacking)}" if lacking else ""

    return look
