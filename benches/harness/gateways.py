"""The gateways that are measured: how each is configured, started and asked for its first answer."""

import http.client
import json
import shutil
import signal
import time

import machine

KEY = "sk-bench"


class Bare:
    """Pingora's `ProxyHttp` with nothing added."""

    name = "bare"
    # At once: the other one waits for connections that the load generator keeps, and is killed in the end.
    stop_signal = signal.SIGINT

    def __init__(self, place):
        self.place = place

    def is_there(self):
        return True

    def configure(self, listen, provider, run):
        return [self.place.binary("bare"), listen, provider]


class Nginx:
    """nginx as a plain proxy, where it is installed."""

    name = "nginx"
    stop_signal = signal.SIGTERM

    def __init__(self, place):
        self.place = place
        self.program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

    def is_there(self):
        return self.program is not None

    def configure(self, listen, provider, run):
        config = self.place.scratch / f"nginx-{run}.conf"
        rewrite(self.place.root / "benches/scenarios/nginx.conf", config, {
            "127.0.0.1:18080": listen,
            "127.0.0.1:18001": provider,
            "./target/bench": str(self.place.scratch),
        })
        return [self.program, "-p", self.place.scratch, "-c", config]


class Penstock:
    """The gateway with everything on."""

    name = "penstock"
    stop_signal = signal.SIGTERM

    def __init__(self, place):
        self.place = place

    def is_there(self):
        return True

    def configure(self, listen, provider, run):
        config = self.place.scratch / f"penstock-{run}.yaml"
        rewrite(self.place.root / "benches/scenarios/penstock.yaml", config, {
            "127.0.0.1:18080": listen,
            "127.0.0.1:18090": machine.free_address(),
            "127.0.0.1:18001": provider,
            "../../target/bench/records.jsonl": str(self.records(run)),
            "../../target/plugins": str(self.place.target / "plugins"),
            "../../target/bench/plugin-cache": str(self.place.scratch / "plugin-cache"),
        })
        return [self.place.binary("penstock"), "run", "--config", config]

    def records(self, run):
        return self.place.scratch / f"records-{run}.jsonl"


def rewrite(source, target, replacements):
    """The file with its addresses and paths replaced; each must be there, or the run would measure something else."""
    text = source.read_text()
    for placeholder, value in replacements.items():
        if placeholder not in text:
            raise machine.Failed(f"{source} no longer has {placeholder}")
        text = text.replace(placeholder, value)
    target.write_text(text)


class Serving:
    """A gateway that has answered its first request; `first_200_ms` from the start of its process."""

    def __init__(self, gateway, provider, run, log):
        self.gateway, self.address = gateway, machine.free_address()
        command = gateway.configure(self.address, provider, run)
        started = time.monotonic()
        self.child = machine.start(machine.GATEWAY_CORE, command, log)
        machine.wait_until(gateway.name, self.child, log, lambda: answers(self.address))
        self.first_200_ms = (time.monotonic() - started) * 1000
        self.pid = self.child.pid

    def stop(self):
        machine.stop(self.child, self.gateway.stop_signal)


def answers(address):
    """Whether a chat request gets a 200. Requests before the listener is up are refused by the kernel, not by it."""
    connection = http.client.HTTPConnection(address, timeout=5)
    body = json.dumps({"model": "bench", "messages": [{"role": "user", "content": "Are you there?"}]})
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    try:
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        answer.read()
    except OSError:
        return False
    finally:
        connection.close()
    if answer.status != 200:
        raise machine.Failed(f"{address} answered the first request with {answer.status}")
    return True
