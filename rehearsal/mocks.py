"""The stand-in's cloud behind Pulumi's mocks, for unit tests."""

from typing import Any, cast

import pulumi
from pulumi.runtime import MockCallArgs, MockResourceArgs, Mocks

from rehearsal.cloud import Cloud
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Call, Properties, has_unknown
from rehearsal.core.wire import open_secrets


class CloudMocks(Mocks):
    """Answers a program's registrations and invokes as the engine with the stand-in would.

    Raises `RefusedError` if the cloud, or a provider's check of the inputs, refuses an operation.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._providers: dict[str, Properties] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        """Create a resource; in a preview, only its inputs are known."""
        given = cast("Properties", args.inputs)  # pyright: ignore[reportUnknownMemberType] - a bare dict in the SDK
        inputs, _ = open_secrets(given)
        if args.resource_id:  # `Resource.get`: the resource is only read
            found = self._cloud.read(Call(args.typ, args.name), args.resource_id, {}, {})
            if found is None:
                raise RefusedError(f"resource '{args.resource_id}' does not exist")  # as the engine says it
            return args.resource_id, found[1]
        if not args.custom:
            return "", given
        if args.typ.startswith("pulumi:providers:"):
            self._providers[args.name] = inputs
            return f"{args.name}-id", given
        preview = pulumi.runtime.is_dry_run()
        call = Call(args.typ, args.name, preview=preview, provider=self._provider(args.provider))
        if has_unknown(call.provider):
            return None, {}  # as in the engine: a provider that is not configured yet is not asked
        inputs, problems = self._cloud.provider(args.typ).check(call, inputs)
        if problems:
            raise RefusedError("; ".join(f"{args.name}: {problem.path}: {problem.reason}" for problem in problems))
        resource_id, outputs = self._cloud.create(call, inputs)
        return resource_id or None, {key: value for key, value in outputs.items() if not has_unknown(value)}

    def call(self, args: MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        """Call a function."""
        if args.token.startswith("pulumi:pulumi:"):  # the engine's own functions; the stack is always new here
            return {"outputs": {}}, []
        call = Call(args.token, provider=self._provider(args.provider))
        given = cast("Properties", args.args)  # pyright: ignore[reportUnknownMemberType] - a bare dict in the SDK
        return self._cloud.invoke(call, open_secrets(given)[0]), []

    def _provider(self, reference: str | None) -> Properties:
        # A reference is a URN, whose last part is the name, and an id: `urn:…::name::id`.
        return self._providers[reference.split("::")[-2]] if reference else {}
