"""`make dist`: the programs as they are shipped, in target/shipped.

They are built to note which code they run, put under the load of the benches, and built again with what was noted. What a
request runs then lies together, and the processor waits less for it. Two builds of the same sources differ a little, as two
loads do. Where nothing can read the notes they are built without, and that is said.
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import tools
from steps import ROOT, TARGET, StepFailed, run, say

SHIPPED = TARGET / "shipped"
WORK = TARGET / "profiled"
NOTES = WORK / "notes"
MERGED = WORK / "merged.profdata"
PROGRAMS = ["penstock", "mock-provider", "bare", "loadgen"]


def main() -> int:
    started = time.monotonic()
    try:
        tools.for_building()
        reader = tools.profile_reader()
        if reader is None:
            say("make dist: no llvm-profdata is to be had (rustup component add llvm-tools): built without a profile")
            ship(build("plain", ""))
        else:
            learn(reader)
            ship(build("final", f"-Cprofile-use={MERGED}"))
    except StepFailed as failure:
        say(f"make dist: {failure}")
        return 1
    say(f"{SHIPPED}: {', '.join(PROGRAMS)} after {time.monotonic() - started:.0f} s")
    return 0


def learn(reader: Path) -> None:
    """What the programs noted under load, in one file."""
    shutil.rmtree(NOTES, ignore_errors=True)
    NOTES.mkdir(parents=True)
    programs = build("noting", f"-Cprofile-generate={NOTES}")
    run([sys.executable, ROOT / "benches/harness/train.py", programs, NOTES], show=False)
    notes = sorted(note for note in NOTES.glob("*.profraw") if note.stat().st_size)
    for gateway in ("bare", "penstock"):
        if not any(note.name.startswith(gateway) for note in notes):
            raise StepFailed(f"{gateway} has noted nothing in {NOTES}")
    run([reader, "merge", "-o", MERGED, *notes], show=False)


def build(name: str, flags: str) -> Path:
    """All programs, built with `flags`, which hold for what runs here alone: build scripts and macros note nothing."""
    target = host()
    command = ["cargo", "build", "--profile", "dist", "--workspace", "--locked", "--bins", "--target", target]
    run([*command, "--target-dir", WORK / name], env={"RUSTFLAGS": flags})
    return WORK / name / target / "dist"


def ship(built: Path) -> None:
    SHIPPED.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        # what runs may not be written over, but a new file may take its name
        shutil.copy2(built / name, SHIPPED / f"{name}.new")
        os.replace(SHIPPED / f"{name}.new", SHIPPED / name)


def host() -> str:
    said = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return next(line.removeprefix("host: ") for line in said.splitlines() if line.startswith("host: "))


if __name__ == "__main__":
    sys.exit(main())
