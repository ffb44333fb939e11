"""In front of the mock one gateway without plugins and one with the chain: every test runs against both, but for those
of the chain. In front of the replay one without plugins and one with a guard."""

import sys
import time
from pathlib import Path

import pytest

# The replay stands beside this folder, for the tests of Node too.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import written  # noqa: E402
from replay_stand import ReplayStand  # noqa: E402
from stand import Stand  # noqa: E402


@pytest.fixture(scope="session")
def plain_stand(tmp_path_factory):
    yield from running(Stand(tmp_path_factory.mktemp("plain"), chain=False))


@pytest.fixture(scope="session")
def chain_stand(tmp_path_factory):
    yield from running(Stand(tmp_path_factory.mktemp("chain"), chain=True))


@pytest.fixture(params=["plain", "chain"])
def stand(request):
    yield from used(request.getfixturevalue(f"{request.param}_stand"))


GUARD = """
plugins:
  - name: secrets
    component: guard-secrets
    settings: {scan: [requests, answers], action: redact, replacement: "[gone]"}
    fail: closed
"""


@pytest.fixture(scope="session")
def shared_replay_stand(tmp_path_factory):
    yield from running(ReplayStand(tmp_path_factory.mktemp("replay"), more=written.ALL))


@pytest.fixture(scope="session")
def shared_guarded_stand(tmp_path_factory):
    yield from running(ReplayStand(tmp_path_factory.mktemp("guarded"), GUARD, more=written.ALL))


@pytest.fixture
def replay_stand(shared_replay_stand):
    yield from lent(shared_replay_stand)


@pytest.fixture
def guarded_stand(shared_guarded_stand):
    yield from lent(shared_guarded_stand)


@pytest.fixture
def client(stand):
    with stand.client() as client:
        yield client


def running(stand):
    yield stand
    stand.close()


def lent(stand):
    """A stand in front of the replay; what a failed test left behind is nobody's."""
    stand.check_running()
    yield stand
    stand.check_running()
    if stand.replay.requests:
        time.sleep(0.5)
        stand.forget()


def used(stand):
    """Lends a stand to one test, which settles its calls; what it left behind must not fail the next one too."""
    stand.check_running()
    yield stand
    stand.check_running()
    if stand.sent:
        stand.forget()
        pytest.fail("the test did not settle its calls")
