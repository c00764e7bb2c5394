"""Names of images that no container starts from."""

import re
from collections.abc import Sequence
from typing import Final

from rehearsal.cluster.objects import Object

# distribution/reference v0.6.0, regexp.go: a registry, then a path in lower case, then a tag and a digest.
_DOMAIN: Final = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::\d+)?/)?"
_PATH: Final = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_REFERENCE: Final = re.compile(rf"{_DOMAIN}{_PATH}(?::\w[\w.-]{{0,127}})?(?:@[a-z0-9]+:[0-9a-f]{{32,}})?", re.ASCII)


def waiting(pod: Object) -> list[Object]:
    """Return the statuses of a pod's containers if the name of one of their images is invalid; otherwise none.

    The API server takes every name (kubernetes v1.34.1, pkg/apis/core/validation), and the kubelet refuses an invalid
    one before it asks a registry (pkg/kubelet/images/image_manager.go, EnsureImageExists). A rehearsal has no
    registry, so every valid name is that of an image.
    """
    containers: Sequence[Object] = pod["spec"]["containers"]
    if all(_REFERENCE.fullmatch(each.get("image") or "a") for each in containers):
        return []
    return [
        {
            "name": each["name"],
            "image": each["image"],
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": 0,
            "state": {
                "waiting": {"reason": "ContainerCreating"}
                if _REFERENCE.fullmatch(each["image"])
                else {
                    "reason": "InvalidImageName",
                    "message": f'Failed to apply default image tag "{each["image"]}": couldn\'t parse image name '
                    f'"{each["image"]}": invalid reference format',
                }
            },
        }
        for each in containers
    ]
