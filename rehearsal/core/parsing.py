"""Reads YAML files; an error names file, line and problem in one line."""

from pathlib import Path
from typing import Any, cast

import yaml

from rehearsal.core.errors import UnparsableError


def parsed(file: Path, shown: str) -> dict[str, Any]:
    """Return the top-level map of a YAML file.

    Args:
        file: the file.
        shown: its name in messages.

    Raises:
        UnparsableError: the file cannot be read, or is not a map.
    """
    content = b""
    try:
        content = file.read_bytes()
        value: object = yaml.safe_load(content.decode("utf-8-sig"))
    except OSError as error:
        raise UnparsableError(f"{shown}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UnparsableError(f"{shown}:{line}: this is not UTF-8; save the file as UTF-8") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise UnparsableError(f"{shown}:{line}: {error.problem or error.context}") from None
    except yaml.reader.ReaderError as error:
        line = content.decode("utf-8-sig")[: error.position].count("\n") + 1
        raise UnparsableError(f"{shown}:{line}: {error.reason}") from None
    if not isinstance(value, dict):
        raise UnparsableError(f"{shown}:1: this is not a map of keys and values")
    return cast("dict[str, Any]", value)
