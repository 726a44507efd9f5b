# SPDX-License-Identifier: Apache-2.0
"""Anything, in any order, at any time: I1 to I14 after every single rule."""

from __future__ import annotations

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twin_rig import HOME, TwinRig, make_config

from onestep_vla_ros.core.supervisor import Mode
from onestep_vla_ros.core.verdict import Reason, Rejected

MODES = ("joint_trajectory", "joint_trajectory_point", "forward_position")
SEEDS = st.integers(0, 2**16)
BAD_NUMBERS = st.sampled_from([np.nan, np.inf, -np.inf, 1e300, -1e9, 5e-324, -2.2e-308])
BAD_SHAPES = st.sampled_from([(0, 14), (1, 14), (129, 14), (16, 13), (16, 15), (16, 0)])
BAD_PERIODS = st.sampled_from([0.0, -0.04, np.nan, np.inf, 1e-12, 0.2000001, 5e-324])
BAD_STAMPS = st.sampled_from([np.nan, np.inf, -np.inf, -1e18, 1e18])
COUNTS = st.integers(1, 12)


class BridgeMachine(RuleBasedStateMachine):
    """The real bridge and its twin, under every hand-over and output mode."""

    @initialize(
        handover=st.sampled_from(["splice", "blend", "ensemble"]),
        output=st.tuples(st.sampled_from(MODES), st.sampled_from(MODES)),
        gripper=st.sampled_from(["in_arm", *MODES]),
        start_check=st.sampled_from(["off", "off", "refuse", "ramp"]),
        period=st.sampled_from([0.01, 0.004]),
        resume=st.sampled_from([1, 3]),
    )
    def begin(self, handover, output, gripper, start_check, period, resume):
        self.rig = TwinRig(
            make_config(
                handover=handover,
                output_mode=output,
                gripper_output=gripper,
                start_check=start_check,
                control_period_s=period,
                resume_chunks=resume,
            )
        )
        self.sent: list[tuple] = []
        self.recover(0, 2)

    def send(self, q, stamp_s: float, period_s: float):
        self.sent = [*self.sent[-5:], (q, stamp_s, period_s)]
        return self.rig.chunk(q, stamp_s, period_s)

    @rule(seed=SEEDS, chunks=st.integers(1, 6), period=st.floats(0.02, 0.1))
    def flow(self, seed, chunks, period):
        """A policy at work: good chunks, one after the other."""
        for k in range(chunks):
            self.send(self.rig.wave(seed + k, 16, period, 0.5), self.rig.now, period)
            self.rig.tick(1 + (seed + k) % 12)

    @rule(
        seed=SEEDS,
        points=st.integers(2, 40),
        period=st.floats(0.01, 0.2),
        age=st.floats(-0.03, 0.35),
        size=st.sampled_from([0.0, 1e-3, 0.3, 2.0, 20.0]),
    )
    def sane_chunk(self, seed, points, period, age, size):
        self.send(self.rig.wave(seed, points, period, size), self.rig.now - age, period)

    @rule(seed=SEEDS, points=st.integers(2, 20), reach=st.sampled_from([0.01, 0.1, 0.29, 3.0]))
    def wild_chunk(self, seed, points, reach):
        jump = np.random.default_rng(seed).uniform(-reach, reach, (points, 14))
        self.send(self.rig.q + jump, self.rig.now, 0.01 + 0.19 * (seed % 2))

    @rule(seed=SEEDS, number=BAD_NUMBERS, at=st.integers(0, 16 * 14 - 1))
    def garbage_value(self, seed, number, at):
        q = self.rig.wave(seed, 16, 0.04, 0.5)
        q.flat[at] = number
        self.send(q, self.rig.now, 0.04)

    @rule(shape=BAD_SHAPES)
    def garbage_shape(self, shape):
        self.send(np.full(shape, 0.5), self.rig.now, 0.04)

    @rule(seed=SEEDS, period=BAD_PERIODS)
    def garbage_period(self, seed, period):
        self.send(self.rig.wave(seed, 16, 0.04, 0.5), self.rig.now, period)

    @rule(seed=SEEDS, stamp=BAD_STAMPS)
    def garbage_stamp(self, seed, stamp):
        self.send(self.rig.wave(seed, 16, 0.04, 0.5), stamp, 0.04)

    @rule(back=st.integers(1, 6))
    def duplicate(self, back):
        """The same again, or an older one after a newer."""
        if self.sent:
            self.rig.chunk(*self.sent[-min(back, len(self.sent))])

    @rule(seed=SEEDS, count=st.integers(2, 5))
    def reorder(self, seed, count):
        now = self.rig.now
        for k in np.random.default_rng(seed).permutation(count):
            self.send(self.rig.wave(seed + int(k), 16, 0.04, 0.5), now - 0.01 * k, 0.04)

    @rule(ticks=st.integers(10, 90))
    def drop(self, ticks):
        """Chunks are lost: the plan runs out."""
        self.rig.tick(ticks)

    @rule(topic=st.sampled_from(["joint_states", "action_chunk"]))
    def unreadable(self, topic):
        refusal = Rejected(Reason.WRONG_JOINTS, "no left_joint3")
        self.rig.both("refuse", topic, refusal, self.rig.now)

    @rule(by_s=st.sampled_from([0.02, 0.06, 0.3, 1.5, 10.0, 1e6]))
    def clock_forward(self, by_s):
        self.rig.jump_clock(by_s)

    @rule(by_s=st.sampled_from([1e-6, 0.004, 0.01, 0.3, 10.0]))
    def clock_back(self, by_s):
        self.rig.jump_clock(-by_s)

    @rule(ticks=st.sampled_from([3, 6, 15, 120]))
    def lose_state(self, ticks):
        self.rig.has_states = False
        self.rig.tick(ticks)
        self.rig.has_states = True

    @rule(kind=st.sampled_from(["nan", "inf", "short", "outside", "qd", "future", "again"]))
    def bad_state(self, kind):
        rig = self.rig
        q, now = rig.q.copy(), rig.now
        if kind in ("nan", "inf"):
            q[3] = float(kind)
        elif kind == "outside":
            q[8] = -0.2
        q = q[:13] if kind == "short" else q
        qd = np.full(14, np.nan) if kind == "qd" else None
        rig.state(q, {"future": now + 1.0, "again": now}.get(kind, now + 1e-4), qd)

    @rule(count=st.integers(1, 4), by=st.sampled_from([0.3, -0.5]))
    def state_jump(self, count, by):
        rig = self.rig
        q = rig.q.copy()
        q[0] = np.clip(q[0] + by, -2.6, 3.1)
        for k in range(count):
            rig.state(q, rig.now + 1e-4 * (k + 1))

    @rule(seed=SEEDS, size=st.sampled_from([0.0, 1e-3, 0.03, 0.3]))
    def sag(self, seed, size):
        """The arms hang somewhere else than they were sent, gently from now on."""
        self.rig.sag = np.random.default_rng(seed).uniform(-size, size, 14)

    @rule()
    def enable(self):
        self.rig.both("enable", self.rig.now)

    @rule()
    def disable(self):
        self.rig.both("disable", self.rig.now)

    @rule()
    def stop(self):
        self.rig.both("stop", self.rig.now)

    @rule()
    def reset(self):
        self.rig.both("reset", self.rig.now)

    @rule(seed=SEEDS, chunks=st.integers(1, 6), width=st.sampled_from([5.0, 5.0, 0.01]))
    def recover(self, seed, chunks, width=5.0):
        """The operator gets going again, and so does the policy, here or from its start."""
        self.clear_obstacles()
        self.rig.both("on_start_pose", HOME - width, HOME + width)
        self.rig.recover()
        self.flow(seed, chunks, 0.05)

    @rule(name=st.sampled_from(["chunk", "controller"]), why=st.sampled_from(["", "two of them"]))
    def obstacle(self, name, why):
        self.rig.both("set_obstacle", name, why, self.rig.now)

    @rule()
    def clear_obstacles(self):
        for name in ("chunk", "controller"):
            self.rig.both("set_obstacle", name, "", self.rig.now)

    @rule(words=st.sampled_from(["", "", "left_wrist: no picture"]))
    def policy_trouble(self, words):
        self.rig.both("on_policy_trouble", words, self.rig.now)

    @rule(seed=SEEDS, width=st.sampled_from([-0.1, 0.01, 0.3, np.nan]))
    def start_pose(self, seed, width):
        middle = HOME + np.random.default_rng(seed).uniform(-0.2, 0.2, 14)
        self.rig.both("on_start_pose", middle - width, middle + width)

    @rule(periods=st.floats(1.5, 40.0))
    def overrun(self, periods):
        self.rig.tick(1, periods * self.rig.tc)

    @rule(count=COUNTS, share=st.floats(0.01, 1.99))
    def uneven_ticks(self, count, share):
        self.rig.tick(count, share * self.rig.tc)

    @rule(count=COUNTS)
    def tick(self, count):
        self.rig.tick(count)

    @invariant()
    def keeps_i1_to_i14(self):
        if not hasattr(self, "rig"):
            return
        self.rig.assert_wire()

    def teardown(self):
        if hasattr(self, "rig"):
            self.rig.has_states = True
            self.rig.both("stop", self.rig.now)
            self.rig.tick(1)
            assert self.rig.last.mode in (Mode.STOP, Mode.FAULT)


TestBridge = BridgeMachine.TestCase
if settings.get_current_profile_name() != "nightly":
    TestBridge.settings = settings(
        max_examples=80,
        stateful_step_count=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
