"""The plugins of this repository: builds those whose sources changed, tests their cases, checks that builds repeat."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from steps import ROOT, TARGET, Counts, StepFailed, run, run_tests, say

PENSTOCK = TARGET / "release/penstock"
BUILT = TARGET / "plugins"
# What a component is made of besides its own folder.
SHARED_SOURCES = [ROOT / "plugin-sdk/rust", ROOT / "plugin-sdk/wit", ROOT / "Cargo.lock", ROOT / "Cargo.toml"]
# And adapters.
ADAPTER_SOURCES = [ROOT / "plugin-sdk/adapter", ROOT / "plugin-sdk/llm/src"]


def folders() -> list:
    return sorted(path.parent for path in (ROOT / "plugins").glob("*/plugin.yaml"))


def build_all() -> None:
    for folder in folders():
        component = BUILT / f"{folder.name}.wasm"
        more = ADAPTER_SOURCES if folder.name.startswith("adapter-") else []
        if not is_current(component, [folder, PENSTOCK, *SHARED_SOURCES, *more]):
            run([PENSTOCK, "plugin", "build", folder])
            # Cargo leaves the file alone where nothing changed; its age must say that it was looked at.
            os.utime(component)


def is_current(component: Path, sources: list) -> bool:
    """Newer than all that it is made of, as make would ask: a process for each plugin costs more than the answer."""
    if not component.exists():
        return False
    built = component.stat().st_mtime_ns
    return all(changed <= built for source in sources for changed in changes(source))


def changes(path: Path):
    yield path.stat().st_mtime_ns
    if path.is_dir():
        for inner in path.rglob("*"):
            yield inner.stat().st_mtime_ns


def cases() -> Counts:
    return run_tests([PENSTOCK, "plugin", "test", *folders()], log="plugin-cases")


def reproducible() -> Counts:
    """The same sources give the same bytes from another folder, with a target folder of its own."""
    build_all()
    here = digests(ROOT)
    with tempfile.TemporaryDirectory(prefix="penstock-build-") as scratch:
        copy = Path(scratch) / "a/deeper/folder"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns("target", ".git", "node_modules"))
        for folder in folders():
            run([PENSTOCK, "plugin", "build", copy / "plugins" / folder.name], show=False)
        there = digests(copy)
    for name in here:
        say(f"{name} {here[name]} here, {there[name]} there")
    wrong = [name for name in here if there[name] != here[name]]
    if wrong:
        raise StepFailed(f"built from another folder these have other bytes: {', '.join(wrong)}")
    return Counts(passed=len(here))


def digests(root: Path) -> dict:
    built = {folder.name: root / "target/plugins" / f"{folder.name}.wasm" for folder in folders()}
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in built.items()}
