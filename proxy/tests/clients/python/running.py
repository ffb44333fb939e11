"""A gateway that runs for tests: its process and those beside it, its records, and that there is one for each call."""

import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
RELEASE = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
PLUGINS = Path(os.environ.get("PENSTOCK_PLUGINS", ROOT / "target/plugins"))
KEY = "sk-tests-0123456789"
# Far longer than anything here takes; a test that waits for it has failed.
PATIENCE_S = 20.0


class Running:
    """Programs that were started in a folder, with their logs and the gateway's records; `close` ends them."""

    def __init__(self, folder: Path):
        self.folder, self.processes = folder, []
        self.settled, self.log = 0, folder / "records.jsonl"
        self.read, self.read_bytes = [], 0
        (folder / "key").write_text(KEY)

    def run_gateway(self, configuration: str, admin: str) -> None:
        config = self.folder / "penstock.yaml"
        config.write_text(configuration)
        self.start("penstock", "run", "--config", str(config))
        self.wait_for(f"http://{admin}/readyz")

    def start(self, program: str, *arguments: str) -> None:
        with open(self.folder / f"{program}.log", "wb") as log:
            started = subprocess.Popen(
                [RELEASE / program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self.processes.append(started)

    def wait_for(self, url: str) -> None:
        def answers() -> bool:
            self.check_running()
            try:
                return urllib.request.urlopen(url, timeout=1).status == 200
            except (urllib.error.URLError, OSError):
                return False

        wait_until(answers, lambda: f"{url} does not answer:\n{self.logs()}")

    def check_running(self) -> None:
        for process in self.processes:
            assert process.poll() is None, f"{process.args} ended with {process.poll()}:\n{self.logs()}"

    def logs(self) -> str:
        return "\n".join(f"--- {path.name}\n{path.read_text()[-4000:]}" for path in self.folder.glob("*.log"))

    def close(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(PATIENCE_S)
        assert len(self.records()) == self.settled, "a call has more than one record"

    def take_records(self, calls: int) -> list:
        """The records since the last time: exactly one for each call."""
        wait_until(
            lambda: len(self.records()) >= self.settled + calls,
            lambda: f"{calls} calls, but these records: {self.records()[self.settled :]}\n{self.logs()}",
        )
        records = self.records()[self.settled :]
        self.settled += len(records)
        assert len(records) == calls, f"{calls} calls, but {len(records)} records: {records}"
        assert len({record["id"] for record in records}) == calls
        return records

    def records(self) -> list:
        """All of them; what was read before is not read again."""
        if self.log.exists():
            with self.log.open("rb") as log:
                log.seek(self.read_bytes)
                # A line that is still being written is none yet.
                lines = log.read().split(b"\n")[:-1]
            self.read_bytes += sum(len(line) + 1 for line in lines)
            self.read += map(json.loads, lines)
        return self.read


def wait_until(fact, otherwise) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
