"""An override of the app's own, as docs/apps.md has it: the object differs in one region."""

import json
import re
from pathlib import Path

from tests.conformance.fleet import Fleet, eventually
from tests.support.program import ROOT
from tests.support.stack import Stack

PAGE = (ROOT / "docs" / "apps.md").read_text()
GET = "get deployment/store-front --namespace aks-store-demo --output json"


def _sites(fleet: Fleet) -> list[str]:
    """Return the value of the variable that the example adds, on each cluster; nothing where it is not."""
    found = [json.loads(fleet.kubectl(name, *GET.split())) for name in ("hub", "east", "west")]
    containers = [each["spec"]["template"]["spec"]["containers"][0] for each in found]
    return [" ".join(each["value"] for each in one["env"] if each["name"] == "SITE") for one in containers]


def test_example_of_an_override_changes_the_app_in_its_region(stack: Stack, fleet: Fleet, manifests: Path) -> None:
    (example,) = re.findall(r"```yaml\n(apiVersion: placement.*?)```", PAGE, re.DOTALL)
    file = manifests / "app" / "west.yaml"
    file.write_text(example)
    assert stack.up().changes == {"app-resourceoverride-store-front": "create"}
    eventually(lambda: _sites(fleet), ["", "", "aks-westus2"], 300)
    file.write_text(example.replace("${MEMBER-CLUSTER-NAME}", "${MEMBER-CLUSTER-LABEL-KEY-fleet.azure.com/location}"))
    assert stack.up().changes == {"app-resourceoverride-store-front": "update"}
    eventually(lambda: _sites(fleet), ["", "", "westus2"], 300)
