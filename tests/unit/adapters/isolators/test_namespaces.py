import os

import pytest

from mesos_py.adapters.isolators.namespaces import NamespacesIsolator
from tests.unit.adapters.isolators.support import a_launch, a_spec


@pytest.mark.parametrize(("private_tmp", "made"), [(True, ".tmp"), (False, ".sandboxes")])
def test_what_is_mounted_is_what_was_made(tmp_path, private_tmp, made):
    sandbox = tmp_path / "sandboxes" / "C-1"
    sandbox.mkdir(parents=True)
    spec = a_spec(str(sandbox))
    launch = a_launch(spec)
    isolator = NamespacesIsolator(["mount"], private_tmp=private_tmp, sandboxes=str(tmp_path / "sandboxes"))
    isolator.prepare(spec, launch)
    assert f"{sandbox}/{made}" in [mount.source for mount in launch.mounts]
    for mount in launch.mounts:
        found = os.stat(mount.source)
        assert mount.identity == (found.st_dev, found.st_ino)
