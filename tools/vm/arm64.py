"""
The root, the callers and the Python environment of an arm64 guest.

The root is Debian's, only unpacked: no program of it runs on this machine. What pip
put into `.venv` here is copied for it without the compiled parts.
"""

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

from tools.harness import compiled
from tools.vm.apt import Mirror, run_command, settings_of_machine
from tools.vm.shares import Share


SUITE = "trixie"
PACKAGES = (
    "base-files",
    "base-passwd",
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "fatrace",
    "findutils",
    "grep",
    "inotify-tools",
    "libc-bin",
    "mount",
    "procps",
    "python3",
    "python3-bpfcc",
    "sed",
    "strace",
    "stress-ng",
    "util-linux",
    # Compiled, so not to be had from .venv:
    "python3-bcrypt",
    "python3-tornado",
    "python3-yaml",
)
# Of this machine, but not installed: Debian's gcc-multilib conflicts with them.
COMPILERS = (
    "base-files",
    "gcc-aarch64-linux-gnu",
    "gcc-arm-linux-gnueabihf",
    "libc6-dev-arm64-cross",
    "libc6-dev-armhf-cross",
)
BYTECODE = "/run/bytecode"
# Unpacking leaves undone what Debian does at installation.
PRELUDE = f"""\
ldconfig
ln -sf /proc/self/mounts /etc/mtab
cp /usr/share/base-passwd/passwd.master /etc/passwd
cp /usr/share/base-passwd/group.master /etc/group
export PYTHONPYCACHEPREFIX={BYTECODE}
"""


def root(cache: Path, mirror: Mirror) -> Path:
    """Return a folder with the root file system, made if it is not in *cache*."""
    return unpacked(cache / "arm64", PACKAGES, mirror, "--architectures=arm64")


def compile_callers(cache: Path, mirror: Mirror) -> None:
    """Compile caller.c for the guest, where gcc would take long."""
    compilers = unpacked(cache / "compilers", COMPILERS, mirror)
    for machine, system in (("aarch64", "linux-gnu"), ("arm", "linux-gnueabihf")):
        gcc = ("chroot", str(compilers), f"{machine}-{system}-gcc")
        compiled.program(machine, gcc, compilers)


def unpacked(
    folder: Path, packages: Sequence[str], mirror: Mirror, *options: str
) -> Path:
    """Return a folder with *packages* and all that they need, made if not there."""
    version = hashlib.sha256("\n".join((SUITE, *packages)).encode()).hexdigest()[:8]
    root = folder / f"root-{version}"
    if root.exists():
        return root
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = folder / "apt.conf"
    settings.write_text(settings_of_machine())
    unfinished = root.with_suffix(".new")
    command = [
        *("mmdebstrap", "--mode=root", "--variant=extract", *options),
        *(f"--include={','.join(packages)}", f"--aptopt={settings}"),
        *(SUITE, str(unfinished), mirror.source(SUITE)),
    ]
    run_command(command)
    return unfinished.rename(root)


def shares(checkout: Path, root: Path) -> tuple[Share, ...]:
    """Return what the guest sees of this machine besides its *root*."""
    venv = root.with_name("venv")
    copy_venv(checkout / ".venv", root, venv)
    bytecode = root.with_name("bytecode")  # there for the next run: compiling is slow
    bytecode.mkdir(exist_ok=True)
    return (
        Share("checkout", checkout, str(checkout)),
        Share("venv", venv, str(checkout / ".venv")),
        Share("bytecode", bytecode, BYTECODE, writable=True),
    )


def copy_venv(source: Path, root: Path, copy: Path) -> None:
    """Make *copy* the environment *source*, for the Python and packages of *root*."""
    shutil.rmtree(copy, ignore_errors=True)
    (copy / "bin").mkdir(parents=True)
    shutil.copy(source / "pyvenv.cfg", copy)
    python = (root / "usr/bin/python3").readlink().name
    for program in (source / "bin").iterdir():
        if program.name.startswith("python"):
            (copy / "bin" / program.name).symlink_to("/usr/bin/python3")
        elif program.read_bytes().startswith(b"#!"):
            shutil.copy(program, copy / "bin")
    packages = next((source / "lib").glob("python3*/site-packages"))
    _copy_packages(
        packages,
        copy / "lib" / python / "site-packages",
        root / "usr/lib/python3/dist-packages",
    )


def _copy_packages(source: Path, copy: Path, instead: Path) -> None:
    """Copy *source* without compiled files, and without what *instead* has of it."""
    compiled = {path.relative_to(source).parts[0] for path in source.rglob("*.so*")}
    replaced = {name for name in compiled if (instead / name).exists()}

    def left_out(folder: str, names: list[str]) -> set[str]:
        is_top = Path(folder) == source
        return {
            name
            for name in names
            if name == "__pycache__"
            or ".so" in Path(name).suffixes
            or (is_top and name.partition("-")[0] in replaced)
        }

    shutil.copytree(source, copy, ignore=left_out)
