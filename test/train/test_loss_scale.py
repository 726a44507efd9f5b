# SPDX-License-Identifier: Apache-2.0
from onestep_vla_ros.train.loss_scale import GROW_AFTER, START, LossScale


def test_it_halves_on_overflow_and_doubles_after_a_calm_while():
    scale = LossScale(is_on=True)
    scale.follow(is_finite=False)
    assert scale.factor == START / 2
    for _ in range(GROW_AFTER):
        scale.follow(is_finite=True)
    assert scale.factor == START


def test_it_goes_on_from_its_state_and_stays_one_when_off():
    scale, other, off = LossScale(True), LossScale(True), LossScale(False)
    for is_finite in (False, True, True):
        scale.follow(is_finite)
        off.follow(is_finite)
    other.state = scale.state
    assert other.state == scale.state
    assert off.factor == 1.0
