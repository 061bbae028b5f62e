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
        ("zks://h1/mesos", ZookeeperAddress("h1", "/mesos", secure=True)),
        (
            "zks://me:new@h1/m?other=me:a%26b&cacertfile=/c%20a.pem&certfile=/c.pem&keyfile=/k.pem&verify=verify_none",
            ZookeeperAddress(
                *("h1", "/m", "me", "new", "me:a&b"),
                secure=True,
                cacertfile="/c a.pem",
                certfile="/c.pem",
                keyfile="/k.pem",
                verify_peer=False,
            ),
        ),
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
        ("zk://h1/mesos?also=me:s3cret", "options of zk:// are other, as NAME=VALUE"),
        ("zk://h1/mesos?s3cret", "as NAME=VALUE"),
        ("zk://h1/mesos?", "as NAME=VALUE"),
        ("zk://h1/mesos?cacertfile=/ca.pem", "options of zk:// are other"),
        ("zks://h1/mesos?verify=s3cret", "verify must be verify_peer or verify_none"),
        ("zks://h1/mesos?keyfile=/a&keyfile=/b", "keyfile is given twice"),
        ("zk://me@h1/mesos", "there must be user:password"),
        ("zk://:s3cret@h1/mesos", "there must be user:password"),
        ("zk://me:@h1/mesos", "there must be user:password"),
    ],
)
def test_what_is_wrong_with_it(url, why):
    with pytest.raises(ConfigError, match=why) as caught:
        parse_address(url)
    assert "s3cret" not in str(caught.value)
