"""What tests of isolators start with."""

from mesos_py.adapters.isolators.launch import Launch
from mesos_py.types.containers import ContainerSpec


def a_spec(sandbox="/w/C-1", container_id="C-1", **fields):
    return ContainerSpec(
        container_id=container_id, framework_id="F", sandbox=str(sandbox), argv=["/bin/true"], **fields
    )


def a_launch(spec):
    return Launch(
        container_id=spec.container_id, sandbox=spec.sandbox, argv=spec.argv, environment=dict(spec.environment)
    )
