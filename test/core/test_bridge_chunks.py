# SPDX-License-Identifier: Apache-2.0
"""Which chunks the bridge lets in, and what it makes of the others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from bridge_rig import Rig

from onestep_vla_ros.core.chunk import Chunk
from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason


def test_bad_chunk_leaves_the_plan_bit_identical(bridge_config, home):
    rigs = Rig(bridge_config, home), Rig(bridge_config, home)
    for rig in rigs:
        rig.enable()
        rig.run()
    assert not rigs[0].send(q=np.full((16, 14), np.nan)).is_accepted
    assert not rigs[0].send(q=np.zeros((1, 14))).is_accepted
    assert not rigs[0].send(age=-0.1).is_accepted
    for _ in range(30):
        a, b = (rig.tick() for rig in rigs)
        assert (a.q == b.q).all()


def test_bad_chunks_in_a_row_are_a_fault(rig):
    rig.enable()
    rig.run()
    for _ in range(2):
        rig.send(q=np.full((16, 14), np.nan))
        assert rig.tick().mode is Mode.RUN
    assert rig.send(age=0.0).is_accepted
    for _ in range(3):
        assert rig.tick().mode is Mode.RUN
        rig.send(q=np.full((16, 14), np.inf))
    assert rig.tick().mode is Mode.FAULT
    assert "left_joint1 is inf" in rig.commands[-1].reason
    assert rig.bridge.counts["action_chunk: not finite"] == 5


def test_duplicate_and_older_chunks_are_counted_and_ignored(rig):
    rig.enable()
    rig.run(64)
    chunk = Chunk(rig.wave(rig.now), rig.now, 0.04)
    assert rig.bridge.on_chunk(chunk, rig.now).is_accepted
    assert rig.bridge.on_chunk(chunk, rig.now).reason is Reason.DUPLICATE
    assert rig.send(age=0.1).reason is Reason.OLDER
    assert rig.bridge.ledger.summary().rejected == 2
    assert rig.bridge.ledger.summary().late == 0


def test_late_chunk_is_dropped_and_counted_never_run_late(rig):
    rig.enable()
    rig.run()
    stamp = rig.now
    rig.tick(10)
    short = Chunk(rig.wave(stamp, points=3), stamp, 0.04)
    assert rig.bridge.on_chunk(short, rig.now).reason is Reason.LATE
    rig.tick(21)
    verdict = rig.bridge.on_chunk(Chunk(rig.wave(stamp), stamp, 0.04), rig.now)
    assert verdict.reason is Reason.TOO_OLD
    assert rig.bridge.ledger.summary().late == 2


def test_hold_is_left_after_as_many_good_chunks_as_asked(bridge_config, home):
    rig = Rig(replace(bridge_config, resume_chunks=3), home)
    rig.enable()
    for k in (1, 2):
        rig.home = home - 0.2 * np.sin(2.0 * rig.now)
        assert f"{k} of 3 good chunks" in rig.send(age=0.0).detail
        assert rig.tick().mode is Mode.HOLD
    assert rig.commands[-1].reason.startswith("2 of 3 good chunks")
    rig.send(age=-0.5)  # a bad one starts the count anew
    for _ in range(3):
        assert rig.tick().mode is Mode.HOLD
        rig.home = home - 0.2 * np.sin(2.0 * rig.now)
        assert rig.send(age=0.0).is_accepted
    assert rig.tick().mode is Mode.RUN


def test_chunks_during_braking_wait_for_rest(bridge_config, home):
    rig = Rig(replace(bridge_config, max_plan_age_s=0.3), home)
    rig.enable()
    rig.run(49)
    while rig.commands[-1].mode is Mode.RUN:
        rig.tick()
    assert not rig.bridge.is_at_rest
    assert "at rest first" in rig.send(age=0.0).detail
    assert rig.tick().mode is Mode.HOLD
    while not rig.bridge.is_at_rest:
        assert rig.tick().mode is Mode.HOLD
    rig.home = rig.q - 0.2 * np.sin(2.0 * rig.now)
    rig.run(10)
