"""`make fuzz`: coverage-guided fuzzing of every reader, some seconds each; `make fuzz SECONDS_EACH=3600` for longer.

What it finds stays in target/fuzz: the inputs that reached new code, which the next run starts from, and those that
broke something, with the line that runs them again.
"""

import os
import platform
import shlex
import sys

import tools
from steps import ROOT, TARGET, Counts, StepFailed, run, say

CRATE = ROOT / "plugin-sdk/llm/fuzz"
FOUND = TARGET / "fuzz"
HOST = f"{platform.machine()}-unknown-linux-gnu"
# LLVM's coverage pass, which the stable compiler has too; the sanitizers are what would need another one.
FLAGS = [
    "--cfg", "fuzzing", "-Cpasses=sancov-module", "-Ccodegen-units=1", "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters", "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
]
# No input of a few KiB takes longer than a fraction of this, unless something is quadratic.
LONGEST_INPUT_S = 5


def fuzz(seconds: int) -> Counts:
    """Every target for so long; one that breaks ends the run."""
    built = ["cargo", "build", "--release", "--locked", "--quiet", "--target", HOST, "--target-dir", FOUND / "build"]
    run(built, cwd=CRATE, env={"RUSTFLAGS": shlex.join(FLAGS)})
    targets = sorted(path.stem for path in (CRATE / "targets").glob("*.rs"))
    for target in targets:
        fuzz_one(target, seconds)
    return Counts(passed=len(targets))


def fuzz_one(target: str, seconds: int) -> None:
    corpus, broken = FOUND / "corpus" / target, FOUND / "broken"
    corpus.mkdir(parents=True, exist_ok=True)
    broken.mkdir(parents=True, exist_ok=True)
    program = FOUND / "build" / HOST / "release" / target
    seeds = [path for path in [CRATE / "seeds" / target] if path.is_dir()]
    options = [
        f"-max_total_time={seconds}", f"-timeout={LONGEST_INPUT_S}", f"-dict={CRATE / 'dictionary.txt'}",
        f"-artifact_prefix={broken}/{target}-", "-print_final_stats=1", "-verbosity=0",
    ]
    try:
        text = run([program, corpus, *seeds, *options], log=f"fuzz-{target}", show=False)
    except StepFailed as failure:
        raise StepFailed(f"{failure}\nrun it again with: {program} {broken}/{target}-<the file named above>") from None
    # A build without coverage runs millions of inputs and finds nothing.
    if len(list(corpus.iterdir())) < 2:
        raise StepFailed(f"{target} found no way through the code: is it instrumented?")
    inputs = next((line for line in text.splitlines() if "number_of_executed_units" in line), "").split()[-1:]
    say(f"{target}: {''.join(inputs)} inputs, {len(list(corpus.iterdir()))} ways through the code")


def main() -> int:
    try:
        tools.for_building()
        fuzz(int(os.environ.get("SECONDS_EACH", "60")))
    except StepFailed as failure:
        say(f"make fuzz: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
