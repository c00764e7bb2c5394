"""Quantities in the form in which an API server keeps them."""

from typing import Any

import pytest

from rehearsal.cluster.objects import Object
from rehearsal.cluster.quantities import canonical
from rehearsal.core.errors import ApiError
from rehearsal.tests.objects import USER, deployment, get, new_fleet, new_object


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1000m", "1"),
        ("100m", "100m"),
        ("0.5", "500m"),
        (0.1, "100m"),
        (2, "2"),
        ("1000", "1k"),
        ("2048", "2048"),
        ("1000000k", "1G"),
        ("1024Mi", "1Gi"),
        ("1000Mi", "1000Mi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1e3", "1e3"),
        ("1500e0", "1500e0"),
        ("12e4", "120e3"),
        ("1E", "1E"),
        ("0Gi", "0"),
        ("0.1n", "1n"),
        ("-1500m", "-1500m"),
    ],
)
def test_quantity_is_a_whole_number_with_the_largest_suffix(written: str | float, kept: str) -> None:
    assert canonical(written) == kept


def _with_cpu(value: Any) -> Object:  # noqa: ANN401 - JSON
    item = deployment()
    item["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"cpu": value}}
    return item


def test_api_server_keeps_the_canonical_form() -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    east.create(_with_cpu("1000m"), user=USER)
    container = get(east, deployment())["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"] == {"requests": {"cpu": "1"}}
    # Written the other way it is the same: no new generation, no new pods.
    assert east.apply(_with_cpu("1"), user=USER)["metadata"]["generation"] == 1


def test_what_is_no_quantity_is_refused() -> None:
    _, _, east, _ = new_fleet()
    east.create(new_object("v1", "Namespace", "shop"))
    with pytest.raises(ApiError, match="cannot be handled as a Deployment: quantities must match"):
        east.create(_with_cpu("1 core"), user=USER)
