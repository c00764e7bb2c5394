"""Overrides of an app: what Fleet would refuse, or could not carry out, is told before anything is deployed."""

import copy
from collections.abc import Sequence
from typing import Any

import pulumi
import pytest
import yaml

from components.app_manifests import Manifest, checks, hub, overrides
from components.app_manifests.manifest import AppManifests
from tests.support.program import run

APP = """
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: peers}
spec: {clusterIP: None, selector: {app: shop}, ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: web, image: "web:1", env: [{name: A, value: a}]}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: site}
data: {region: none}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
"""
AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: load}
spec: {scaleTargetRef: {kind: Deployment, name: web}}
"""
WEB = {"group": "apps", "version": "v1", "kind": "Deployment", "name": "web"}
WEST = {"labelSelector": {"matchLabels": {"fleet.azure.com/location": "westus2"}}}
ENV = "/spec/template/spec/containers/0/env"


def patch(path: str = f"{ENV}/0/value", op: str = "replace", **value: Any) -> Manifest:  # noqa: ANN401 - JSON
    return {"op": op, "path": path, **(value or ({} if op == "remove" else {"value": "b"}))}


def rule(*patches: Manifest, terms: Sequence[Any] = (WEST,), **more: Any) -> Manifest:  # noqa: ANN401 - JSON
    found = {"clusterSelector": {"clusterSelectorTerms": [*terms]}, "jsonPatchOverrides": [*patches], **more}
    return {key: value for key, value in found.items() if value}


def override(*rules: Manifest, of: Sequence[Manifest] = (WEB,), name: str = "west", **spec: Any) -> Manifest:  # noqa: ANN401 - JSON
    return {
        "apiVersion": "placement.kubernetes-fleet.io/v1",
        "kind": "ResourceOverride",
        "metadata": {"name": name},
        "spec": {"resourceSelectors": [*of], "policy": {"overrideRules": [*(rules or [rule(patch())])]}, **spec},
    }


def app(*more: Manifest, autoscaled: bool = False) -> list[Manifest]:
    return [*yaml.safe_load_all(f"{APP}---{AUTOSCALER}" if autoscaled else APP), *more]


def problems(*more: Manifest, autoscaled: bool = False, **member_replicas: int) -> list[tuple[str, str]]:
    found = checks.problems(app(*more, autoscaled=autoscaled), {"shop": ()}, member_replicas=member_replicas)
    return [(".".join(map(str, path)), text) for _, path, text in found]


RULE = "spec.policy.overrideRules.0"
PATCH = f"{RULE}.jsonPatchOverrides.0"


@pytest.mark.parametrize(
    "rules",
    [
        [rule(patch())],
        [rule(patch(), terms=())],  # all members
        [rule(patch(f"{ENV}/-", "add", value={"name": "B", "value": "${MEMBER-CLUSTER-NAME}"}))],
        [rule(patch(value="${MEMBER-CLUSTER-LABEL-KEY-fleet.azure.com/location}"))],
        [rule(patch("/metadata/labels", "add", value={}), patch("/metadata/labels/a.b~1c", "add"))],
        [rule(patch(f"{ENV}/0", "remove"))],
        # The hub's API server sets it.
        [rule(patch("/spec/replicas", value=5))],
    ],
)
def test_override_that_fits_is_taken_as_it_is(rules: list[Manifest]) -> None:
    found = override(*rules)
    before = copy.deepcopy(found)
    assert problems(found) == []
    assert found == before


@pytest.mark.parametrize(
    ("found", "path", "text"),
    [
        # what it changes
        (override(of=[]), "spec", "resourceSelectors is required"),
        (override(of=[WEB] * 21), "spec.resourceSelectors", "write at most 20"),
        (override(of=[WEB | {"name": "wep"}]), "spec.resourceSelectors.0", "the app has no Deployment wep; it has web"),
        (override(of=[WEB | {"version": "v1beta1"}]), "spec.resourceSelectors.0", "of apps/v1: write {group: apps, v"),
        (override(of=[WEB, WEB]), "spec.resourceSelectors.1", "Deployment web has the override west"),
        (
            override(of=[{"group": "", "version": "v1", "kind": "Service", "name": "shop"}]),
            "spec.resourceSelectors.0",
            "Service shop is shared by all regions",
        ),
        (
            override(
                of=[{"group": "rbac.authorization.k8s.io", "version": "v1", "kind": "Role", "name": "reader"}],
            ),
            "spec.resourceSelectors.0",
            "Role reader is placed in an envelope",
        ),
        (override(placement={"name": "x"}), "spec.placement", "remove it"),
        (override(name="w" * 64), "metadata.name", "can have 63"),
        # on which members
        (override(*[rule(patch())] * 21), "spec.policy.overrideRules", "write at most 20"),
        (override({"jsonPatchOverrides": [patch()]}), f"{RULE}.clusterSelector", "the rule is for no member"),
        (
            override(rule(patch(), terms=[{"propertySelector": {}}])),
            f"{RULE}.clusterSelector.clusterSelectorTerms.0",
            "labelSelector only",
        ),
        # how
        (override(rule(patch(), overrideType="Merge")), f"{RULE}.overrideType", "overrideType Merge is unknown"),
        (override(rule()), f"{RULE}.jsonPatchOverrides", "write a list of 1 to 20 patches"),
        (override(rule(*[patch()] * 21)), f"{RULE}.jsonPatchOverrides", "write a list of 1 to 20 patches"),
        (override(rule(patch(op="move"))), PATCH, "op move is unknown"),
        (override(rule(patch(op="remove", value=1))), PATCH, "has no value"),
        (override(rule(patch("spec/replicas"))), PATCH, "path spec/replicas is invalid"),
        (override(rule(patch("/spec//x"))), PATCH, "path /spec//x is invalid"),
        *[
            (override(rule(patch(path, value=1))), PATCH, f"cannot change {path}")
            for path in ("/kind", "/apiVersion", "/metadata/name", "/metadata", "/status/replicas")
        ],
        (override(rule(patch("/spec/paused"))), f"{PATCH}.path", "no /spec/paused to replace; write it into the manif"),
        (override(rule(patch(f"{ENV}/1", "remove"))), f"{PATCH}.path", f"Deployment web has no {ENV}/1 to remove"),
        (override(rule(patch("/metadata/labels/x", "add"))), f"{PATCH}.path", "has no /metadata/labels to add to"),
        (override(rule(patch(f"{ENV}/2", "add"))), f"{PATCH}.path", "Deployment web has no"),
        (
            override(rule(patch(value="in ${MEMBER-CLUSTER}"))),
            f"{PATCH}.value",
            "Fleet has no variable ${MEMBER-CLUSTER}",
        ),
    ],
)
def test_override_that_cannot_work_is_refused(found: Manifest, path: str, text: str) -> None:
    (where, said), *_ = problems(found)
    assert where == path
    assert text in said


def delete(*terms: Manifest) -> Manifest:
    return rule(terms=terms or (WEST,), overrideType="Delete")


def test_region_does_not_lose_all_pods_of_a_service_that_it_shares() -> None:
    text = "Service shop would have no pods there"
    for stops in (delete(), rule(patch("/spec/replicas", value=0))):
        ((path, said),) = problems(override(stops))
        assert path == RULE
        assert text in said
    other = app()[2] | {"metadata": {"name": "web-2"}}
    assert problems(other, override(delete())) == []
    site = {"group": "", "version": "v1", "kind": "ConfigMap", "name": "site"}
    assert problems(override(delete(), of=[site])) == []


def test_object_has_one_override() -> None:
    ((path, said),) = problems(override(), override(name="east"))
    assert path == "spec.resourceSelectors.0"
    assert said.startswith("Deployment web has the override west, and an object can have only one")
    ((path, said),) = problems(override(), west=5)
    assert path == "spec.resourceSelectors.0"
    assert said.startswith("Deployment web has an override for app.replicas by region")
    ((path, said),) = problems(override(), autoscaled=True)
    assert path == "spec.resourceSelectors.0"
    assert said.startswith("Deployment web has an override for HorizontalPodAutoscaler load")


def test_override_cannot_have_the_name_of_one_that_the_program_makes() -> None:
    site = {"group": "", "version": "v1", "kind": "ConfigMap", "name": "site"}
    ((path, _),) = problems(override(rule(patch("/data/region")), of=[site], name="replicas-web"), west=5)
    assert path == "metadata.name"


def placed(*more: Manifest, autoscaled: bool = False) -> list[Manifest]:
    manifests = AppManifests(
        namespace="shops",
        service="shop",
        app=app(*more, autoscaled=autoscaled),
        export={"kind": "ServiceExport", "metadata": {"name": "shop"}},
        placement={"metadata": {"name": "all"}},
        entry_point={},
    )
    _, found = hub.hub_objects(
        manifests, {"shop": "shop"}, replicas=None, member_replicas={}, internal=False, global_address=False
    )
    return [each for each in found if each["kind"] == "ResourceOverride"]


def test_override_is_of_the_apps_placement() -> None:
    (found,) = placed(override())
    assert found["spec"] == override()["spec"] | {"placement": {"name": "all"}}


def test_override_with_the_autoscalers_rule_takes_the_place_of_the_programs() -> None:
    without = rule(patch("/spec/replicas", "remove"), terms=())
    (found,) = placed(override(rule(patch()), without), autoscaled=True)
    assert found["metadata"]["name"] == "west"


def test_rule_for_a_member_or_a_label_that_does_not_exist_is_pointed_out() -> None:
    def remarks(**labels: str) -> list[str]:
        terms = [{"labelSelector": {"matchLabels": {f"fleet.azure.com/{key}": each for key, each in labels.items()}}}]
        return [text for _, _, text in overrides.remarks([override(rule(patch(), terms=terms))], ["aks-west"])]

    assert remarks(**{"member-name": "aks-west", "location": "westus2"}) == []
    assert remarks(**{"member-name": "aks-wset"}) == ["the app has no member aks-wset: its members are aks-west"]
    assert remarks(region="westus2")[0].startswith("members have no label fleet.azure.com/region; they have")


def test_what_is_not_known_yet_is_left_alone() -> None:
    def program() -> None:
        known = app(override(rule(patch("/data/region/x"))))
        known[-1]["spec"]["resourceSelectors"] = [{"group": "", "version": "v1", "kind": "ConfigMap", "name": "site"}]
        known[3]["data"] = pulumi.Output.from_input({"region": "east"})
        pulumi.export("found", [text for _, _, text in checks.problems(known, {"shop": ()})])

    assert run(program, preview=True).outputs["found"] == []
