import os

import pytest

from mesos_py.adapters.isolators.launch import LaunchError, Mount
from mesos_py.adapters.isolators.volumes import VolumesIsolator, parse_volumes
from mesos_py.errors import ConfigError
from mesos_py.types.host import Volume, VolumeMode
from tests.unit.adapters.isolators.support import a_launch, a_spec

RO, RW = VolumeMode.RO, VolumeMode.RW


@pytest.fixture
def host(tmp_path):
    """Some of a host's files; ``data`` may be read and ``scratch`` be written."""
    for name in ("data/models/secret", "scratch/a", "other/b", "work/tasks"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "data" / "words").write_text("a b c")
    return tmp_path


def prepared(host, *volumes, euid=0, allowed=None, mounts=()):
    spec = a_spec(str(host / "work" / "tasks" / "C-1"), volumes=list(volumes))
    launch = a_launch(spec)
    launch.mounts += mounts
    if allowed is None:
        allowed = {str(host / "data"): RO, str(host / "scratch"): RW}
    VolumesIsolator(allowed, euid=euid).prepare(spec, launch)
    return launch


def volume(path, container_path="x", mode=RO):
    return Volume(host_path=str(path), container_path=container_path, mode=mode)


def mount(target, source, **more):
    found = os.stat(source)
    return Mount(target=target, source=source, identity=(found.st_dev, found.st_ino), **more)


def refusal(host, *volumes, **more):
    with pytest.raises(LaunchError) as error:
        prepared(host, *volumes, **more)
    return str(error.value)


def test_without_volumes_nothing_is_done(host):
    launch = prepared(host, euid=1000)
    assert (launch.mounts, launch.namespaces, launch.no_new_privs) == ([], [], False)
    assert not os.path.exists(launch.sandbox)


def test_volumes_are_mounted_in_a_namespace_of_their_own(host):
    first = Mount(target="/tmp", type="tmpfs")
    launch = prepared(
        host,
        volume(host / "data", "in/models"),
        volume(host / "data" / "words", "./words"),
        volume(host / "scratch" / "a", str(host / "other"), RW),
        mounts=[first],
    )
    sandbox = host / "work" / "tasks" / "C-1"
    assert launch.mounts == [
        mount(f"{sandbox}/in/models", f"{host}/data", readonly=True),
        mount(f"{sandbox}/words", f"{host}/data/words", readonly=True),
        mount(f"{host}/other", f"{host}/scratch/a"),
        first,  # what is private hides nothing that a volume comes from
    ]
    assert launch.namespaces == ["mount"]
    assert launch.no_new_privs
    assert (sandbox / "in" / "models").is_dir()
    assert (sandbox / "words").read_bytes() == b""


def test_a_namespace_is_asked_for_once(host):
    spec = a_spec(str(host / "work" / "tasks" / "C-1"), volumes=[volume(host / "data")])
    launch = a_launch(spec)
    launch.namespaces.append("mount")
    VolumesIsolator({str(host): RO}, euid=0).prepare(spec, launch)
    assert launch.namespaces == ["mount"]


def test_what_is_not_on_the_list_is_refused(host):
    told = f"this agent mounts {host}/data:ro, {host}/scratch:rw"
    assert refusal(host, volume(host / "other")) == f"volume {host}/other is not allowed: {told}"
    assert refusal(host, volume(f"{host}/data2"[:-1] + "s")).endswith("does not exist on this host")
    assert refusal(host, volume(host)).endswith(told)
    why = "volume /etc is not allowed: this agent is configured without volumes"
    assert refusal(host, volume("/etc"), allowed={}) == why


def test_a_name_that_only_begins_alike_is_refused(host):
    (host / "data-of-others").mkdir()
    assert "is not allowed" in refusal(host, volume(host / "data-of-others"))


def test_what_may_be_read_may_not_be_written(host):
    assert "data may only be read: this agent mounts" in refusal(host, volume(host / "data", mode=RW))


def test_the_nearest_directory_decides(host):
    allowed = {str(host): RO, str(host / "data" / "models"): RW, str(host / "data" / "models" / "secret"): RO}
    prepared(host, volume(host / "data" / "models", mode=RW), allowed=allowed)
    assert "may only be read" in refusal(host, volume(host / "data", mode=RW), allowed=allowed)
    assert "may only be read" in refusal(host, volume(host / "data/models/secret", mode=RW), allowed=allowed)


def test_links_are_followed_before_the_list_is_asked(host):
    (host / "data" / "out").symlink_to("/etc")
    assert "is not allowed" in refusal(host, volume(host / "data" / "out"))
    (host / "data" / "loop").symlink_to("loop")
    assert "does not exist" in refusal(host, volume(host / "data" / "loop"))
    (host / "link").symlink_to("data/models")
    launch = prepared(host, volume(host / "link"))
    assert launch.mounts[0].source == f"{host}/data/models"


def test_the_list_may_hold_links(host):
    (host / "link").symlink_to("other")
    launch = prepared(host, volume(host / "other" / "b", mode=RW), allowed={f"{host}/link/": RW})
    assert launch.mounts[0].source == f"{host}/other/b"


def test_one_directory_under_two_names_is_as_the_stricter_says(host):
    (host / "link").symlink_to("other")
    for allowed in ({f"{host}/link": RW, f"{host}/other": RO}, {f"{host}/other": RO, f"{host}/link": RW}):
        assert "may only be read" in refusal(host, volume(host / "other", mode=RW), allowed=allowed)


def test_the_whole_host_can_be_allowed(host):
    assert prepared(host, volume("/etc"), allowed={"/": RO}).mounts[0].source == os.path.realpath("/etc")


def test_pipes_and_devices_are_no_volumes(host):
    os.mkfifo(host / "data" / "pipe")
    assert "neither a directory nor a plain file" in refusal(host, volume(host / "data" / "pipe"))


def test_an_absolute_target_must_be_there_and_of_the_same_kind(host):
    missing = str(host / "nowhere")
    assert f"there is no directory {missing} on this host" in refusal(host, volume(host / "data", missing))
    assert "there is no file" in refusal(host, volume(host / "data" / "words", str(host / "other")))


@pytest.mark.parametrize("planted", ["link", "file"])
def test_nothing_is_made_outside_the_sandbox(host, planted):
    sandbox = host / "work" / "tasks" / "C-1"
    sandbox.mkdir()
    if planted == "link":
        (sandbox / "x").symlink_to(host / "other")
    else:
        (sandbox / "x").write_text("")
    assert "cannot make x/new in the sandbox" in refusal(host, volume(host / "data", "x/new"))
    assert "cannot make x in the sandbox" in refusal(host, volume(host / "data", "x"))
    assert os.listdir(host / "other") == ["b"]


def test_a_file_is_mounted_on_a_plain_file_only(host):
    sandbox = host / "work" / "tasks" / "C-1"
    sandbox.mkdir()
    os.mkfifo(sandbox / "pipe")
    (sandbox / "link").symlink_to(host / "data" / "words")
    for name in ("pipe", "link"):
        assert f"cannot make {name} in the sandbox" in refusal(host, volume(host / "data" / "words", name))
    (sandbox / "file").write_text("kept")
    prepared(host, volume(host / "data" / "words", "file"))
    assert (sandbox / "file").read_text() == "kept"


def test_only_root_mounts(host):
    why = "the agent is not root and cannot mount volumes"
    assert VolumesIsolator({}, euid=1000).why_not() == refusal(host, volume(host / "data"), euid=1000) == why


def test_the_list_is_configured_by_directory():
    assert parse_volumes({"/data": "ro", "/scratch": "RW"}) == {"/data": RO, "/scratch": RW}


@pytest.mark.parametrize(
    ("configured", "words"),
    [
        ({"data": "ro"}, "volumes: 'data' is not an absolute path without '..'"),
        ({"/data/../etc": "ro"}, "is not an absolute path without '..'"),
        ({"/data": "read"}, "volumes: /data=read says neither ro nor rw"),
    ],
)
def test_bad_configuration(configured, words):
    with pytest.raises(ConfigError, match=words):
        parse_volumes(configured)


def test_it_says_what_it_does():
    assert VolumesIsolator({}).describe() == "no volumes may be mounted"
    assert VolumesIsolator({"/d": RO, "/s": RW}).describe() == "volumes may be mounted from /d:ro, /s:rw"
