"""A `kubelogin` for the rehearsed cloud: prints the deployer's token, which all clusters accept as an Entra ID token.

It does not check the deployer's rights; the API servers do (`guard.py`).
"""

import json
import secrets
import shlex
import sys
from pathlib import Path

from rehearsal.azure.login import refusal

_ROOT = Path(__file__).parents[2]
_TOKEN = "deployer"  # noqa: S105 - a file's name


def token(folder: Path) -> str:
    """Return the deployer's token from a folder; create it there in the first run."""
    file = folder / _TOKEN
    if not file.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_hex(32), encoding="utf-8")
        draft.replace(file)
    return file.read_text(encoding="utf-8")


def install(folder: Path) -> Path:
    """Return the folder of a command `kubelogin` that prints the token of a folder."""
    command = folder / "bin" / "kubelogin"
    command.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    here = [sys.executable, "-m", "rehearsal.azure.kubelogin", str((folder / _TOKEN).resolve())]
    text = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(_ROOT))} exec {shlex.join(here)} "$@"\n'
    command.write_text(text, encoding="utf-8")
    command.chmod(0o700)
    return command.parent.resolve()


def main() -> int:
    """Print an ExecCredential; the first argument is the file with the token, the others are kubelogin's."""
    file, *arguments = sys.argv[1:]
    if reason := refusal(arguments):
        sys.stderr.write(f"Error: {reason}\n")
        return 1
    credential = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "kind": "ExecCredential",
        "status": {"token": Path(file).read_text(encoding="utf-8")},
    }
    sys.stdout.write(json.dumps(credential))
    return 0


if __name__ == "__main__":
    sys.exit(main())
