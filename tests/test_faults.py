"""The program's reactions to every failure of the stand-in, and their documentation."""

import fnmatch
from pathlib import Path

import pytest

from components.retries import ANYWHERE, IDENTITY_NOT_IN_DIRECTORY, NETWORK_BUSY, ROLE_NOT_IN_EFFECT, TERMINAL
from rehearsal import faults
from rehearsal.cloud import Cloud
from rehearsal.core.errors import RefusedError
from rehearsal.core.protocol import Call, Operation, Verb
from rehearsal.faults.catalogue import FAILURES, OUTAGES
from rehearsal.faults.injection import Faults
from rehearsal.faults.profile import Fault, Profile, load
from rehearsal.tests.objects import (
    in_memory,
)
from tests.support.program import ROOT, Program

GROUP = "azure-native:resources:ResourceGroup"
CLUSTER = "azure-native:containerservice:ManagedCluster"
NAMESPACE = "kubernetes:core/v1:Namespace"
WAITS = (*ANYWHERE, *IDENTITY_NOT_IN_DIRECTORY, *NETWORK_BUSY, *ROLE_NOT_IN_EFFECT)
PROFILES = sorted((Path(faults.__file__).parent / "profiles").glob("*.yaml"))


def texts_of(name: str) -> list[str]:
    """Return all that the program may read when a failure of the catalogue gets through to it."""
    failure, texts = FAILURES[name], list[str]()
    cloud = Cloud()
    for verb in failure.verbs:
        if verb not in ("create", "delete"):
            continue
        with Faults(Profile(faults=(Fault(fault=name),))).in_force(cloud), pytest.raises(RefusedError) as refused:
            request(cloud, verb, GROUP if failure.azure else NAMESPACE)
        texts.append(str(refused.value))
    return texts


def request(cloud: Cloud, verb: Verb = "create", token: str = GROUP, name: str = "east-group") -> float:
    """Ask the cloud for something; return the simulated seconds until it was taken."""
    before = in_memory(cloud).now
    with cloud.operation(Operation(verb, Call(token, name))):
        return in_memory(cloud).now - before


# The catalogue.


@pytest.mark.parametrize("name", [name for name, failure in FAILURES.items() if failure.handled_by != "nobody"])
def test_program_waits_for_what_a_provider_cannot_get_through(name: str) -> None:
    for text in texts_of(name):
        assert [each for each in WAITS if each.sign in text]


@pytest.mark.parametrize("name", [name for name, failure in FAILURES.items() if failure.handled_by == "nobody"])
def test_program_knows_a_remedy_for_what_stays(name: str) -> None:
    for text in texts_of(name):
        assert [each for each in TERMINAL if each.sign in text]
        assert not [each for each in WAITS if each.sign in text]


# Profiles.


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_ready_made_profile_strikes_what_both_stacks_have(
    path: Path, stack: str, request: pytest.FixtureRequest
) -> None:
    profile, program = load(path), request.getfixturevalue(stack)
    assert isinstance(program, Program)
    for fault in profile.faults:
        verb = fault.verb or "create"
        assert any(fault.concerns(verb, Call(each.type, each.name)) for each in program.resources.values()), fault
    clusters = [each.inputs["resourceName"] for each in program.of_type(CLUSTER).values()]
    for outage in profile.outages:
        assert fnmatch.filter(clusters, outage.cluster)
    groups = [each.inputs["resourceGroupName"] for each in program.of_type(GROUP).values()]
    for lock in profile.locks:
        assert fnmatch.filter(groups, lock)


@pytest.mark.parametrize(
    "text",
    [
        *(f"`{name}`" for name in (*FAILURES, *OUTAGES, *(path.name for path in PROFILES))),
        *(e.remedy for e in TERMINAL),
        *sorted({f"waiting until {each.reason}" for each in WAITS}),
    ],
)
def test_documentation_has_every_failure_profile_message_and_remedy(text: str) -> None:
    assert text in (ROOT / "docs" / "faults.md").read_text()
