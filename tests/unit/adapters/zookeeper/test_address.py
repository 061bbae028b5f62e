"""URLs of ZooKeeper: what is meant, and what is told of a bad one."""

import pytest

from mesos_py.adapters.zookeeper.address import ZookeeperAddress, parse_address
from mesos_py.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("zk://h1:2181/mesos", ZookeeperAddress("h1:2181", "/mesos")),
        ("zk://h1,h2:2182,[::1]:2183/a/b/", ZookeeperAddress("h1,h2:2182,[::1]:2183", "/a/b")),
        ("zk://me:pass@h1/mesos", ZookeeperAddress("h1", "/mesos", "me", "pass")),
        ("zk://me:p:a/s@s@h1/mesos", ZookeeperAddress("h1", "/mesos", "me", "p:a/s@s")),
        ("zk://me:new@h1/mesos?other=me:p%40s", ZookeeperAddress("h1", "/mesos", "me", "new", "me:p@s")),
    ],
)
def test_what_is_meant(url, address):
    assert parse_address(url) == address


def test_the_login_as_zookeeper_wants_it():
    assert parse_address("zk://me:pa:ss@h1/mesos").logins == ["me:pa:ss"]
    assert parse_address("zk://me:new@h1/mesos?other=me:old").logins == ["me:new", "me:old"]
    assert parse_address("zk://h1/mesos").logins == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "must look like"),
        ("h1:2181/mesos", "must look like"),
        ("http://h1/mesos", "must look like"),
        ("zk:///mesos", "must look like"),
        ("zk://h1:2181", "path of a node is missing"),
        ("zk://h1:2181/", "path of a node is missing"),
        ("zk://h1:2181/mesos//a", "no path of a node"),
        ("zk://h1:2181/../a", "no path of a node"),
        ("zk://h1:2181/zookeeper/config", "no path of a node"),
        ("zk://h1:65536/mesos", "'h1:65536' is no host and port"),
        ("zk://h1:0/mesos", "is no host and port"),
        ("zk://h1:/mesos", "is no host and port"),
        ("zk://h1,,h2/mesos", "'' is no host and port"),
        ("zk://me:s3cret@h 1/mesos", "is no host and port"),
        ("zk://me:new@h1/mesos?other=s3cret", "after other= there must be user:password"),
        ("zk://h1/mesos?other=me:s3cret", "and another before the @"),
        ("zk://h1/mesos?also=me:s3cret", "must look like"),
        ("zk://me@h1/mesos", "there must be user:password"),
        ("zk://:s3cret@h1/mesos", "there must be user:password"),
        ("zk://me:@h1/mesos", "there must be user:password"),
    ],
)
def test_what_is_wrong_with_it(url, why):
    with pytest.raises(ConfigError, match=why) as caught:
        parse_address(url)
    assert "s3cret" not in str(caught.value)
