"""What is due at which step, against the definition written out for every step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxcnn.config.schema import Config
from jaxcnn.train.timetable import Due, Timetable

NOTHING = Due(evaluate=False, log=False, save=False, stop=False)


def test_intervals_of_epochs_become_steps_and_are_at_least_one():
    config = Config(eval_every=0.5, checkpoint_every=0.0, log_every=7)
    table = Timetable.of(config, steps_per_epoch=22.5, total_steps=100)
    assert table == Timetable(eval_every=11, checkpoint_every=1, log_every=7, total_steps=100)


def test_what_is_due():
    table = Timetable(eval_every=10, checkpoint_every=4, log_every=3, total_steps=25)
    assert table.due(1) == NOTHING
    assert table.due(3) == Due(evaluate=False, log=True, save=False, stop=False)
    assert table.due(4) == Due(evaluate=False, log=False, save=True, stop=False)
    assert table.due(10) == Due(evaluate=True, log=True, save=True, stop=False)
    assert table.due(25) == Due(evaluate=True, log=True, save=True, stop=False)  # the end
    assert table.due(1, late=True) == Due(evaluate=False, log=False, save=True, stop=False)
    assert table.due(1, stopping=True) == Due(evaluate=False, log=False, save=True, stop=True)
    assert not table.due(25, stopping=True).stop  # it is over anyway


@given(
    every=st.tuples(*[st.integers(1, 40)] * 3), total=st.integers(1, 200), most=st.integers(1, 30)
)
def test_steps_that_go_together_have_nothing_due_between(every, total, most):
    table = Timetable(*every, total_steps=total)
    step = 0
    while step < total:
        stride = table.stride(step, most)
        assert stride in (1, most)
        assert all(table.due(between) == NOTHING for between in range(step + 1, step + stride))
        whole = range(step + 1, min(step + most, total + 1))
        free = all(table.due(between) == NOTHING for between in whole)
        assert (stride == most) == (free and step + most <= total) or most == 1
        step += stride
    assert step == total


def test_a_timetable_does_not_change():
    with pytest.raises(AttributeError):
        Timetable(1, 1, 1, 1).log_every = 2
