import pytest

from tests.unit.web.cluster import turning


@pytest.fixture
def loop():
    with turning() as loop:
        yield loop
