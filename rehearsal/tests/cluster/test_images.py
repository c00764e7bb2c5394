"""Names of images."""

import pytest

from rehearsal.cluster import images


def pod(image: str) -> dict[str, object]:
    return {"spec": {"containers": [{"name": "web", "image": image}]}}


@pytest.mark.parametrize(
    "image",
    [
        *("shop", "shop:1", "ghcr.io/azure-samples/aks-store-demo/store-front:2.2.0", "localhost:5000/a/b__c-d.e:V1_2"),
        f"mcr.microsoft.com/oss/shop@sha256:{'0' * 64}",
        f"Registry.example.com/shop:1@sha256:{'a' * 64}",
    ],
)
def test_valid_name_starts(image: str) -> None:
    assert images.waiting(pod(image)) == []


@pytest.mark.parametrize("image", ["Shop:1", "ghcr.io/Azure/shop", "shop:1:2", "shop@sha256:12", "a//b", "shop:", "-a"])
def test_invalid_name_does_not_start(image: str) -> None:
    (status,) = images.waiting(pod(image))
    assert status["state"]["waiting"]["reason"] == "InvalidImageName"
