"""One gateway without plugins and one with the chain; every test runs against both, but for those of the chain."""

import pytest
from stand import Stand


@pytest.fixture(scope="session")
def plain_stand(tmp_path_factory):
    yield from running(Stand(tmp_path_factory.mktemp("plain"), chain=False))


@pytest.fixture(scope="session")
def chain_stand(tmp_path_factory):
    yield from running(Stand(tmp_path_factory.mktemp("chain"), chain=True))


@pytest.fixture(params=["plain", "chain"])
def stand(request):
    yield from used(request.getfixturevalue(f"{request.param}_stand"))


@pytest.fixture
def client(stand):
    with stand.client() as client:
        yield client


def running(stand):
    yield stand
    stand.close()


def used(stand):
    """Lends a stand to one test, which settles its calls; what it left behind must not fail the next one too."""
    stand.check_running()
    yield stand
    stand.check_running()
    if stand.sent:
        stand.forget()
        pytest.fail("the test did not settle its calls")
