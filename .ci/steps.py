"""Steps of a build: run one, show it, time it, count its tests. Knows nothing of what is built."""

import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "target"
LOGS = TARGET / "test-logs"
# Enough of a failed step to see why without scrolling; the log has the rest.
SHOWN_OF_A_FAILURE = 60


class StepFailed(Exception):
    """A step that did not do what it is for. The text is all that the reader needs."""


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass
class Report:
    """What ran so far, and what it came to."""

    rows: list = field(default_factory=list)

    def step(self, name: str, action) -> None:
        """Runs `action`, which returns its Counts or None; one that raises, fails a test or finds none ends the run."""
        say(f"== {name}")
        started = time.monotonic()
        try:
            counts, why = action() or Counts(), None
        except StepFailed as failure:
            counts, why = Counts(failed=1), str(failure)
        except subprocess.CalledProcessError as failure:
            counts, why = Counts(failed=1), f"{shlex.join(map(str, failure.cmd))} ended with {failure.returncode}"
        self.rows.append((name, counts, time.monotonic() - started))
        say(f"-- {name}: {counts} ({self.rows[-1][2]:.1f} s)\n")
        if why or counts.failed:
            self.finish(f"{name} failed: {why or counts}")

    def finish(self, failure: str | None = None) -> None:
        """Prints the table and the closing line, then ends the process."""
        total = sum((counts for _, counts, _ in self.rows), Counts())
        for name, counts, seconds in self.rows:
            say(f"{seconds:8.1f} s  {name}: {counts}")
        if failure is None and total.skipped and os.environ.get("PENSTOCK_REQUIRE_SHARED") == "1":
            failure = f"{total.skipped} tests were skipped although everything that they need is here"
        if failure:
            say(f"\nFAILED: {failure}")
            total.failed = max(total.failed, 1)
        say(f"{total}")
        sys.exit(1 if failure else 0)


def say(line: str) -> None:
    print(line, flush=True)


def run(command, log: str | None = None, show: bool = True, env: dict | None = None, cwd: Path = ROOT) -> str:
    """Runs a command to its end and returns what it printed; with `log` it is kept in that file too.

    With `show` the output appears as it comes, else only what a failure needs. Raises StepFailed unless it ends well.
    """
    say("$ " + shlex.join(map(str, command)))
    lines = []
    process = subprocess.Popen(
        list(map(str, command)), cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )
    for line in process.stdout:
        lines.append(line)
        if show:
            print(line, end="", flush=True)
    code = process.wait()
    text = "".join(lines)
    if log:
        LOGS.mkdir(parents=True, exist_ok=True)
        (LOGS / f"{log}.log").write_text(text)
    if code != 0:
        shown = "" if show else "".join(lines[-SHOWN_OF_A_FAILURE:])
        where = f", see {LOGS / log}.log" if log else ""
        raise StepFailed(f"{shown}\n{shlex.join(map(str, command))} ended with {code}{where}")
    return text


def attach(command) -> None:
    """Runs a command on this terminal, where it can show its progress. Raises StepFailed unless it ends well."""
    say("$ " + shlex.join(map(str, command)))
    code = subprocess.run(list(map(str, command)), cwd=ROOT, stdin=subprocess.DEVNULL).returncode
    if code != 0:
        raise StepFailed(f"{shlex.join(map(str, command))} ended with {code}, see above")


def run_tests(command, log: str, **options) -> Counts:
    """Runs a test runner and reads its closing lines; one that executed no test has failed."""
    try:
        counts = counted(run(command, log=log, **options))
    except StepFailed as failure:
        counts = counted((LOGS / f"{log}.log").read_text())
        counts.failed = max(counts.failed, 1)
        say(f"{failure}")
        return counts
    if counts.passed + counts.failed == 0:
        raise StepFailed(f"{shlex.join(map(str, command))} ran no test")
    return counts


# One pattern per runner for its closing line: cargo test, cargo nextest, node's runner, then pytest and the plain form.
CLOSING_LINES = [
    re.compile(r"^test result: .*?(?P<passed>\d+) passed; (?P<failed>\d+) failed; (?P<skipped>\d+) ignored", re.M),
    re.compile(r"^\s*Summary \[.*?tests? run: (?P<rest>.*)$", re.M),
    re.compile(r"^(?:#|ℹ) (?P<node>(?:pass|fail|skipped|todo|cancelled) \d+)$", re.M),
    re.compile(r"^=* ?(?:[\w-]+: )?(?P<rest>\d+ (?:passed|failed|skipped|error)[^=]*?)(?: in [\d.]+s.*)?=*$", re.M),
]


def counted(text: str) -> Counts:
    """The tests in a runner's output, summed over its closing lines; those that said `skipped: ...` did not pass."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", text)
    for pattern in CLOSING_LINES:
        total = Counts()
        for match in pattern.finditer(text):
            total += read_counts(" ".join(value for value in match.groups() if value), match.groupdict())
        if total.passed or total.failed:
            announced = len(re.findall(r"^\s*skipped: ", text, re.M))
            return total + Counts(passed=-announced, skipped=announced)
    return Counts()


def read_counts(words: str, named: dict) -> Counts:
    if named.get("passed"):
        return Counts(int(named["passed"]), int(named["failed"]), int(named["skipped"]))
    if named.get("node"):
        words = re.sub(r"(\w+) (\d+)", r"\2 \1", words)

    def of(*names):
        return sum(int(n) for n in re.findall(rf"(\d+) (?:{'|'.join(names)})\b", words))

    return Counts(
        of("passed", "pass"), of("failed", "fail", "errors?", "timed out", "cancelled"), of("skipped", "todo", "ignored")
    )
