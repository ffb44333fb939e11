"""What `make dist` learns from: every load of the benches once, on programs that note which code they run.

`train.py PROGRAMS NOTES`: the folder of the programs, and the one that they leave their notes in.
"""

import os
import sys
from pathlib import Path

import machine
from gateways import Bare, Penstock
from machine import Failed
from main import PLUGINS, Pace, Place, Run, step


def main():
    programs, notes = Path(sys.argv[1]), Path(sys.argv[2])
    place, pace = Place(programs), Pace(quick=True, rounds=1)
    # Notes count calls, not seconds; a program that notes is slower.
    pace.window_s = 3.0
    machine.prepare()
    try:
        build_plugins(place)
        os.environ["LLVM_PROFILE_FILE"] = str(notes / "load-%p.profraw")
        run = Run(place, pace)
        for gateway in (Bare(place), Penstock(place)):
            run.one(noting(gateway, notes), f"train-{gateway.name}")
    except Failed as failure:
        print(f"train.py: {failure}", file=sys.stderr)
        return 1
    finally:
        machine.stop_all()
    for problem in run.problems:
        print(f"train.py: {problem}", file=sys.stderr)
    return 1 if run.problems else 0


def noting(gateway, notes):
    """The same gateway, with notes of its own."""
    plain = gateway.configure
    gateway.configure = lambda *how: ["env", f"LLVM_PROFILE_FILE={notes / gateway.name}-%p.profraw", *plain(*how)]
    return gateway


def build_plugins(place):
    """With the programs themselves; what they run for it is no request's."""
    os.environ["LLVM_PROFILE_FILE"] = "/dev/null"
    for name in PLUGINS:
        if not (place.target / "plugins" / f"{name}.wasm").exists():
            step(place, [place.binary("penstock"), "plugin", "build", f"plugins/{name}"])


if __name__ == "__main__":
    sys.exit(main())
