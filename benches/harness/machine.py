"""The machine and the processes on it: free ports, pinned children that are always ended, what to write beside figures."""

import datetime
import os
import platform
import resource
import signal
import socket
import subprocess
import time

# The gateway has a core for itself; the provider and the load share the other.
GATEWAY_CORE, LOAD_CORE = 0, 1
# 500 held streams are 1000 descriptors in a gateway.
OPEN_FILES = 16384

_children = []


class Failed(Exception):
    """The run cannot go on; the text says why."""


def prepare():
    """Raises the limit on open files and makes every signal end the children too."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: _interrupted())
    signal.signal(signal.SIGALRM, lambda *_: _late())


def _interrupted():
    raise Failed("interrupted")


def _late():
    raise Failed("the run took longer than it may")


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]


def pinned(core, command):
    """The command on one core, where there are two to choose from."""
    return command if os.cpu_count() < 2 else ["taskset", "-c", str(core), *command]


def start(core, command, log):
    """Starts a child in a process group of its own; its output goes to the file `log`."""
    with open(log, "ab") as output:
        child = subprocess.Popen(
            pinned(core, [str(part) for part in command]),
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )
    _children.append(child)
    return child


def stop(child, ask=signal.SIGTERM, patience_s=10.0):
    """Ends a child and its group. What does not end when asked is killed."""
    if child.poll() is None:
        _signal_group(child, ask)
        try:
            child.wait(patience_s)
        except subprocess.TimeoutExpired:
            pass
    # The group may outlive its first process.
    _signal_group(child, signal.SIGKILL)
    child.wait()
    if child in _children:
        _children.remove(child)


def stop_all():
    for child in list(_children):
        stop(child, patience_s=1.0)


def _signal_group(child, number):
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


def wait_until(what, child, log, ready, patience_s=20.0):
    """Polls `ready` closely; fails with the end of the child's log if it ends or is not ready in time."""
    deadline = time.monotonic() + patience_s
    while not ready():
        if child.poll() is not None or time.monotonic() > deadline:
            raise Failed(f"{what} does not serve:\n{tail(log)}")
        time.sleep(0.002)


def tail(log, lines=15):
    with open(log, errors="replace") as text:
        return "".join(text.readlines()[-lines:])


def describe(root):
    """What a reader of the figures has to know about where they come from."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=root, capture_output=True, text=True)
    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def _cpu_model():
    with open("/proc/cpuinfo") as info:
        models = [line.split(":", 1)[1].strip() for line in info if line.startswith("model name")]
    return models[0] if models else platform.machine()
