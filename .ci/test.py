"""`make test`: installs what the tests need, builds, and runs every test there is. The steps, in their order."""

import os
import shutil
import sys

import fuzz
import plugins
import readme
import smoke
import tools
from steps import ROOT, Counts, Report, attach, counted, run, run_tests

SHARED = ROOT.parent / "shared"
# The same selection everywhere, so that features are the same and nothing is built twice.
WORKSPACE = ["--release", "--workspace", "--locked"]
# The reader of documents is a program of its own, of which nothing is linked into the gateway.
DOCUMENTS = ["--release", "--locked", "--manifest-path", "proxy/documents/Cargo.toml", "--target-dir", "target/documents"]

# Enough to find what a change broke at once; `make fuzz` looks longer.
FUZZ_S = 10


def main() -> None:
    if (SHARED / "recordings").is_dir():
        os.environ["PENSTOCK_REQUIRE_SHARED"] = "1"
    report = Report()
    report.step("tools", lambda: (tools.for_building(), tools.for_testing()) and None)
    report.step("build", build)
    report.step("reader of documents", documents)
    report.step("plugins", plugins.build_all)
    report.step("rust tests", rust_tests)
    report.step("rust documentation tests", doc_tests)
    report.step("fuzzing", lambda: fuzz.fuzz(FUZZ_S))
    report.step("plugin cases", plugins.cases)
    report.step("plugins build the same twice", plugins.reproducible)
    report.step("plugin guide", lambda: readme.run_blocks(ROOT / "plugin-sdk/rust/README.md"))
    report.step("configurations in README.md", lambda: readme.check_configurations(ROOT / "README.md"))
    report.step("python client", python_client)
    report.step("node client", node_client)
    report.step("make run", smoke.works_as_printed)
    report.step("deploy", deploy)
    report.step("scripts", scripts)
    report.finish()


def build() -> None:
    """Everything that the tests start or link, once."""
    attach(["cargo", "build", *WORKSPACE, "--bins", "--tests"])


def documents() -> Counts:
    attach(["cargo", "build", *DOCUMENTS])
    return run_tests(["cargo", "test", *DOCUMENTS], log="documents")


def rust_tests() -> Counts:
    """Those marked as slow or as a measurement too: a test that nobody runs tells nothing."""
    if shutil.which("cargo-nextest"):
        options = ["--run-ignored", "all", "--no-fail-fast", *told_skips()]
        return run_tests(["cargo", "nextest", "run", *WORKSPACE, *options], log="rust")
    return run_tests(["cargo", "test", *WORKSPACE, "--tests", "--no-fail-fast", "--", "--include-ignored"], log="rust")


def told_skips() -> list:
    """Without the recordings tests skip, and say so: nextest hides what a passing test prints unless told."""
    return [] if "PENSTOCK_REQUIRE_SHARED" in os.environ else ["--success-output", "immediate"]


def doc_tests() -> Counts:
    """Nextest runs none of them; a workspace may have none."""
    return counted(run(["cargo", "test", *WORKSPACE, "--doc"], log="rust-doc"))


def python_client() -> Counts:
    command = [tools.VENV / "bin/pytest", "-q", "-p", "no:cacheprovider", tools.CLIENTS / "python"]
    return run_tests(command, log="python-client", env={"PYTHONDONTWRITEBYTECODE": "1"})


def node_client() -> Counts:
    files = sorted((tools.CLIENTS / "node").glob("*.test.mjs"))
    command = ["node", "--test", "--test-reporter=spec", *files]
    env = {"PENSTOCK_NODE": str(tools.NODE), "PENSTOCK_PYTHON": sys.executable}
    return run_tests(command, log="node-client", env=env)


def deploy() -> Counts:
    """What is deployed names only metrics, settings and files that exist."""
    run([sys.executable, ROOT / "deploy/lint.py"], log="deploy")
    return Counts(passed=1)


def scripts() -> Counts:
    """The tests of the scripts that build and measure."""
    files = [ROOT / ".ci/test_steps.py", ROOT / "benches/harness/test_harness.py"]
    return run_tests([tools.VENV / "bin/pytest", "-q", "-p", "no:cacheprovider", *files], log="scripts")


if __name__ == "__main__":
    main()
