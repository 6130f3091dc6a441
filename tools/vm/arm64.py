"""
The root file system, the callers and the Python environment of an arm64 guest.

The root file system is Debian's, unpacked without running any of its programs. The
packages in `.venv` are copied for the guest without their compiled parts.
"""

import shutil
from pathlib import Path

from tools.harness import compiled
from tools.harness.permission.programs import LISTENER, OPENER, compile_program
from tools.vm.apt import Mirror
from tools.vm.root_folder import unpacked
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
    # Dependencies with compiled parts, which cannot be copied from .venv:
    "python3-bcrypt",
    "python3-tornado",
    "python3-yaml",
)
# Cross compilers for the callers. They run in a chroot, because gcc-multilib, which the
# tests need on amd64, conflicts with them.
COMPILERS = (
    "base-files",
    "gcc-aarch64-linux-gnu",
    "gcc-arm-linux-gnueabihf",
    "libc6-dev-arm64-cross",
    "libc6-dev-armhf-cross",
)
BYTECODE = "/run/bytecode"
# Shell commands in place of the maintainer scripts, which do not run when packages are
# unpacked.
PRELUDE = f"""\
ldconfig
ln -sf /proc/self/mounts /etc/mtab
cp /usr/share/base-passwd/passwd.master /etc/passwd
cp /usr/share/base-passwd/group.master /etc/group
export PYTHONPYCACHEPREFIX={BYTECODE}
"""


def root(cache: Path, mirror: Mirror) -> Path:
    """Return the folder with the root file system; make it if not in *cache*."""
    return unpacked(cache / "arm64", SUITE, PACKAGES, mirror, "--architectures=arm64")


def compile_callers(cache: Path, mirror: Mirror) -> None:
    """Compile the C programs of the tests on this machine, which is faster."""
    compilers = unpacked(cache / "compilers", SUITE, COMPILERS, mirror)
    for machine, system in (("aarch64", "linux-gnu"), ("arm", "linux-gnueabihf")):
        gcc = ("chroot", str(compilers), f"{machine}-{system}-gcc")
        compiled.program(machine, gcc, compilers)
        if machine == "aarch64":
            for name in (LISTENER, OPENER):
                compile_program(name, machine, gcc, compilers)


def shares(checkout: Path, root: Path) -> tuple[Share, ...]:
    """Return the folders of this machine that the guest mounts on its *root*."""
    venv = root.with_name("venv")
    copy_venv(checkout / ".venv", root, venv)
    bytecode = root.with_name("bytecode")  # kept for the next run: compiling is slow
    bytecode.mkdir(exist_ok=True)
    return (
        Share("checkout", checkout, str(checkout)),
        Share("venv", venv, str(checkout / ".venv")),
        Share("bytecode", bytecode, BYTECODE, writable=True),
    )


def copy_venv(source: Path, root: Path, copy: Path) -> None:
    """Copy the environment *source* to *copy*, for Python and packages of *root*."""
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
    """Copy *source* without compiled files and without packages that *instead* has."""
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
