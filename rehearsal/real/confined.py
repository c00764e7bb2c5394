"""Becomes a container: `unshare --mount python -m rehearsal.real.confined <file>`, as root of a user namespace.

The file has, in JSON, the `arguments` for Python, the `environment`, and folders to mount (`mounts`: the path inside,
and the one outside). The container sees Python, these folders, and nothing else of this machine. The program cannot
write anything.
"""

import json
import os
import sys
from pathlib import Path

from rehearsal.real.enclosed import BIND, RECURSIVE, mount

_READ_ONLY, _REMOUNT = 0x1, 0x20  # linux/mount.h
# What Python is linked with.
_SYSTEM = ("/usr", "/bin", "/lib", "/lib64", "/dev")
_HOSTS = "127.0.0.1 localhost kubernetes.default.svc\n"


def main() -> None:
    """Become the container."""
    file = Path(sys.argv[1])
    container = json.loads(file.read_text(encoding="utf-8"))
    python = os.path.realpath(sys.executable)  # without the packages of the virtual environment
    root = file.with_name("root")
    root.mkdir(exist_ok=True)
    mount("none", root, kind="tmpfs")
    for path in (*map(Path, _SYSTEM), Path(sys.base_prefix)):
        inside = root / path.relative_to("/")
        if path.is_symlink():
            inside.symlink_to(path.readlink())
        elif path.exists() and not inside.exists():
            inside.mkdir(parents=True)
            mount(str(path), inside, flags=BIND | RECURSIVE)
    for target, source in container["mounts"].items():
        inside = root / target.removeprefix("/")
        inside.mkdir(parents=True)
        mount(source, inside, flags=BIND)
        mount("none", inside, flags=BIND | _REMOUNT | _READ_ONLY)
    (root / "etc").mkdir()
    (root / "etc" / "hosts").write_text(_HOSTS, encoding="utf-8")
    (root / "etc" / "nsswitch.conf").write_text("hosts: files\n", encoding="utf-8")
    mount("none", root, flags=_REMOUNT | _READ_ONLY)
    os.chroot(root)
    os.chdir("/")
    os.execve(python, [python, *container["arguments"]], container["environment"])  # noqa: S606 - no shell


if __name__ == "__main__":
    main()
