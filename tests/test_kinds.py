"""Every kind that an app may bring is known on the clusters."""

import pytest

from components.app_manifests.kinds import KINDS
from components.app_manifests.manifest import OVERRIDE
from rehearsal.cluster.kinds import HUB, MEMBER, find_kind

ACCEPTED = [(version, kind) for version, kinds in KINDS.items() for kind in kinds]


@pytest.mark.parametrize(("version", "kind"), ACCEPTED)
def test_hub_and_members_serve_what_the_program_accepts(version: str, kind: str) -> None:
    for role in (HUB,) if kind == OVERRIDE else (HUB, MEMBER):
        found = find_kind(version, kind, role)
        assert found, role
        assert found.namespaced
