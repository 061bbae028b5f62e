"""Lines of programs, in whatever pieces they come, and of those that write none."""

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_py.frameworks.mapreduce.programs import Program, ProgramError, Reports, cat


@given(st.lists(st.lists(st.sampled_from([b"a", b"\n", b"\t", b"\xff"]), min_size=1).map(b"".join)))
def test_lines_are_the_same_in_whatever_pieces_they_come(pieces):
    found = list(cat(pieces))
    text = b"".join(pieces)
    assert [line for lines, _ in found for line in lines] == text.removesuffix(b"\n").split(b"\n") * bool(text)
    assert sum(size for _, size in found) == len(text)


def test_a_program_that_writes_no_lines_is_ended_at_once(tmp_path):
    program = Program(
        "mapper",
        ["head", "-c", "300000000", "/dev/zero"],
        environment={"PATH": "/bin:/usr/bin"},
        directory=tmp_path,
        reports=Reports(BytesIO()),
    )
    program.feed([])
    with pytest.raises(ProgramError, match="mapper writes a line of more than 64 MB: is that text") as caught:
        list(program.lines())
    assert caught.value.final
