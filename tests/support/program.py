"""Runs the program, or a part of it, on Pulumi's mocks with the stand-in's cloud behind them."""

import asyncio
import json
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime.mocks import MockMonitor
from pulumi.runtime.proto import resource_pb2

from rehearsal.cloud import Cloud
from rehearsal.core.protocol import UNKNOWN, Properties
from rehearsal.core.wire import PropertyPath, decode
from rehearsal.mocks import CloudMocks

ROOT = Path(__file__).parents[2]
PROJECT = "fleet-l4-lb"
NORTH: dict[str, Any] = {
    "name": "north",
    "location": "northcentralus",
    "addressSpace": "10.3.0.0/16",
    "nodeSubnet": "10.3.0.0/24",
    "nodePool": {"vmSize": "Standard_D4ds_v5", "count": 1},
}
"""A region that stack dev does not have."""


@dataclass(frozen=True)
class Registered:
    """A resource as the program registered it; other resources are given by their logical names."""

    type: str
    name: str
    parent: str
    inputs: Properties
    secrets: frozenset[PropertyPath]
    provider: str
    dependencies: frozenset[str]
    options: resource_pb2.RegisterResourceRequest = field(repr=False)


@dataclass(frozen=True)
class Program:
    """A program's registrations and outputs, and the cloud after it."""

    resources: Mapping[str, Registered]
    outputs: Properties
    secret_outputs: frozenset[str]
    cloud: Cloud

    def __getitem__(self, name: str) -> Registered:
        return self.resources[name]

    def of_type(self, token: str) -> dict[str, Registered]:
        """Return the resources of one type, by name."""
        return {name: resource for name, resource in self.resources.items() if resource.type == token}

    def children(self, parent: str) -> set[str]:
        """Return the names of a component's children."""
        return {name for name, resource in self.resources.items() if resource.parent == parent}

    def waits_for(self, name: str) -> set[str]:
        """Return all resources that a resource depends on, directly or through others."""
        found: set[str] = set()
        ahead = {name}
        while ahead:
            current = self.resources.get(ahead.pop())
            if current is None:  # it was only looked up
                continue
            ahead |= (current.dependencies | {current.provider} - {""}) - found
            found |= current.dependencies | {current.provider} - {""}
        return found


def stack_config(stack: str) -> dict[str, Any]:
    """Return the configuration of a stack's file, its keys without the namespace."""
    content = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    return {key.removeprefix(f"{PROJECT}:"): value for key, value in content["config"].items()}


def run_stack(stack: str, *, preview: bool = False, **changes: Any) -> Program:  # noqa: ANN401 - any JSON value
    """Run the whole program with a stack's configuration, some of its keys changed."""
    config = stack_config(stack) | changes
    return run(
        lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
        stack=stack,
        preview=preview,
        config=config,
    )


def run(
    body: Callable[[], object],
    *,
    stack: str = "test",
    preview: bool = False,
    config: Mapping[str, Any] | None = None,
    cloud: Cloud | None = None,
) -> Program:
    """Run another program."""
    cloud = cloud or Cloud(idle_seconds=0.2)
    names: dict[str, str] = {"": ""}
    resources: dict[str, Registered] = {}
    outputs: list[tuple[Properties, frozenset[PropertyPath]]] = []

    class Recorder(MockMonitor):
        def RegisterResource(self, request: resource_pb2.RegisterResourceRequest) -> Any:  # noqa: ANN401, N802
            response: Any = super().RegisterResource(request)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK
            names[response.urn] = request.name
            if request.type == "pulumi:pulumi:Stack":
                return response
            assert request.name not in resources, f"two resources are called {request.name}"
            inputs, secrets = decode(request.object)
            resources[request.name] = Registered(
                type=request.type,
                name=request.name,
                parent=names.get(request.parent, ""),
                inputs=inputs,
                secrets=secrets,
                provider=names[request.provider.rpartition("::")[0]],
                dependencies=frozenset(names[urn] for urn in request.dependencies),
                options=request,
            )
            return response

        def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> Any:  # noqa: ANN401, N802
            response: Any = super().ReadResource(request)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK
            names[response.urn] = request.name
            return response

        def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> Any:  # noqa: ANN401, N802
            if "pulumi:pulumi:Stack" in request.urn.split("::")[2:3]:
                outputs.append(decode(request.outputs))
            return super().RegisterResourceOutputs(request)  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    pulumi.runtime.set_mocks(
        CloudMocks(cloud), project=PROJECT, stack=stack, preview=preview, monitor=Recorder(CloudMocks(cloud))
    )
    # The mocks' own stack exports nothing; without a root, `run_in_stack` makes the program's.
    pulumi.runtime.settings.set_root_resource(None)  # pyright: ignore[reportArgumentType] - None is what it begins with
    pulumi.runtime.set_all_config(
        {
            f"{PROJECT}:{key}": value if isinstance(value, str) else json.dumps(value)
            for key, value in (config or {}).items()
        }
    )
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(_returning_nothing(body)))
    finally:
        pulumi.runtime.set_all_config({})
        pulumi.runtime.reset_options()  # a failed program's pending tasks would fail the next one
        loop.close()
    exported, secrets = outputs[-1]
    assert preview or UNKNOWN not in exported.values(), f"outputs are unknown after an update: {exported}"
    return Program(resources, exported, frozenset(str(path[0]) for path in secrets), cloud)


def _returning_nothing(body: Callable[[], object]) -> Callable[[], None]:
    def call() -> None:
        body()

    return call
