import pytest

from mesos_py.types.ids import Role, why_not_an_id
from mesos_py.types.roles import ancestors, is_within, why_not_a_role


@pytest.mark.parametrize("value", ["a", "a.b", "...", "x" * 255, "Ünïcode task", "a:b", "-"])
def test_an_id_may_be_nearly_anything(value):
    assert why_not_an_id(value) is None


@pytest.mark.parametrize("value", ["", ".", "..", "a/b", "a\\b", "a\nb", "\0", "a\x7f", "x" * 256, "é" * 128])
def test_an_id_must_be_a_safe_file_name(value):
    """Mesos src/common/validation.cpp."""
    assert why_not_an_id(value)


@pytest.mark.parametrize("role", ["*", "ads", "eng/web/front", "a.b", "a-b", "été"])
def test_roles_that_are_valid(role):
    """Mesos docs/roles.md, Role names."""
    assert why_not_a_role(role) is None


@pytest.mark.parametrize(
    "role",
    [
        "",
        ".",
        "..",
        "-a",
        "a/-b",
        "a b",
        "a\tb",
        "a\bb",
        "/a",
        "a/",
        "a//b",
        "a/./b",
        "a/../b",
        "a/*",
        "*/a",
        "a/" * 200 + "a",
    ],
)
def test_roles_that_are_not(role):
    assert why_not_a_role(role)


def test_ancestors_go_up_to_the_top():
    assert list(ancestors(Role("a/b/c"))) == ["a/b/c", "a/b", "a"]
    assert list(ancestors(Role("a"))) == ["a"]


def test_within_respects_the_component():
    assert is_within(Role("eng/web"), Role("eng"))
    assert is_within(Role("eng"), Role("eng"))
    assert not is_within(Role("engine"), Role("eng"))
    assert not is_within(Role("eng"), Role("eng/web"))
