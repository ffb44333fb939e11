"""`benches/run.sh`: builds, measures every gateway in interleaved rounds, checks Penstock's records, prints the lines.

Fails on any failed request, and unless all six plugins decided about every request that Penstock served.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import figures
import machine
import records
from gateways import KEY, Bare, Nginx, Penstock, Serving, answers
from machine import Failed

PLUGINS = ["prompt-decorator", "guard-secrets", "route-balance"]


class Pace:
    """How much is measured. A whole run is bounded, so that it can stand in CI."""

    def __init__(self, quick, rounds):
        self.rounds = rounds or (2 if quick else 5)
        self.warm_up_s = 0.3 if quick else 1.0
        self.window_s = 1.5 if quick else 5.0
        self.held_streams = 500
        self.limit_s = 90 if quick else 900


class Place:
    """Where things are. What is measured is what is shipped, by the same optimiser for bare Pingora."""

    def __init__(self, programs=None):
        self.root = Path(__file__).resolve().parents[2]
        self.target = self.root / "target"
        self.programs = programs or self.target / "shipped"
        self.scratch = self.target / "bench"
        self.scratch.mkdir(parents=True, exist_ok=True)
        for old in self.scratch.glob("records-*.jsonl"):
            old.unlink()
        # The first start of a run compiles the plugins, the others find them compiled.
        shutil.rmtree(self.scratch / "plugin-cache", ignore_errors=True)

    def binary(self, name):
        return self.programs / name


# name of the line, the load generator's arguments
LOADS = [
    ("chat", ["--scenario", "chat", "--connections", "32"]),
    ("sse-isolated", ["--scenario", "sse-isolated", "--connections", "16"]),
    ("sse-flat", ["--scenario", "sse-flat", "--connections", "16"]),
    ("low-rate", ["--scenario", "chat", "--rate", "200"]),
]


class Run:
    def __init__(self, place, pace):
        self.place, self.pace, self.problems = place, pace, []
        log = place.scratch / "mock.log"
        self.provider = machine.free_address()
        command = [place.binary("mock-provider"), "--listen", self.provider, "--keep", "0", "--awake"]
        mock = machine.start(machine.LOAD_CORE, command, log)
        machine.wait_until("mock-provider", mock, log, lambda: answers(self.provider))
        self.mock_pid = mock.pid

    def measure(self, gateways):
        """All rounds: {gateway: {scenario: report}} of each. The order turns, so that none is always first."""
        rounds = []
        for number in range(self.pace.rounds):
            turn = number % len(gateways)
            reports = {"direct": {"low-rate": self.load(self.provider, self.mock_pid, LOADS[-1][1])}}
            for gateway in gateways[turn:] + gateways[:turn]:
                print(f"round {number + 1} of {self.pace.rounds}: {gateway.name}", file=sys.stderr, flush=True)
                reports[gateway.name] = self.one(gateway, f"{gateway.name}-{number}")
            rounds.append(reports)
        return rounds

    def one(self, gateway, run):
        """Every scenario on a fresh process. Memory first, before the allocator has grown for anything else."""
        serving = Serving(gateway, self.provider, run, self.place.scratch / f"{run}.log")
        try:
            hold = ["--scenario", "hold", "--connections", str(self.pace.held_streams)]
            reports = {"live-streams": self.load(serving.address, serving.pid, hold, window_s=0.3)}
            for name, arguments in LOADS:
                reports[name] = self.load(serving.address, serving.pid, arguments)
        finally:
            serving.stop()
        sent = 1 + sum(report["sent"] for report in reports.values())
        reports["startup"] = {"first_200_ms": serving.first_200_ms}
        if isinstance(gateway, Penstock):
            left = records.read(gateway.records(run))
            self.problems += records.problems(left, sent)
            reports["plugins"] = {"us": records.plugin_times(left)}
        return reports

    def load(self, address, pid, arguments, window_s=None):
        window_s = window_s or self.pace.window_s
        command = machine.pinned(machine.LOAD_CORE, [
            str(self.place.binary("loadgen")), "--json", "--address", address, "--pid", str(pid), "--key", KEY, "--awake",
            "--warm-up", str(self.pace.warm_up_s), "--seconds", str(window_s), *arguments,
        ])
        done = subprocess.run(command, capture_output=True, text=True, timeout=window_s + 60)
        try:
            report = json.loads(done.stdout)
        except ValueError:
            raise Failed(f"loadgen: {done.stderr.strip()}") from None
        if report["errors"]:
            self.problems.append(f"{' '.join(arguments)} at {address}: {report['failures']}")
        return report


def build(place, gateways):
    step(place, [sys.executable, place.root / ".ci/dist.py"])
    if "penstock" not in gateways:
        return
    for name in PLUGINS:
        if not (place.target / "plugins" / f"{name}.wasm").exists():
            step(place, [place.binary("penstock"), "plugin", "build", f"plugins/{name}"])


def step(place, command):
    done = subprocess.run([str(part) for part in command], cwd=place.root)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} failed")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/run.sh", description="Measures the gateways beside each other.")
    parser.add_argument("pace", nargs="?", choices=["quick"], help="two short rounds instead of five")
    parser.add_argument("--gateways", default="bare,nginx,penstock", help="which ones; a ratio needs bare")
    parser.add_argument("--rounds", type=int, help="how many")
    parser.add_argument("--no-build", action="store_true", help="measure what was built before")
    return parser.parse_args()


def main():
    asked = arguments()
    names = asked.gateways.split(",")
    place, pace = Place(), Pace(asked.pace == "quick", asked.rounds)
    machine.prepare()
    try:
        if not asked.no_build:
            build(place, names)
        here = machine.describe(place.root)
        started = time.monotonic()
        signal.alarm(pace.limit_s)
        chosen = [gateway for gateway in (Bare(place), Nginx(place), Penstock(place)) if gateway.name in names]
        run = Run(place, pace)
        rounds = run.measure([gateway for gateway in chosen if gateway.is_there()])
        signal.alarm(0)
        found = figures.summary(rounds)
    except (Failed, subprocess.TimeoutExpired) as failure:
        print(f"run.sh: {failure}", file=sys.stderr)
        return 1
    finally:
        machine.stop_all()
    print(figures.text(found))
    here["seconds"] = round(time.monotonic() - started, 1)
    result = {"machine": here, "rounds": pace.rounds, "lines": found, "problems": run.problems}
    (place.root / "benches/results/latest.json").write_text(json.dumps(result, indent=1) + "\n")
    for problem in run.problems:
        print(f"run.sh: {problem}", file=sys.stderr)
    return 1 if run.problems else 0


if __name__ == "__main__":
    sys.exit(main())
