"""The stand-in's stored data, and the operations that are running on it."""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import orjson

from rehearsal.core.errors import UnreadableError

_VERSION = 1  # of the file; older files have none


class Store:
    """Plain JSON in named sections, written to one file after each change.

    Without a path, it is in memory only. All access goes through `transaction`.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._written = b""
        self._sections: dict[str, dict[str, Any]] = _read(path) if path and path.exists() else {}

    def section(self, name: str) -> dict[str, Any]:
        """Return one section. Read and change it inside a `transaction` only."""
        return self._sections.setdefault(name, {})

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Lock the store, and write the file at the end, even after an error, as a cloud keeps half-done work."""
        with self._lock:
            try:
                yield
            finally:
                self._write()

    def _write(self) -> None:
        # The file is replaced as a whole: a kill at any moment leaves the old state or the new one.
        # It holds kubeconfigs and passwords, hence its mode.
        if self._path is None or (content := orjson.dumps({"version": _VERSION, **self._sections})) == self._written:
            return
        draft = self._path.with_suffix(".new")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(draft)) from None  # a full disk's error has no file name
        draft.replace(self._path)
        self._written = content


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content: object = orjson.loads(path.read_bytes())
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise UnreadableError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise UnreadableError(f"{path} cannot be read: it is not a JSON object")
    sections = cast("dict[str, Any]", content)
    version = sections.pop("version", _VERSION)
    if version != _VERSION:
        raise UnreadableError(f"{path} cannot be read: it has version {version}, and this rehearsal writes {_VERSION}")
    for name, section in sections.items():
        if not isinstance(section, dict):
            raise UnreadableError(f"{path} cannot be read: {name} is not a JSON object")
    return sections


class Activity:
    """The running operations, so that a wait can tell "not yet" from "never".

    A wait on Azure ends at its timeout. Here it can end earlier: if no other operation runs or starts for
    `idle_seconds`, nothing will change any more.
    """

    def __init__(self, idle_seconds: float = 3.0) -> None:
        self._idle_seconds = idle_seconds
        self._condition = threading.Condition()
        self._running = 0
        self._waiting = 0
        self._finished = 0

    @contextmanager
    def operation(self) -> Generator[None]:
        """Count an operation as running, until the end of the block."""
        with self._condition:
            self._running += 1
            self._condition.notify_all()
        try:
            yield
        finally:
            with self._condition:
                self._running -= 1
                self._finished += 1
                self._condition.notify_all()

    def wait_for_others(self) -> bool:
        """Wait, inside an operation, until another one ends; return False if none is left."""
        with self._condition:
            seen = self._finished
            self._waiting += 1
            self._condition.notify_all()
            try:
                while True:
                    if self._condition.wait_for(lambda: self._finished != seen, self._idle_seconds):
                        return True
                    if self._running <= self._waiting:
                        return False
            finally:
                self._waiting -= 1
