"""YAML becomes Kubernetes objects, or is refused as a whole before anything is registered."""

import json
from pathlib import Path

import pulumi
import pytest

from components.app_manifests import AppManifests, ManifestsError, load, overlay
from components.kubernetes_object import KubernetesObject
from tests.support.program import ROOT, run

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {ports: [{port: 80}]}\n"
KUSTOMIZE = "kustomize is not applied: put what `kubectl kustomize` writes into a file here"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Manifests of an app that is one Service."""
    folder = tmp_path / "manifests"
    (folder / "app").mkdir(parents=True)
    (folder / "app" / "shop.yaml").write_text(SERVICE)
    (folder / "fleet").mkdir()
    for file in (ROOT / "manifests" / "fleet").iterdir():
        (folder / "fleet" / file.name).write_text(file.read_text())
    return folder


def read(folder: Path) -> AppManifests:
    members = ["west", "east", "west"]
    return load(folder, namespace="shops", service="shop", members=members, secrets={"rabbitmq": {"password": 32}})


def problems(folder: Path) -> list[str]:
    with pytest.raises(ManifestsError) as refused:
        read(folder)
    first, *lines = str(refused.value).splitlines()
    assert first == "The manifests have mistakes; nothing was deployed:"
    return [line.strip().removeprefix("manifests/") for line in lines]


def test_folder_is_read_in_the_order_of_names_with_every_document(folder: Path) -> None:
    (folder / "app" / "b.yml").write_text(CONFIG % "c")
    (folder / "app" / "a.yaml").write_text(f"{CONFIG % 'a'}---\n---\n{CONFIG % 'b'}---\n# nothing\n")
    (folder / "app" / "README.md").write_text("# what is what")
    assert [manifest["metadata"]["name"] for manifest in read(folder)["app"]] == ["a", "b", "c", "shop"]


def test_fleets_objects_are_filled_in_each_value_with_its_type(folder: Path) -> None:
    manifests = read(folder)
    assert manifests["entry_point"]["metadata"] == {"name": "shop", "namespace": "shops"}
    placement = str(manifests["placement"])
    assert "'values': ['east', 'west']" in placement
    assert "'name': 'shops'" in placement


def test_templates_and_variables_of_others_stay_as_they_are(folder: Path) -> None:
    texts = ["$(HOST), $HOME, $$(X), 5$", "echo ${CODE:-200} ${x%%.*}", "{{ .Values.x }}", "${namespace}/${service}"]
    (folder / "app" / "a.yaml").write_text(f"{CONFIG % 'a'}args: {json.dumps(texts)}\n")
    assert read(folder)["app"][0]["args"] == texts


def warnings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    told: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", told.append)
    read(folder)
    return [line.removeprefix("manifests/") for line in told]


def test_our_own_placeholder_in_the_app_is_pointed_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = "data: {x: '${namespace}'}\nargs: ['${service}', 'a ${service}', '${HOME}']\n"
    (folder / "app" / "a.yaml").write_text((CONFIG % "a") + texts)
    assert warnings(folder, monkeypatch) == [
        "app/a.yaml:5: ${service} stays as it is: only manifests/fleet/ has placeholders"
    ]


def test_objects_of_a_list_are_read(folder: Path) -> None:
    items = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b}\n"
    (folder / "app" / "a.yaml").write_text(f"{items}- apiVersion: v1\n  kind: Pod\n  metadata: {{name: c}}\n")
    assert problems(folder) == ["app/a.yaml:8: the hub denies a Pod, because it runs no pods; use a Deployment"]
    (folder / "app" / "a.yaml").write_text(items)
    assert [manifest["metadata"]["name"] for manifest in read(folder)["app"]] == ["b", "shop"]


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("more/a.yaml", "app/more: folders inside app/ are not read; move the files into app/ itself"),
        ("a.YAML", "app/a.YAML is not read; rename it to a.yaml"),
        ("kustomization.yaml", f"app/kustomization.yaml: {KUSTOMIZE}"),
        ("Kustomization", f"app/Kustomization: {KUSTOMIZE}"),
        ("Chart.yaml",
         "app/Chart.yaml: a Helm chart is not rendered: put what `helm template` writes into a file here"),
    ],
)  # fmt: skip
def test_file_that_is_not_read_is_told(folder: Path, file: str, problem: str) -> None:
    (folder / "app" / file).parent.mkdir(exist_ok=True)
    (folder / "app" / file).write_text(CONFIG % "a")
    assert problems(folder) == [problem]


def test_other_files_and_hidden_folders_are_left_alone(folder: Path) -> None:
    for name in (".git", "docs"):
        (folder / "app" / name).mkdir()
    for name in (".git/config.yaml", "docs/README.md", "a.yaml.bak", "LICENSE"):
        (folder / "app" / name).write_text(CONFIG % "a")
    assert [manifest["metadata"]["name"] for manifest in read(folder)["app"]] == ["shop"]


def test_the_same_keys_are_merged_from_an_anchor(folder: Path) -> None:
    (folder / "app" / "a.yaml").write_text(f"{CONFIG % 'a'}x: &x {{a: 1, b: 2}}\ny: {{<<: *x, b: 3}}\n")
    assert read(folder)["app"][0]["y"] == {"a": 1, "b": 3}


def test_merged_keys_are_used_again_by_an_alias(folder: Path) -> None:
    merged = "x: &x {a: 1, b: 2}\ny: &y {<<: *x, b: 3}\nz: *y\n"
    (folder / "app" / "a.yaml").write_text(f"{CONFIG % 'a'}{merged}")
    assert read(folder)["app"][0]["z"] == {"a": 1, "b": 3}


# --- One mistake each: the file's text, and what the report says of it -----------------------------------------

KINDS = (
    "the kinds are ConfigMap, CronJob, DaemonSet, Deployment, EndpointSlice, HorizontalPodAutoscaler, "
    "Ingress, Job, LimitRange, NetworkPolicy, PersistentVolumeClaim, PodDisruptionBudget, ResourceOverride, "
    "ResourceQuota, Role, RoleBinding, Secret, Service, ServiceAccount, StatefulSet"
)
STAYS = "is cluster-scoped, and only the app's namespace is placed: it would stay on the hub"
CUSTOM = "is a custom resource, which cannot be placed: its CustomResourceDefinition is cluster-scoped"
NAMES = "is invalid: use lower-case letters, digits, and hyphens and dots inside"
GENERATED = (
    "another object each time, which cannot be placed; use metadata.name, or remove the object if it is a Helm hook"
)
NO_OBJECT = "not a Kubernetes object, as apiVersion and kind are missing; move it out of this folder"
DOLLAR = "is not a placeholder; use ${namespace}, ${service}, ${members}, and $$ for a dollar"
MISTAKES: list[tuple[str, str]] = [
    # no YAML
    ("a: [1", "app/a.yaml:1: expected ',' or ']', but got '<stream end>'"),
    ("a:\n\tb: 1", "app/a.yaml:2: found character '\\t' that cannot start any token"),
    ("a: 1\n  b: 2", "app/a.yaml:2: mapping values are not allowed here"),
    ("a: *b", "app/a.yaml:1: found undefined alias 'b'"),
    (f"{SERVICE}a: !Ref b", "app/a.yaml:5: could not determine a constructor for the tag '!Ref'"),
    (f"{SERVICE}a: &a [*a]", "app/a.yaml:5: an alias refers to itself"),
    (f"{SERVICE}a: \x00",
     "app/a.yaml:5: this is not UTF-8 text: special characters are not allowed"),
    # no object
    ("- a", f"app/a.yaml:1: {NO_OBJECT}"),
    ("image:\n  tag: 1.2", f"app/a.yaml:1: {NO_OBJECT}"),
    ("apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component", f"app/a.yaml:1: {KUSTOMIZE}"),
    ("kind: Service\nmetadata: {name: a}", "app/a.yaml:1: apiVersion is required"),
    ("\n\napiVersion: v1\nmetadata: {name: a}", "app/a.yaml:3: kind is required"),
    ("apiVersion: v1\nkind: Secret\nmetadata:\n  labels: {}", "app/a.yaml:4: metadata.name is required"),
    (f"{CONFIG % 'a'}---\napiVersion: v1\nkind: Secret", "app/a.yaml:5: metadata.name is required"),
    ("apiVersion: v1\nkind: Secret\nmetadata:\n  name: 7", "app/a.yaml:4: metadata.name is not a string; quote it"),
    # YAML slips
    (f"{SERVICE}on: 1", "app/a.yaml:5: the key on is not a string; quote it"),
    (f"{SERVICE}kind: Service", "app/a.yaml:5: duplicate key kind"),
    (f"{SERVICE}since: 2024-09-06", "app/a.yaml:5: YAML reads this as a date; quote it"),
    # templates of other tools
    (f"{CONFIG % 'a'}x: {{{{ .Values.x }}}}",
     ("app/a.yaml:4: a key cannot be a mapping or a list; quote {{ … }}, or render the template first "
     "(`helm template`)")),
    (f"{{{{- if .x }}}}\n{CONFIG % 'a'}{{{{- end }}}}",
     "app/a.yaml:1: expected the node content, but found '-'; render a template first (`helm template`)"),
    (CONFIG % "'{{ .Release.Name }}'",
     f"app/a.yaml:3: metadata.name {{{{ .Release.Name }}}} {NAMES}"),
    ("apiVersion: batch/v1\nkind: Job\nmetadata:\n  generateName: hook-",
     f"app/a.yaml:4: generateName creates {GENERATED}"),
    # kinds
    (SERVICE.replace("Service", "Servce"),
     "app/a.yaml:2: Servce of v1 is not a kind that an app can have; did you mean Service?"),
    ("apiVersion: v1\nkind: Xyz\nmetadata: {name: a}",
     f"app/a.yaml:2: Xyz of v1 is not a kind that an app can have; {KINDS}"),
    ("apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: a}",
     f"app/a.yaml:2: ServiceMonitor of monitoring.coreos.com {CUSTOM}"),
    ("apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: a}",
     f"app/a.yaml:2: ScaledObject of keda.sh {CUSTOM}"),
    ("apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}",
     f"app/a.yaml:2: Service of serving.knative.dev {CUSTOM}"),
    ("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}",
     f"app/a.yaml:2: HTTPRoute of gateway.networking.k8s.io {CUSTOM}"),
    ("apiVersion: networking.fleet.azure.com/v1beta1\nkind: ServiceExport\nmetadata: {name: a}",
     "app/a.yaml:2: ServiceExport is one of Fleet's objects, which belong in manifests/fleet/"),
    ("apiVersion: placement.kubernetes-fleet.io/v1beta1\nkind: ResourceOverride\nmetadata: {name: a}",
     ("app/a.yaml:2: placement.kubernetes-fleet.io/v1beta1 has no ResourceOverride; "
     "use apiVersion: placement.kubernetes-fleet.io/v1")),
    ("apiVersion: placement.kubernetes-fleet.io/v1\nkind: ClusterResourceOverride\nmetadata: {name: a}",
     ("app/a.yaml:2: ClusterResourceOverride is cluster-scoped, and a namespace is all that the app has; "
     "use a ResourceOverride")),
    ("apiVersion: v1\nkind: Endpoints\nmetadata: {name: a}",
     "app/a.yaml:2: Fleet does not place Endpoints; use an EndpointSlice of discovery.k8s.io/v1"),
    ("apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}",
     "app/a.yaml:2: extensions/v1beta1 has no Ingress; use apiVersion: networking.k8s.io/v1"),
    ("apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: a}",
     "app/a.yaml:2: use apiVersion: autoscaling/v2, with spec.metrics in place of targetCPUUtilizationPercentage"),
    ("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}", f"app/a.yaml:2: Namespace {STAYS}"),
    ("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}",
     f"app/a.yaml:2: ClusterRole {STAYS}"),
    ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}",
     "app/a.yaml:2: the hub denies a Pod, because it runs no pods; use a Deployment"),
    # names
    ("apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: other",
     "app/a.yaml:5: namespace other is not the app's, shops; remove it"),
    (f"{CONFIG % 'a'}---\n{CONFIG % 'a'}", "app/a.yaml:5: ConfigMap a is already in manifests/app/a.yaml:1"),
    ("apiVersion: v1\nkind: Secret\nmetadata: {name: rabbitmq}",
     "app/a.yaml:1: Secret rabbitmq is already generated by the program"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), MISTAKES)
def test_a_mistake_is_told_with_its_file_and_line(folder: Path, text: str, problem: str) -> None:
    (folder / "app" / "a.yaml").write_text(text)
    assert problem in problems(folder)


def test_json_may_be_indented_with_tabs(folder: Path) -> None:
    text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "a\tb"}})
    (folder / "app" / "a.json").write_text(text.replace("{", "{\n\t"))
    assert read(folder)["app"][0]["data"] == {"x": "a\tb"}


@pytest.mark.parametrize(("escaped", "text"), [(r"\ud83d\ude00", "😀"), (r"\ud83d!", "\ufffd!")])
def test_json_may_escape_a_character_in_two_halves(folder: Path, escaped: str, text: str) -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "TEXT"}}
    (folder / "app" / "a.json").write_text(json.dumps(config).replace("TEXT", escaped))
    assert read(folder)["app"][0]["data"] == {"x": text}


def test_bytes_that_are_no_text_are_told(folder: Path) -> None:
    (folder / "app" / "a.yaml").write_bytes(b"a: b\nc: \xff")
    assert problems(folder) == ["app/a.yaml:2: this is not UTF-8 text: invalid start byte"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "fleet/service-export.yaml is missing; it must have one ServiceExport"),
        ("", "fleet/service-export.yaml has nothing; it must have one ServiceExport"),
        (SERVICE, "fleet/service-export.yaml has Service; it must have one ServiceExport"),
        ("a: ${nam}", f"fleet/service-export.yaml:1: ${{nam}} {DOLLAR}"),
        ("a: 5$", f"fleet/service-export.yaml:1: a $ without a name {DOLLAR}"),
    ],
)
def test_fleets_files_have_one_object_each(folder: Path, text: str | None, problem: str) -> None:
    file = folder / "fleet" / "service-export.yaml"
    file.unlink()
    if text is not None:
        file.write_text(text)
    assert problems(folder)[0] == problem


def test_service_that_is_not_there_is_told_with_those_that_are(folder: Path) -> None:
    (folder / "app" / "shop.yaml").write_text(SERVICE.replace("shop", "store"))
    assert problems(folder) == ["app has no Service 'shop' to export; it has store"]


def test_all_mistakes_of_all_files_are_told_at_once_and_no_value(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / "app" / f"{name}.yaml").write_text(
            "kind: Secret\nmetadata: {}\nstringData:\n  one: hunter2\n  one: hunter3\n  2: hunter4\n"
        )
    (folder / "fleet" / "service-export.yaml").unlink()
    told = problems(folder)
    assert [line.partition(" ")[0] for line in told] == [
        *("app/a.yaml:5:", "app/a.yaml:6:", "app/a.yaml:1:", "app/a.yaml:2:"),
        *("app/b.yaml:5:", "app/b.yaml:6:", "app/b.yaml:1:", "app/b.yaml:2:"),
        "fleet/service-export.yaml",
    ]
    assert "hunter" not in "".join(told)


def test_values_of_a_secret_are_secret() -> None:
    def program() -> None:
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "default"}}
        values = {"data": {"a": "aHVudGVyMg=="}, "stringData": {"b": "hunter3"}}
        KubernetesObject("plain", manifest | values, pulumi.ResourceOptions())

    assert run(program, preview=True)["plain"].secrets == {("data", "a"), ("stringData", "b")}


AUTOSCALER = """
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: load}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {replicas: 2, template: {metadata: {labels: {app: shop}}}}
"""


def test_rules_are_told_with_file_and_line(folder: Path) -> None:
    (folder / "app" / "a.yaml").write_text(f"{CONFIG % 'a'}---{AUTOSCALER}")
    (folder / "app" / "shop.yaml").write_text(SERVICE.replace("spec: {", "spec:\n  {clusterIP: None, "))
    assert [line.partition(", and")[0] for line in problems(folder)] == [
        "app/shop.yaml:5: Service shop is headless (clusterIP: None)",
        "app/a.yaml:9: the app has no Deployment or StatefulSet that is Deployment shop",
    ]


def test_remarks_are_warnings_with_file_and_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "app" / "shop.yaml").write_text(SERVICE.replace("spec: {", "spec:\n  {sessionAffinity: ClientIP, "))
    (told,) = warnings(folder, monkeypatch)
    assert told.startswith("app/shop.yaml:5: Fleet does not carry sessionAffinity to the entry point: a client's")


def test_replicas_are_of_the_workload_behind_the_service_or_refused(folder: Path) -> None:
    with pytest.raises(ManifestsError, match=r"replicas cannot be set: Service shop selects the pods of no"):
        load(folder, namespace="shops", service="shop", members=[], replicas=3)
    (folder / "app" / "shop.yaml").write_text(
        f"{SERVICE.replace('spec: {', 'spec: {selector: {app: shop}, ')}---{DEPLOYMENT}"
    )
    for replicas, expected in ((3, 3), (None, 2)):
        app = load(folder, namespace="shops", service="shop", members=[], replicas=replicas)["app"]
        assert app[1]["spec"] == {"replicas": expected, "template": {"metadata": {"labels": {"app": "shop"}}}}


def test_overlay_joins_mappings_and_leaves_the_original_alone() -> None:
    original = {"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"ports": [1, 2]}}
    changed = overlay(original, {"metadata": {"labels": {"y": "2"}}, "spec": {"ports": [3]}})
    assert changed == {"metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}, "spec": {"ports": [3]}}
    assert original == {"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"ports": [1, 2]}}
