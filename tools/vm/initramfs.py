"""Build the initramfs of a guest: a cpio archive in the `newc` format."""

import lzma
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tools.vm.errors import GuestError
from tools.vm.kernels import Kernel


INIT = Path(__file__).with_name("init.sh")
MODULES = ("virtio_pci", "virtiofs", "overlay")
FOLDERS = ("bin", "dev", "modules", "lower", "upper", "root", "proc", "sys")


def build(kernel: Kernel, busybox: Path, files: Mapping[str, str]) -> bytes:
    """
    Return an initramfs that starts `init.sh` and loads the modules for shares.

    *files* maps the absolute paths of more files to their text.
    """
    entries = [(name, 0o040755, b"") for name in FOLDERS]
    entries += [("bin/busybox", 0o100755, busybox.read_bytes())]
    entries += [("init", 0o100755, INIT.read_bytes())]
    entries += [
        (f"modules/{position:02}-{name}.ko", 0o100644, content)
        for position, (name, content) in enumerate(load_order(kernel, MODULES))
    ]
    entries += [
        (path.removeprefix("/"), 0o100755, text.encode())
        for path, text in files.items()
    ]
    return archive(entries)


def archive(entries: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Return the cpio archive of *entries*: name, mode with file type, content."""
    parts = [
        _entry(number, name, mode, content)
        for number, (name, mode, content) in enumerate(entries, start=1)
    ]
    return b"".join([*parts, _entry(0, "TRAILER!!!", 0, b"")])


def _entry(number: int, name: str, mode: int, content: bytes) -> bytes:
    """
    Return one file of the archive: a header of hexadecimal fields, name and content.

    The fields are inode, mode, uid, gid, links, mtime, size, device numbers (2 + 2),
    size of the name, checksum; see Documentation/driver-api/early-userspace/
    buffer-format.rst in the kernel tree.
    """
    path = name.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(path), 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    return _padded(header + path) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)


def load_order(kernel: Kernel, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """
    Yield name and content of the modules *names*, each after its dependencies.

    A module without a file is built into the kernel, and left out.
    """
    files = {
        path.name.partition(".")[0].replace("-", "_"): path
        for path in kernel.modules.rglob("*.ko*")
    }
    yielded = set[str]()

    def visit(name: str) -> Iterator[tuple[str, bytes]]:
        if name in yielded or name not in files:
            return
        yielded.add(name)
        content = _decompressed(files[name])
        for dependency in dependencies(content):
            yield from visit(dependency)
        yield name, content

    for name in names:
        yield from visit(name)


def dependencies(module: bytes) -> list[str]:
    """Return the module names in the `depends=` field of the .modinfo section."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    names = found[1].decode().split(",") if found else []
    return [name.replace("-", "_") for name in names if name]


def _decompressed(path: Path) -> bytes:
    if path.suffix == ".ko":
        return path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    raise GuestError(f"{path.name}: unknown compression, neither none nor xz")


def host_busybox() -> Path:
    """Return the path of this machine's busybox, which must be a static program."""
    found = shutil.which("busybox")
    if not found:
        raise GuestError(
            "busybox not found: install the packages of tools/packages/vm.txt"
        )
    return Path(found)
