"""An API server's checks of any object's size and syntax: limits, labels, keys, ports.

Texts: as kube-apiserver v1.36.3 answers such objects. Rules: Kubernetes v1.36, pkg/apis/core/validation/validation.go;
apimachinery v0.36, pkg/api/validation/objectmeta.go and pkg/api/validate/content/kube.go.
"""

import base64
import json
import re
from collections.abc import Iterator
from typing import Final

from rehearsal.cluster.kinds import Kind
from rehearsal.cluster.objects import Object, annotations_of, child, labels_of, name_of
from rehearsal.core.errors import ApiError

_REQUEST: Final = 3 * 1024 * 1024  # bytes (apiserver v0.36, pkg/server/config.go, MaxRequestBodyBytes)
_DATA: Final = 1024 * 1024
_ANNOTATIONS: Final = 256 * 1024
_LABEL: Final = 63
_WORD: Final = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LETTERS: Final = "alphanumeric characters, '-', '_' or '.'"
_ENDS: Final = "and must start and end with an alphanumeric character"


def check(kind: Kind, item: Object) -> None:
    """Refuse an object that no API server accepts.

    Raises:
        ApiError: with the API server's message.
    """
    if len(json.dumps(item)) > _REQUEST:
        raise ApiError("Refused", f"Request entity too large: limit is {_REQUEST}")
    problems = [*_metadata(item)]
    if kind.key in ("ConfigMap", "Secret"):
        problems += _data(kind, item)
    if kind.key == "Service":
        problems += _ports(child(item, "spec"))
    if problems:
        text = problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]"
        raise ApiError("Invalid", f'{kind.key} "{name_of(item)}" is invalid: {text}')


def _metadata(item: Object) -> Iterator[str]:
    for field, entries in (("labels", labels_of(item)), ("annotations", annotations_of(item))):
        for key in entries:
            if not re.fullmatch(_WORD, key.rpartition("/")[2]):
                example = "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                text = f"name part must consist of {_LETTERS}, {_ENDS} {example}'{_WORD}')"
                yield f'metadata.{field}: Invalid value: "{key}": {text}'
    for value in labels_of(item).values():
        if len(value.encode()) > _LABEL:
            yield f'metadata.labels: Invalid value: "{value}": must be no more than {_LABEL} bytes'
        if not re.fullmatch(f"({_WORD})?", value):
            example = "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
            text = f"a valid label must be an empty string or consist of {_LETTERS}, {_ENDS} {example}'({_WORD})?')"
            yield f'metadata.labels: Invalid value: "{value}": {text}'
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations_of(item).items())
    if size > _ANNOTATIONS:
        yield f"metadata.annotations: Too long: may not be more than {_ANNOTATIONS} bytes"


def _data(kind: Kind, item: Object) -> Iterator[str]:
    plain, binary = ("data", "binaryData") if kind.key == "ConfigMap" else ("stringData", "data")
    for field in (plain, binary):
        for key in child(item, field):
            if not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
                example = "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is"
                text = f"a valid config key must consist of {_LETTERS} {example} '[-._a-zA-Z0-9]+')"
                yield f'{field}[{key}]: Invalid value: "{key}": {text}'
    size = sum(len(value.encode()) for value in child(item, plain).values())
    size += sum(len(_decoded(kind, value)) for value in child(item, binary).values())
    if size > _DATA:
        yield f"{'[]' if kind.key == 'ConfigMap' else 'data'}: Too long: may not be more than {_DATA} bytes"


def _decoded(kind: Kind, value: str) -> bytes:
    text = "".join(value.splitlines())
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        wrong = re.search(r"[^A-Za-z0-9+/]", text)
        place = wrong.start() if wrong else len(text)
        problem = f"illegal base64 data at input byte {place}"
        raise ApiError(
            "Refused", f'{kind.name} in version "v1" cannot be handled as a {kind.name}: {problem}'
        ) from None


def _ports(spec: Object) -> Iterator[str]:
    ports: list[Object] = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield "spec.ports: Required value"
    for number, port in enumerate(ports):
        if len(ports) > 1 and not port.get("name"):
            yield f"spec.ports[{number}].name: Required value"
