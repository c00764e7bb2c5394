"""Another version of the Fleet's API under a deployed stack: an update in place, however the program comes by it."""

import pytest

from rehearsal.providers.azure_native import TYPES
from tests.support.health import assert_healthy
from tests.support.program import ROOT
from tests.support.stack import Stack

pytestmark = pytest.mark.slow

STABLE = "2026-06-01"
FLEET_TYPES = ("Fleet", "FleetMember", "FleetUpdateStrategy", "AutoUpgradeProfile")
UPDATES = {"channel": "Stable", "stages": [["west"], ["east"]]}
OF_THE_FLEET = ("hub-fleet", "hub-member-east", "hub-member-west", "updates-strategy", "updates-profile")

# What a package does that `pulumi package add azure-native containerservice 2026-06-01` generates: it registers itself
# with its parameter, and its resources under tokens of its own with those of the base package as aliases.
PACKAGE = f"""
import base64
import json
import runpy

import pulumi
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_monitor

NAME = "azure-native_containerservice_v{STABLE.replace("-", "")}"
VALUE = base64.b64encode(json.dumps({{"module": "containerservice", "version": NAME.rsplit("_", 1)[1]}}).encode())


async def package() -> str:
    parameterization = resource_pb2.Parameterization(name=NAME, version="3.29.0", value=VALUE)
    request = resource_pb2.RegisterPackageRequest(
        name="azure-native", version="3.29.0", parameterization=parameterization
    )
    return get_monitor().RegisterPackage(request).ref


register = pulumi.CustomResource.__init__


def register_versioned(self, t, name, props=None, opts=None, dependency=False, package_ref=None):
    if t.rpartition(":")[2] in {FLEET_TYPES!r}:
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=[pulumi.Alias(type_=t)]))
        t, package_ref = t.replace("azure-native:", f"{{NAME}}:"), package()
    register(self, t, name, props, opts, dependency, package_ref)


pulumi.CustomResource.__init__ = register_versioned
try:  # the engine runs this in the process of the tests
    runpy.run_path({str(ROOT / "__main__.py")!r}, run_name="__main__")
finally:
    pulumi.CustomResource.__init__ = register
"""


def test_a_new_default_version_updates_the_fleet_in_place(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.configure(fleet={"updates": UPDATES})
    stack.up()
    for kind in FLEET_TYPES:
        monkeypatch.setattr(TYPES[f"azure-native:containerservice:{kind}"], "api_version", STABLE)
    planned = stack.preview()
    assert planned.changes == dict.fromkeys(OF_THE_FLEET, "update")
    assert {tuple(planned.diffs[name]) for name in OF_THE_FLEET} == {("azureApiVersion",)}
    assert stack.up().changes == planned.changes
    assert stack.preview().changes == {}
    assert_healthy(stack)


def test_a_package_of_another_version_updates_the_fleet_in_place(stack: Stack) -> None:
    stack.configure(fleet={"updates": UPDATES})
    stack.up()
    main = stack.root / "__main__.py"
    main.unlink()
    main.write_text(PACKAGE)
    planned = stack.preview()
    package = {"default_3_29_0": "create"}  # its provider
    assert planned.changes == dict.fromkeys(OF_THE_FLEET, "update") | package
    assert {tuple(planned.diffs[name]) for name in OF_THE_FLEET} == {("azureApiVersion",)}
    assert stack.up().changes == planned.changes
    assert stack.preview().changes == {}
    types = {each["type"] for each in stack.resources() if each["urn"].rpartition("::")[2] in OF_THE_FLEET}
    assert all(kind.startswith("azure-native_containerservice_v20260601:") for kind in types)
    stack.destroy()
    assert stack.cloud.is_empty()
