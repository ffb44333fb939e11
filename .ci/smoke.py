"""`make run` as a newcomer does it: starts it, pastes every line that it prints, stops it with Ctrl-C."""

import re
import signal
import subprocess
import sys
import threading
import time

from serve import GATEWAY, STOP_WITHIN_S
from steps import LOGS, ROOT, Counts, StepFailed, say

HELLO = "You said: Hello"
# A start with nothing to build; the promise is a second, the rest is for a busy machine.
START_WITHIN_S = 30.0


def works_as_printed() -> Counts:
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, ROOT / ".ci/serve.py", "--built"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )
    killer = threading.Timer(START_WITHIN_S, process.terminate)
    killer.start()
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("ready after"):
            break
    killer.cancel()
    # Keep its pipe empty, or the gateway's records fill it and everything stands still.
    threading.Thread(target=process.stdout.read, daemon=True).start()
    say(f"`make run` was ready after {time.monotonic() - started:.1f} s")
    try:
        pasted = paste("".join(printed))
    except BaseException:
        process.terminate()
        raise
    stop(process)
    return pasted


def paste(printed: str) -> Counts:
    """Runs the curl lines and the Python snippet word for word; each must bring the mock's answer."""
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / "make-run.log").write_text(printed)
    snippets = re.findall(r"^curl .*$", printed, re.M) + re.findall(r"^python3 - <<'EOF'\n.*?^EOF$", printed, re.M | re.S)
    if len(snippets) != 3:
        raise StepFailed(f"`make run` printed {len(snippets)} snippets, not 3:\n{printed}")
    for snippet in snippets:
        say(f"$ {snippet.splitlines()[0][:100]}")
        shown = subprocess.run(["bash", "-c", snippet], capture_output=True, text=True, timeout=60)
        words = "".join(re.findall(r'"content":\s*"([^"]*)"', shown.stdout)) or shown.stdout
        if HELLO not in words:
            raise StepFailed(f"this line does not work as printed:\n{snippet}\n{shown.stdout}{shown.stderr}")
    return Counts(passed=len(snippets))


def stop(process: subprocess.Popen) -> None:
    """Ctrl-C, as a terminal sends it: both servers must be gone."""
    process.send_signal(signal.SIGINT)
    try:
        code = process.wait(3 * STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise StepFailed("`make run` does not stop at Ctrl-C")
    if code != 0:
        raise StepFailed(f"`make run` ended with {code} at Ctrl-C")
    with_it = subprocess.run(["bash", "-c", f"exec 3<>/dev/tcp/{GATEWAY[0]}/{GATEWAY[1]}"], capture_output=True)
    if with_it.returncode == 0:
        raise StepFailed("the gateway still listens after Ctrl-C")
