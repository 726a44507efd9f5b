# SPDX-License-Identifier: Apache-2.0
"""Render one small frame and say what came: `python -m onestep_vla_ros.sim.gl_probe`."""

from __future__ import annotations

import sys

from onestep_vla_ros.core.errors import ConfigError

from onestep_vla_ros.sim.renderer import Renderer  # isort: skip - sets MUJOCO_GL before mujoco

import mujoco  # isort: skip

_SCENE = """
<mujoco>
  <visual><global offwidth="32" offheight="32"/></visual>
  <worldbody>
    <light pos="0 0 2"/>
    <geom type="sphere" size="0.5" rgba="1 0 0 1"/>
    <camera name="probe" pos="0 -2 0" xyaxes="1 0 0 0 0 1"/>
  </worldbody>
</mujoco>
"""


def main() -> int:
    """Print one line; 0 when the red sphere is in the middle of the frame and only there."""
    model = mujoco.MjModel.from_xml_string(_SCENE)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    try:
        with Renderer(model) as renderer:
            frame = renderer.render(data, "probe", 32, 32)
            backend = type(renderer._gl).__module__
    except ConfigError as error:
        print(error)
        return 1
    centre, corner = frame[16, 16].astype(int), frame[0, 0].astype(int)
    print(f"{backend}: 32x32 frame, centre {centre.tolist()}, corner {corner.tolist()}")
    return 0 if centre[0] > corner[0] + 30 and centre[0] > centre[1] + 30 else 1


if __name__ == "__main__":
    sys.exit(main())
