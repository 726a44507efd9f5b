# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo model of the bimanual YAM station: SDK kinematics, our physics."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from onestep_vla_ros.core.errors import ConfigError
from onestep_vla_ros.core.joints import ARMS
from onestep_vla_ros.sim.meshes import decimated

PHYSICS_STEP_S = 1.0 / 600.0
STATION = "yam_station_linear_4310_d405"
ARM_KP = (80.0, 80.0, 80.0, 10.0, 10.0, 10.0)
"""Position gain of joints 1-6 [N m/rad], the SDK's."""
ARM_KD = (5.0, 5.0, 5.0, 1.5, 1.5, 1.5)
"""Velocity gain of joints 1-6 [N m s/rad], the SDK's."""
ARM_TORQUE = (28.0, 28.0, 28.0, 10.0, 10.0, 10.0)
"""Peak torque of DM4340 (joints 1-3) and DM4310 (joints 4-6) [N m]."""
ARM_ARMATURE = (0.03, 0.03, 0.03, 0.01, 0.01, 0.01)
"""Reflected rotor inertia [kg m^2]; our estimate, the SDK states none."""
GRAVITY_COMPENSATION = 0.95
"""Share of the arm's own weight that is fed forward; the rest is the sag seen on hardware."""
GRIPPER_STROKE_M = 0.0469
"""Travel of one finger from closed to open [m]."""
GRIPPER_KP, GRIPPER_KD = 40.0, 0.64
"""Gains on the normalised opening [J, J s]; the SDK's act on the motor shaft."""
GRIPPER_FORCE = 2.2
"""Limit of the gripper drive [J]: 23 N a finger, below the SDK's 50 N limiter."""
TOP_FOVY_DEG = 34.0
"""The top camera's image is cropped to the workspace (the lens itself has 58 degrees)."""
WRIST_FOVY_DEG = 58.0
_ENV, _ARM_BIT = 1, {"left": 2, "right": 4}
_MESH_CELL_M = {"tip_left": 0.002, "tip_right": 0.002, "gripper": 0.003}
_LINK_CELL_M = 0.005
_DARK, _LIGHT, _FINGER = (0.16, 0.17, 0.19, 1), (0.62, 0.64, 0.68, 1), (0.88, 0.80, 0.35, 1)
# Link: capsule from, to, radius [m] in the link's own frame, inside the shipped mesh.
_CAPSULES = {
    "link2": ((0.0, -0.033, 0.0), (0.0, -0.033, 0.264), 0.03),
    "link3": ((0.0, -0.035, -0.02), (-0.06, -0.035, -0.245), 0.03),
    "link4": ((0.0, 0.03, 0.0), (-0.04, 0.034, -0.074), 0.03),
    "link5": ((0.02, 0.0, 0.0), (0.04, 0.0, -0.02), 0.025),
}


def station_file() -> Path:
    """Return the station's MJCF inside the i2rt package, without importing that package.

    Raises:
        ConfigError: The package or the file is not installed.
    """
    spec = importlib.util.find_spec("i2rt")
    roots = list(spec.submodule_search_locations or []) if spec else []
    for root in roots:
        path = Path(root) / "robot_models" / "station" / STATION / f"{STATION}.xml"
        if path.is_file():
            return path
    raise ConfigError(
        f"the YAM station model {STATION} is missing",
        got=f"i2rt at {roots}" if roots else "no package i2rt",
        allowed="dreamscale-i2rt 1.3.6",
        do="pip install dreamscale-i2rt==1.3.6.post1",
    )


def station_spec() -> mujoco.MjSpec:
    """Return the station with table, collisions, actuators and cameras, without objects."""
    path = station_file()
    spec = mujoco.MjSpec.from_file(str(path))
    _set_options(spec)
    _decimate(spec, path.parent)
    for arm in ARMS:
        _paint(spec, arm)
        _add_link_collisions(spec, arm)
        _add_finger_collisions(spec, arm)
        _add_actuators(spec, arm)
        _add_camera(f"{arm}_wrist", spec.body(f"{arm}_camera"), WRIST_FOVY_DEG)
    _paint_geoms(spec.body("top_camera"), _DARK)
    _add_camera("top", spec.body("top_camera"), TOP_FOVY_DEG)
    _add_surroundings(spec)
    return spec


def _set_options(spec: mujoco.MjSpec) -> None:
    spec.option.timestep = PHYSICS_STEP_S
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.impratio = 10.0
    spec.stat.extent = 1.0
    spec.stat.center = np.array([0.35, -0.305, 0.1])
    visual = spec.visual
    visual.map.znear, visual.map.zfar = 0.01, 6.0
    visual.quality.offsamples = 0
    visual.quality.shadowsize = 0
    visual.global_.offwidth, visual.global_.offheight = 640, 480
    visual.headlight.ambient = np.array([0.45, 0.45, 0.45])
    visual.headlight.diffuse = np.array([0.25, 0.25, 0.25])
    visual.headlight.specular = np.zeros(3)


def _decimate(spec: mujoco.MjSpec, folder: Path) -> None:
    for mesh in spec.meshes:
        source = (folder / mesh.file).resolve()
        vertices, faces = decimated(source, _MESH_CELL_M.get(mesh.name, _LINK_CELL_M))
        mesh.file = ""
        mesh.uservert = vertices.reshape(-1).tolist()
        mesh.userface = faces.reshape(-1).tolist()
        mesh.inertia = mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL


def _paint(spec: mujoco.MjSpec, arm: str) -> None:
    for link in ("base", "link1", "link2", "link3", "link4", "link5", "gripper", "camera"):
        body = spec.body(f"{arm}_{link}")
        body.gravcomp = 0.0 if link == "base" else GRAVITY_COMPENSATION
        _paint_geoms(body, _LIGHT if link in ("link2", "link3") else _DARK)
    for tip in ("tip_left", "tip_right"):
        spec.body(f"{arm}_{tip}").gravcomp = GRAVITY_COMPENSATION
        _paint_geoms(spec.body(f"{arm}_{tip}"), _FINGER)


def _paint_geoms(body: mujoco.MjsBody, rgba: tuple[float, ...]) -> None:
    for geom in body.geoms:
        geom.rgba = np.array(rgba)
        geom.contype = geom.conaffinity = 0
        geom.group = 2


def _collision_bits(arm: str) -> dict[str, int]:
    """Arms touch the surroundings and the other arm, never themselves."""
    other = sum(bit for name, bit in _ARM_BIT.items() if name != arm)
    return {"contype": _ARM_BIT[arm], "conaffinity": _ENV | other, "group": 3}


def _add_link_collisions(spec: mujoco.MjSpec, arm: str) -> None:
    bits = _collision_bits(arm)
    for link, (start, end, radius) in _CAPSULES.items():
        spec.body(f"{arm}_{link}").add_geom(
            name=f"{arm}_{link}_collision",
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[*start, *end],
            size=[radius, 0, 0],
            mass=0,
            **bits,
        )
    spec.body(f"{arm}_gripper").add_geom(
        name=f"{arm}_palm_collision",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=[0, 0, 0.03],
        size=[0.05, 0.032, 0.033],
        mass=0,
        **bits,
    )


def _add_finger_collisions(spec: mujoco.MjSpec, arm: str) -> None:
    """Add pad and finger boxes, written in the flange frame (z approach, x closing)."""
    # Boxes of the finger on the -x side at closed: centre and half size [m].
    boxes = {
        "pad": ((-0.0032, 0.0, 0.1380), (0.0032, 0.0137, 0.0088)),
        "finger": ((-0.0106, 0.0, 0.1050), (0.0082, 0.0200, 0.0150)),
        "knuckle": ((-0.0130, 0.0, 0.0750), (0.0108, 0.0300, 0.0150)),
    }
    for tip, sign in (("tip_left", 1.0), ("tip_right", -1.0)):
        body = spec.body(f"{arm}_{tip}")
        rotation = _matrix(body.quat)
        turned_back = body.quat * np.array([1.0, -1.0, -1.0, -1.0])
        for name, (centre, half) in boxes.items():
            at = np.array([sign * centre[0], centre[1], centre[2]])
            body.add_geom(
                name=f"{arm}_{tip}_{name}",
                type=mujoco.mjtGeom.mjGEOM_BOX,
                pos=rotation.T @ (at - body.pos),
                quat=turned_back,
                size=half,
                mass=0,
                condim=4,
                friction=[1.5, 0.02, 0.001] if name == "pad" else [0.6, 0.005, 0.001],
                **_collision_bits(arm),
            )


def _add_actuators(spec: mujoco.MjSpec, arm: str) -> None:
    for i in range(6):
        joint = spec.joint(f"{arm}_joint{i + 1}")
        joint.armature = ARM_ARMATURE[i]
        _add_servo(
            spec,
            name=joint.name,
            target=joint.name,
            transmission=mujoco.mjtTrn.mjTRN_JOINT,
            gains=(ARM_KP[i], ARM_KD[i], ARM_TORQUE[i]),
            span=(float(joint.range[0]), float(joint.range[1])),
        )
    tendon = spec.add_tendon(name=f"{arm}_gripper_opening")
    for i in (7, 8):
        slide = spec.joint(f"{arm}_joint{i}")
        slide.armature = 0.5
        slide.range = np.array([0.0, GRIPPER_STROKE_M])
        tendon.wrap_joint(slide.name, 0.5 / GRIPPER_STROKE_M)
    _add_servo(
        spec,
        name=f"{arm}_gripper",
        target=tendon.name,
        transmission=mujoco.mjtTrn.mjTRN_TENDON,
        gains=(GRIPPER_KP, GRIPPER_KD, GRIPPER_FORCE),
        span=(0.0, 1.0),
    )


def _add_servo(
    spec: mujoco.MjSpec,
    *,
    name: str,
    target: str,
    transmission: mujoco.mjtTrn,
    gains: tuple[float, float, float],
    span: tuple[float, float],
) -> None:
    """Add a position servo: force = kp (command - q) - kd qd, clipped to +-limit."""
    kp, kd, limit = gains
    servo = spec.add_actuator(name=name, target=target, trntype=transmission)
    servo.gaintype = mujoco.mjtGain.mjGAIN_FIXED
    servo.biastype = mujoco.mjtBias.mjBIAS_AFFINE
    servo.gainprm[0] = kp
    servo.biasprm[:3] = [0.0, -kp, -kd]
    servo.ctrllimited = servo.forcelimited = True
    servo.ctrlrange = np.array(span)
    servo.forcerange = np.array([-limit, limit])


def _add_camera(name: str, body: mujoco.MjsBody, fovy_deg: float) -> None:
    """Add a camera at an optical frame (+z ahead, +y down); MuJoCo's looks along -z, y up."""
    body.add_camera(name=name, fovy=fovy_deg, quat=[0.0, 1.0, 0.0, 0.0])


def _add_surroundings(spec: mujoco.MjSpec) -> None:
    world = spec.worldbody
    spec.add_texture(
        name="sky",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.62, 0.66, 0.70],
        rgb2=[0.40, 0.43, 0.46],
        width=64,
        height=384,
    )
    world.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=[0.35, -0.305, -0.02],
        size=[0.50, 0.65, 0.02],
        rgba=[0.50, 0.46, 0.42, 1],
        friction=[1.0, 0.005, 0.0001],
        contype=_ENV,
        conaffinity=_ENV | sum(_ARM_BIT.values()),
    )
    world.add_geom(
        name="floor",
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        pos=[0.35, -0.305, -0.75],
        size=[4, 4, 0.1],
        rgba=[0.30, 0.32, 0.34, 1],
        contype=_ENV,
        conaffinity=_ENV,
    )
    world.add_light(
        pos=[0.2, -0.305, 1.6],
        dir=[0.15, 0.1, -1.0],
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        castshadow=False,
        diffuse=[0.45, 0.45, 0.45],
        specular=[0.05, 0.05, 0.05],
    )


def _matrix(quat: NDArray[np.float64]) -> NDArray[np.float64]:
    matrix = np.zeros(9)
    mujoco.mju_quat2Mat(matrix, quat)
    return matrix.reshape(3, 3)
