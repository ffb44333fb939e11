"""What a machine needs to build and test Penstock: finds it, installs it where that is ours to do, else says how.

Everything that is installed lies under target/, except the wasm target (rustup's own place) and Debian packages, which
are installed as root only.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from steps import ROOT, TARGET, StepFailed, run, say

WASM = "wasm32-unknown-unknown"
TOOLS = TARGET / "tools"
VENV = TARGET / "venv"
NODE = TARGET / "node"
CLIENTS = ROOT / "proxy/tests/clients"
CARGO_DENY = "0.20.2"
# The newest in Debian 12.
DEBIANS_LLVM = "llvm-19"


def for_building() -> None:
    """A Rust toolchain, a C compiler and CMake (zlib-ng, zstd and ring are built from source), the wasm target."""
    if shutil.which("cargo") is None:
        raise StepFailed("cargo is missing: install Rust 1.95 or newer from https://rustup.rs, then open a new shell")
    debian({"cc": "build-essential", "make": "build-essential", "cmake": "cmake"})
    wasm_target()


def for_testing() -> None:
    """What the client tests add: SDKs of Python and of Node, at the versions the repository names."""
    debian({"node": "nodejs", "npm": "npm"})
    python_packages()
    node_packages()


def debian(packages: dict) -> None:
    """Installs the package of each command that is missing."""
    missing = sorted({package for command, package in packages.items() if shutil.which(command) is None})
    if missing:
        install(missing)


def install(packages: list) -> None:
    line = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise StepFailed(f"missing: {', '.join(packages)}. Run this line, then try again:\n    sudo {' '.join(line)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], show=False, env=quiet)
    run(line, show=False, env=quiet)


def wasm_target() -> None:
    """Plugins are built for a target that not every toolchain has. `penstock plugin build` uses what is found here."""
    if target_installed():
        return
    if shutil.which("rustup"):
        try:
            run(["rustup", "target", "add", WASM], show=False)
            return
        except StepFailed as failure:
            say(f"{failure}\nrustup cannot add the target: using Debian's own compiler, which comes with its library")
    if not Path("/usr/lib/rustlib/src/rust/library/std").exists():
        install(["rustc-web", "cargo-web", "rust-web-src"])


def target_installed() -> bool:
    shown = subprocess.run(
        ["rustc", "--print", "target-libdir", "--target", WASM], capture_output=True, text=True, cwd=ROOT
    )
    return shown.returncode == 0 and any(Path(shown.stdout.strip()).glob("libstd-*"))


def python_packages() -> None:
    requirements = CLIENTS / "python/requirements.txt"
    if is_current(VENV, requirements):
        return
    if not (VENV / "bin/pip").exists():
        if subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True).returncode != 0:
            install(["python3-venv"])
        run([sys.executable, "-m", "venv", VENV])
    run([VENV / "bin/pip", "install", "--quiet", "--requirement", requirements])
    mark_current(VENV, requirements)


def node_packages() -> None:
    lock = CLIENTS / "node/package-lock.json"
    if is_current(NODE, lock):
        return
    NODE.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(CLIENTS / "node" / name, NODE / name)
    run(["npm", "ci", "--no-audit", "--no-fund"], cwd=NODE)
    mark_current(NODE, lock)


def is_current(folder: Path, wanted: Path) -> bool:
    mark = folder / ".penstock-installed"
    return mark.exists() and mark.read_text() == fingerprint(wanted)


def mark_current(folder: Path, wanted: Path) -> None:
    (folder / ".penstock-installed").write_text(fingerprint(wanted))


def fingerprint(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def profile_reader() -> Path | None:
    """The program that reads what programs of this compiler note about themselves: the toolchain's own, or Debian's."""
    if reader := found_reader():
        return reader
    with contextlib.suppress(StepFailed):
        if shutil.which("rustup"):
            run(["rustup", "component", "add", "llvm-tools"], show=False)
    if found_reader() is None:
        with contextlib.suppress(StepFailed):
            install([DEBIANS_LLVM])
    return found_reader()


def found_reader() -> Path | None:
    sysroot = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, cwd=ROOT).stdout.strip()
    own = sorted(Path(sysroot).glob("lib/rustlib/*/bin/llvm-profdata"))
    # older ones cannot read the notes of this compiler
    debians = shutil.which(DEBIANS_LLVM.replace("llvm", "llvm-profdata"))
    return own[0] if own else Path(debians) if debians else None


def cargo_deny() -> Path:
    """The checker of licences, bans and sources, built once into target/tools."""
    installed = TOOLS / "bin/cargo-deny"
    if not (installed.exists() and version_of(installed) == CARGO_DENY):
        say("building cargo-deny, once: this takes some minutes")
        run(["cargo", "install", "cargo-deny", "--locked", "--version", CARGO_DENY, "--root", TOOLS, "--quiet"])
    return installed


def version_of(program: Path) -> str:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True)
    return shown.stdout.split()[-1] if shown.returncode == 0 and shown.stdout else ""


def main() -> int:
    """`tools.py build` readies the machine for a build; `tools.py cargo-deny` prints where that program is."""
    try:
        if sys.argv[1:] == ["cargo-deny"]:
            with contextlib.redirect_stdout(sys.stderr):
                program = cargo_deny()
            print(program)
        else:
            for_building()
    except StepFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
