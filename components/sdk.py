"""Work-arounds for the Pulumi SDK, each with the version that needs it and with when to remove it."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, Generic, ParamSpec, TypeVar

import pulumi
import pulumi_kubernetes as k8s

from .errors import ExistingError

_T = TypeVar("_T")
_P = ParamSpec("_P")
_Resource = TypeVar("_Resource", bound=pulumi.CustomResource)


_THREADS: Final = ThreadPoolExecutor(8, "hooks")


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function of a hook in a thread that no registration can occupy.

    With many resources, all threads of the event loop, four times `--parallel`, wait for registrations, and these wait
    for the hooks (pulumi 3.272.0, runtime/resource.py, `do_rpc_call`, and automation/_server.py). Remove this when
    registrations are awaited without threads.

    Raises:
        RuntimeError: the function has failed with an error without text, which the SDK would take for success
            (runtime/_callbacks.py, `ResourceHookResponse(error=str(e))`).
    """
    try:
        return await asyncio.get_running_loop().run_in_executor(_THREADS, partial(function, *args, **kwargs))
    except Exception as error:
        if str(error):
            raise
        raise RuntimeError(repr(error)) from error


def unreadable(what: str, error: Exception) -> ExistingError:
    """Return the failure of a request to Azure as an error that the user reads in one sentence.

    pulumi 3.272.0 raises a bare `Exception`, shown with a traceback (runtime/invoke.py). Remove this, and `readable`,
    when it raises a RunError.
    """
    return ExistingError(f"{what} cannot be read: {str(error).rpartition('returned an error: ')[2]}")


def readable(what: str, answer: pulumi.Output[_T]) -> pulumi.Output[_T]:
    """Return the answer to a request to Azure; if the request fails, see `unreadable`."""
    value = _Awaited[Any](what, lambda: answer.future(with_unknowns=True))
    known, secret = _Awaited(what, answer.is_known), _Awaited(what, answer.is_secret)
    return pulumi.Output(_Awaited(what, answer.resources), value, known, secret)


class _Awaited(Generic[_T]):
    """One part of an answer. The request is sent when the part is awaited."""

    def __init__(self, what: str, ask: Callable[[], Awaitable[_T]]) -> None:
        self._what, self._ask = what, ask

    def __await__(self) -> Generator[Any, None, _T]:
        return self._answer().__await__()

    async def _answer(self) -> _T:
        try:
            return await self._ask()
        except pulumi.RunError:
            raise
        except Exception as error:  # noqa: BLE001 - the SDK raises nothing more specific
            raise unreadable(self._what, error) from None


def with_id(resource: _Resource, resource_id: pulumi.Input[str]) -> _Resource:
    """Return a resource that was looked up (`Resource.get`), with an ID that is known in previews too.

    Engine v3.259.0 does not repeat the ID in its answer, and pulumi 3.272.0 then leaves it unknown until `up`
    (runtime/resource.py, `read_resource`): each preview would replace every resource that refers to it. Remove this
    when the oldest supported engine answers with the ID.
    """
    vars(resource)["id"] = pulumi.Output.all(resource.urn, resource_id).apply(lambda found: found[1])
    return resource


def optional(resource: pulumi.CustomResource, output: pulumi.Output[_T]) -> pulumi.Output[_T | None]:
    """Return an output of a resource from `with_id`; None if Azure has no value.

    pulumi 3.272.0 takes a missing value for an unknown one in previews (runtime/rpc.py). Remove
    this when it tells them apart for resources that were looked up.
    """

    async def value() -> _T | None:
        return await output.future() if await output.is_known() else None

    return pulumi.Output(output.resources(), value(), resource.id.is_known(), output.is_secret())


def provider(given: pulumi.Input[k8s.Provider]) -> pulumi.ProviderResource:
    """Return a provider that may be an Output, as a component's output is in another language's program.

    pulumi 3.272.0 looks at a provider's package before it awaits anything, and silently uses the package's default
    provider in place of an Output (resource.py, `_get_providers`). Remove this when it awaits the provider.
    """
    return given if isinstance(given, pulumi.ProviderResource) else _OutputProvider(pulumi.Output.from_input(given))


class _OutputProvider(pulumi.ProviderResource):
    def __init__(self, provider: pulumi.Output[k8s.Provider]) -> None:
        super().__init__("kubernetes", "promised", dependency=True)
        self.__dict__ |= {
            "urn": provider.apply(lambda known: known.urn),
            "id": provider.apply(lambda known: known.id),
        }


def without_aliases(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Register a resource without the aliases that azure-native 3.29.0 gives it, one for each API version.

    A transformation for peerings: they have 57 aliases each, and 20 regions have 380 peerings, whose aliases take
    400 MB. No state of this program refers to an alias. Remove this when the SDK registers fewer aliases.
    """
    args.opts.aliases = None
    return pulumi.ResourceTransformationResult(args.props, args.opts)


def unchanged(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Register a resource as it is in the state, whatever its inputs are now.

    A transformation for what is in a lost region: Azure may not answer for that region.
    """
    if isinstance(args.resource, pulumi.CustomResource) and not isinstance(args.resource, pulumi.ProviderResource):
        # Not "*": that would keep what the provider has added to the inputs in the state, which no program may write.
        args.opts.ignore_changes = [key for key in args.props if key != "azure_api_version"]
    return pulumi.ResourceTransformationResult(args.props, args.opts)


async def registrations_begun() -> None:
    """Wait until the registrations of resources have begun; for the coroutine that returns the stack's outputs.

    Until then, pulumi 3.272.0 looks through all outputs after each registration (runtime/stack.py,
    `wait_for_rpcs`): with 20 regions half of the program's time. Remove this when it no longer does.
    """
    await asyncio.sleep(0)
