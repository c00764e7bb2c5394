"""What the program has deployed is verified by nothing but its outputs, also at the end of a rehearsal."""

from pathlib import Path

import pytest

from rehearsal.stack import rehearsing
from tests.support.health import assert_healthy, failed
from tests.support.stack import Stack


def test_deployment_is_well_until_a_region_is_lost(stack: Stack) -> None:
    assert_healthy(stack)
    stack.lose_region("west")
    stack.cloud.pass_time(600)
    found = failed(stack)
    answered = found.pop(stack.outputs()["url"].value)
    silence = "west does not answer: RemoteDisconnected"
    assert found.pop("member aks-westus2").startswith("joined, but an agent is silent for 1")
    assert found == {
        "pods on aks-westus2": silence,
        "export on aks-westus2": silence,
        "endpoints of aks-westus2": silence,
    }
    assert answered.endswith(" × 504 Gateway Timeout")  # noqa: RUF001


def test_rehearsal_ends_with_the_table_and_the_status_of_verify(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    assert stack.rehearsal.up() == 0
    text = capfd.readouterr().out
    assert "✓  endpoints of aks-westus2     1 behind the entry point" in text
    assert "✗" not in text

    stack.lose_region("west")
    assert stack.rehearsal.up() == 1
    text = capfd.readouterr().out
    assert "✗  pods on aks-westus2          west does not answer: " in text
    assert "see that it runs: `az aks show --ids /subscriptions/" in text
    assert text.index("✗  pods on") < text.index("`make rehearse-verify` checks again") < text.index("report  ")
    page = (stack.root / ".rehearsal" / "dev" / "report.html").read_text()
    assert "some checks failed" in page
    assert "west does not answer: " in page


@pytest.mark.slow
def test_private_address_is_not_tried_as_no_client_is_in_its_network(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    stack.configure(app={"internal": True})
    assert stack.rehearsal.up() == 0
    url = stack.outputs()["url"].value
    (line,) = (line for line in capfd.readouterr().out.splitlines() if line.startswith(f"✓  {url} "))
    assert line.endswith("not tried: a private address (--public-only)")


def test_program_without_the_outputs_of_verify_is_not_checked(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: bare\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}\n")
    (tmp_path / "__main__.py").write_text(
        "import pulumi\n"
        "from pulumi_azure_native import resources\n"
        'group = resources.ResourceGroup("group", location="eastus2", resource_group_name="rg-bare")\n'
        'pulumi.export("fleetId", group.id)\n'
    )
    with rehearsing("dev", tmp_path) as rehearsal:
        assert rehearsal.up() == 0
    text = capfd.readouterr().out
    assert "Not checked: the stack lacks outputs that `verify` reads (clusterIds, entryAddresses, entryServices" in text
    assert "✓" not in text
    assert "✗" not in text
    assert "not checked" in (tmp_path / ".rehearsal" / "dev" / "report.html").read_text()
