"""YAML becomes Kubernetes objects, or is refused as a whole before anything is registered."""

from pathlib import Path

import pulumi
import pytest

from components.manifests import AppManifests, KubernetesObject, ManifestsError, load, overlay
from tests.program import ROOT, run

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: shop}\n"
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


def test_files_in_a_config_map_are_the_apps_own(folder: Path) -> None:
    text = "proxy_pass http://${upstream}/{{ path }};"
    (folder / "app" / "nginx.yaml").write_text(f"{CONFIG % 'nginx'}data:\n  site: {text!r}\n")
    assert read(folder)["app"][0]["data"] == {"site": text}


def test_variables_of_kubernetes_and_of_the_shell_are_no_placeholders(folder: Path) -> None:
    (folder / "app" / "a.yaml").write_text(f"{CONFIG % 'a'}args: [$(HOST), $HOME, $$(X), 5$]\n")
    assert read(folder)["app"][0]["args"] == ["$(HOST)", "$HOME", "$$(X)", "5$"]


def test_the_same_keys_are_merged_from_an_anchor(folder: Path) -> None:
    (folder / "app" / "a.yaml").write_text(f"{CONFIG % 'a'}x: &x {{a: 1, b: 2}}\ny: {{<<: *x, b: 3}}\n")
    assert read(folder)["app"][0]["y"] == {"a": 1, "b": 3}


# --- One mistake each: the file's text, and what the report says of it -----------------------------------------

KINDS = (
    "the kinds are ConfigMap, CronJob, DaemonSet, Deployment, EndpointSlice, HorizontalPodAutoscaler, "
    "Ingress, Job, LimitRange, NetworkPolicy, PersistentVolumeClaim, PodDisruptionBudget, ResourceQuota, Role, "
    "RoleBinding, Secret, Service, ServiceAccount, StatefulSet"
)
STAYS = "is not of a namespace, and the app is placed as a namespace: it would stay on the hub"
NOT_HERE = "has no value (nothing is filled in here; a shell takes $name)"
MISTAKES: list[tuple[str, str]] = [
    # no YAML
    ("a: [1", "app/a.yaml:1: expected ',' or ']', but got '<stream end>'"),
    ("a:\n\tb: 1", "app/a.yaml:2: found character '\\t' that cannot start any token"),
    ("a: 1\n  b: 2", "app/a.yaml:2: mapping values are not allowed here"),
    ("a: *b", "app/a.yaml:1: found undefined alias 'b'"),
    (f"{SERVICE}a: !Ref b", "app/a.yaml:4: could not determine a constructor for the tag '!Ref'"),
    (f"{SERVICE}a: &a [*a]", "app/a.yaml:4: an alias stands inside what it stands for"),
    (f"{SERVICE}a: \x00",
     "app/a.yaml:4: this is not UTF-8, or no character: special characters are not allowed"),
    # no object
    ("- a", "app/a.yaml:1: apiVersion is missing"),
    ("kind: Service\nmetadata: {name: a}", "app/a.yaml:1: apiVersion is missing"),
    ("\n\napiVersion: v1\nmetadata: {name: a}", "app/a.yaml:3: kind is missing"),
    ("apiVersion: v1\nkind: Secret\nmetadata:\n  labels: {}", "app/a.yaml:4: metadata.name is missing"),
    (f"{CONFIG % 'a'}---\napiVersion: v1\nkind: Secret", "app/a.yaml:5: metadata.name is missing"),
    ("apiVersion: v1\nkind: Secret\nmetadata:\n  name: 7", "app/a.yaml:4: metadata.name is not text; quote it"),
    # YAML slips
    (f"{SERVICE}on: 1", "app/a.yaml:4: the key on is not text; quote it"),
    (f"{SERVICE}kind: Service", "app/a.yaml:4: the key kind is here already"),
    (f"{SERVICE}since: 2024-09-06", "app/a.yaml:4: YAML reads this as a date; quote it"),
    # templates
    (CONFIG % "'${name}'", f"app/a.yaml:3: ${{name}} {NOT_HERE}"),
    (f"{CONFIG % 'a'}x:\n  - '{{{{ .Values.x }}}}'", f"app/a.yaml:5: {{{{ .Values.x }}}} {NOT_HERE}"),
    (f"{CONFIG % 'a'}x: {{{{ .Values.x }}}}", "app/a.yaml:4: braces make a key; quote it"),
    # kinds
    (SERVICE.replace("Service", "Servce"),
     "app/a.yaml:2: Servce of v1 is not a kind that an app can have; did you mean Service?"),
    ("apiVersion: example.com/v1\nkind: Xyz\nmetadata: {name: a}",
     f"app/a.yaml:2: Xyz of example.com/v1 is not a kind that an app can have; {KINDS}"),
    ("apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: a}",
     "app/a.yaml:2: Ingress is not of extensions/v1beta1; write apiVersion: networking.k8s.io/v1"),
    ("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}", f"app/a.yaml:2: Namespace {STAYS}"),
    ("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: a}",
     f"app/a.yaml:2: ClusterRole {STAYS}"),
    ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}",
     "app/a.yaml:2: Pod is refused by the hub, which runs no pods; write a Deployment"),
    # names
    ("apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  namespace: other",
     "app/a.yaml:5: namespace other is not the app's, shops; leave it out"),
    (f"{CONFIG % 'a'}---\n{CONFIG % 'a'}", "app/a.yaml:5: ConfigMap a is in manifests/app/a.yaml:1 already"),
    ("apiVersion: v1\nkind: Secret\nmetadata: {name: rabbitmq}",
     "app/a.yaml:1: Secret rabbitmq is in the program already"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "problem"), MISTAKES)
def test_a_mistake_is_told_with_its_file_and_line(folder: Path, text: str, problem: str) -> None:
    (folder / "app" / "a.yaml").write_text(text)
    assert problem in problems(folder)


def test_bytes_that_are_no_text_are_told(folder: Path) -> None:
    (folder / "app" / "a.yaml").write_bytes(b"a: b\nc: \xff")
    assert problems(folder) == ["app/a.yaml:2: this is not UTF-8, or no character: invalid start byte"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "fleet/service-export.yaml is missing; it has the ServiceExport"),
        ("", "fleet/service-export.yaml has nothing; it must have one ServiceExport"),
        (SERVICE, "fleet/service-export.yaml has Service; it must have one ServiceExport"),
        ("a: ${nam}", "fleet/service-export.yaml:1: ${nam} has no value (${namespace}, ${service}, ${members})"),
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
            "kind: Secret\nmetadata: {}\nstringData:\n  one: hunter2\n  one: hunter3\n  two: ${x}hunter4\n"
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


def test_overlay_joins_mappings_and_leaves_the_original_alone() -> None:
    original = {"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"ports": [1, 2]}}
    changed = overlay(original, {"metadata": {"labels": {"y": "2"}}, "spec": {"ports": [3]}})
    assert changed == {"metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}, "spec": {"ports": [3]}}
    assert original == {"metadata": {"name": "a", "labels": {"x": "1"}}, "spec": {"ports": [1, 2]}}
