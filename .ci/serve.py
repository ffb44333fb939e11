"""`make run`: builds Penstock and its plugins, starts it in front of the mock provider, shows how to call it.

Ctrl-C stops both. What cannot be built or started is said in one line, with the line that mends it. With `--built` it
takes the programs as they are: `make test` has just built them, together with the tests.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import plugins
import tools
from steps import ROOT, TARGET, StepFailed, attach, say

GATEWAY, ADMIN, PROVIDER = ("127.0.0.1", 8080), ("127.0.0.1", 9090), ("127.0.0.1", 8081)
# The start takes a fraction of a second; a machine that needs more than this has another problem.
READY_WITHIN_S = 30.0
# What a stream may take to end after Ctrl-C.
STOP_WITHIN_S = 10.0
# What is known of real providers: the default configuration serves those whose key is in the environment.
PROVIDER_KINDS = ROOT / "policies/providers"

INVITATION = """
Penstock serves http://127.0.0.1:8080 (metrics: http://127.0.0.1:9090/metrics). Paste one of these in another terminal.

An answer, and a stream:

curl -s http://127.0.0.1:8080/v1/chat/completions -H 'authorization: Bearer sk-penstock-demo' -H 'content-type: application/json' -d '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'
curl -sN http://127.0.0.1:8080/v1/chat/completions -H 'authorization: Bearer sk-penstock-demo' -H 'content-type: application/json' -d '{"model": "gpt-4o-mini", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'

The same with Python and nothing else:

python3 - <<'EOF'
import json, urllib.request

def ask(**options):
    body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}], **options}
    request = urllib.request.Request("http://127.0.0.1:8080/v1/chat/completions", json.dumps(body).encode())
    request.add_header("authorization", "Bearer sk-penstock-demo")
    request.add_header("content-type", "application/json")
    return urllib.request.urlopen(request)

print(json.load(ask())["choices"][0]["message"]["content"])
for line in ask(stream=True):
    if line.startswith(b"data: {"):
        print(json.loads(line[6:])["choices"][0]["delta"].get("content") or "", end="", flush=True)
print()
EOF

With OpenAI's SDK (pip install openai), only the base URL changes:

    client = openai.OpenAI(base_url="http://127.0.0.1:8080/v1", api_key="sk-penstock-demo")
"""


def main() -> int:
    started = time.monotonic()
    # A shell that starts this in the background makes it deaf to Ctrl-C, and so would be the servers' owner.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        for address in (GATEWAY, ADMIN, PROVIDER):
            refuse_taken(address)
        if "--built" not in sys.argv[1:]:
            build()
        processes = start()
    except StepFailed as failure:
        say(f"make run: {failure}")
        return 1
    except KeyboardInterrupt:
        say("\nmake run: stopped")
        return 1
    say(INVITATION)
    say(provider_line())
    say(f"ready after {time.monotonic() - started:.1f} s. Ctrl-C stops it.")
    return wait(processes)


def refuse_taken(address) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as taken:
            raise StepFailed(f"{address[0]}:{address[1]} is in use by another program: stop that first") from taken


def build() -> None:
    tools.for_building()
    # One small test with them: without any, dependencies have other features than in `make test`, and going from one to
    # the other builds most of them anew.
    attach(["cargo", "build", "--release", "--workspace", "--bins", "--test", "wire", "--locked"])
    plugins.build_all()


def start() -> list:
    """Both processes, once both answer. They are not in this terminal's group: Ctrl-C reaches them through us."""
    processes = []
    try:
        for program, *arguments in (
            ("mock-provider", "--listen", "%s:%d" % PROVIDER),
            ("penstock", "run"),
        ):
            command = [TARGET / "release" / program, *arguments]
            processes.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, start_new_session=True))
        wait_ready(processes, "http://%s:%d/__mock/health" % PROVIDER)
        wait_ready(processes, "http://%s:%d/readyz" % ADMIN)
    except BaseException:
        stop(processes)
        raise
    return processes


def wait_ready(processes: list, url: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError) as failure:
            gone = [process for process in processes if process.poll() is not None]
            if gone or time.monotonic() > deadline:
                raise StepFailed(f"{url} does not answer: {failure}") from failure
            time.sleep(0.02)


def provider_line() -> str:
    present = sorted(name for name in known_keys() if os.environ.get(name))
    if present:
        return f"Real providers are served too, with the keys in {', '.join(present)}: see GET /v1/models."
    return (
        "Nothing here needs a key. With OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY, GROQ_API_KEY or another "
        "key of policies/providers set, `make run` serves openai/*, anthropic/*, gemini/*, groq/* too."
    )


def known_keys() -> set:
    """The environment variables that kinds of providers say they have their key in: `key: [GROQ_API_KEY]`."""
    lines = (re.search(r"^key: \[(.*)\]$", path.read_text(), re.M) for path in PROVIDER_KINDS.glob("*.yaml"))
    return {name for line in lines if line for name in line[1].split(", ")}


def wait(processes: list) -> int:
    """Until Ctrl-C, or until one of the two ends by itself."""
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.2)
        say("make run: a program has ended by itself")
        return 1
    except (KeyboardInterrupt, SystemExit):
        say("\nstopping")
        return 0
    finally:
        stop(processes)


def stop(processes: list) -> None:
    """The gateway first: it lets go of the provider."""
    for process in reversed(processes):
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()


if __name__ == "__main__":
    sys.exit(main())
