# SPDX-License-Identifier: Apache-2.0
"""Checks this machine part by part; each failure names the command that fixes it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from rich.console import Console
from rich.table import Table

from onestep_vla_ros.core.errors import OneStepError
from onestep_vla_ros.files import share_dir, shipped_checkpoint
from onestep_vla_ros.report import write_json
from onestep_vla_ros.transport import (
    SHARED_MEMORY,
    clean_shared_memory,
    environment,
    free_domain,
)

OK, INFO, FAIL = "ok", "info", "FAIL"
_SHARED_MEMORY_BYTES = 256 << 20  # eight participants with a 32 MB segment each
_STYLES = {OK: "green", INFO: "cyan", FAIL: "bold red"}
_PIP_ROS = "pip install '.[jazzy]', or source /opt/ros/jazzy/setup.bash"
_MODULES = {  # import name -> distribution name
    "numpy": "numpy",
    "cv2": "opencv-python-headless",
    "yaml": "PyYAML",
    "safetensors": "safetensors",
    "torch": "torch",
    "transformers": "transformers",
    "mujoco": "mujoco",
    "i2rt": "dreamscale-i2rt",
    "rclpy": "rclpy",
    "sensor_msgs": "sensor_msgs",
    "std_srvs": "std_srvs",
    "trajectory_msgs": "trajectory_msgs",
    "diagnostic_msgs": "diagnostic_msgs",
    "visualization_msgs": "visualization_msgs",
    "lifecycle_msgs": "lifecycle_msgs",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check saw: `status` ok, info or FAIL, and the command that fixes a failure."""

    status: str
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One part of the machine and how to look at it."""

    name: str
    look: Callable[[], Finding]


def run_doctor(json_path: Path | None = None) -> int:
    """Run every check, print a table, return 0 when nothing failed and 1 otherwise.

    Args:
        json_path: Also write the findings there, as one object.
    """
    findings = {check.name: _look(check) for check in CHECKS}
    failed = [name for name, finding in findings.items() if finding.status == FAIL]
    table = Table(title="onestep-vla doctor", show_lines=False)
    for heading in ("check", "", "what was seen"):
        table.add_column(heading, overflow="fold")
    for name, finding in findings.items():
        fix = f"\n[bold]do:[/bold] {_plain(finding.fix)}" if finding.fix else ""
        style = _STYLES[finding.status]
        table.add_row(name, f"[{style}]{finding.status}[/]", _plain(finding.detail) + fix)
    console = Console()
    console.print(table)
    console.print(f"{len(failed)} of {len(findings)} checks failed" if failed else "all is well")
    if json_path is not None:
        rows = [{"check": name, **asdict(finding)} for name, finding in findings.items()]
        write_json(json_path, "doctor", 0, {"checks": rows, "failed": failed})
    return 1 if failed else 0


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _look(check: Check) -> Finding:
    try:
        return check.look()
    except (OneStepError, OSError, ImportError) as error:
        return Finding(FAIL, f"{type(error).__name__}: {error}")


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(OK, f"Python {version}, {sys.executable}")


def _packages() -> Finding:
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    squatters = [name for name in ("cv-bridge", "cvbridge3") if _version(name)]
    if squatters:
        text = f"{squatters} from PyPI are broken and hide the real cv_bridge"
        return Finding(FAIL, text, f"pip uninstall {' '.join(squatters)}")
    if missing:
        fix = "pip install -r requirements.txt"
        if any(name == "rclpy" or name.endswith(("_msgs", "_srvs")) for name in missing):
            fix = _PIP_ROS
        return Finding(FAIL, f"missing: {', '.join(missing)}", fix)
    seen = ("numpy", "torch", "transformers", "mujoco", "opencv-python-headless", "rclpy")
    return Finding(OK, ", ".join(f"{name} {_version(name) or '?'}" for name in seen))


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _system_packages() -> Finding:
    if shutil.which("dpkg-query") is None:
        return Finding(INFO, "no Debian system: packages.apt was not compared")
    lines = (share_dir() / "packages.apt").read_text(encoding="utf-8").splitlines()
    wanted = [name for name in (line.split("#")[0].strip() for line in lines) if name]
    missing = [name for name in wanted if _run(["dpkg-query", "-W", name])[0] != 0]
    if missing:
        fix = f"sudo apt-get install --no-install-recommends {' '.join(missing)}"
        return Finding(INFO, f"not installed: {', '.join(missing)}", fix)
    return Finding(OK, ", ".join(wanted))


def _abi() -> Finding:
    code, said = _run([sys.executable, "-m", "onestep_vla_ros.nodes.abi_probe"])
    fix = "one numpy for all: pip install 'numpy<2' beside /opt/ros/jazzy, else " + _PIP_ROS
    return Finding(OK, said) if code == 0 else Finding(FAIL, said, fix)


def _graphics() -> Finding:
    code, said = _run([sys.executable, "-m", "onestep_vla_ros.sim.gl_probe"])
    packages = "libegl1 libegl-mesa0 libgl1 libgl1-mesa-dri libosmesa6"
    fix = f"sudo apt-get install {packages}, then try MUJOCO_GL=osmesa"
    return Finding(OK, said) if code == 0 else Finding(FAIL, said, fix)


def _dds() -> Finding:
    probe = [sys.executable, "-m", "onestep_vla_ros.nodes.dds_probe"]
    with free_domain() as domain:
        env = {**os.environ, **environment(), "ROS_DOMAIN_ID": str(domain)}
        with subprocess.Popen(  # noqa: S603 - our own module
            [*probe, "echo"], env=env, stdout=subprocess.DEVNULL
        ) as other:
            try:
                code, said = _run([*probe, "ping"], env)
            finally:
                other.terminate()
    if code == 0:
        return Finding(OK, said)
    fix = "unset RMW_IMPLEMENTATION and allow multicast on lo: sudo ip link set lo multicast on"
    if code == 2:
        profile = share_dir() / "config" / "fastdds.xml"
        fix = f"export FASTDDS_DEFAULT_PROFILES_FILE={profile} FASTRTPS_DEFAULT_PROFILES_FILE=$_"
        fix = fix.replace("$_", str(profile))
    return Finding(FAIL, said, fix)


def _shared_memory() -> Finding:
    if not SHARED_MEMORY.is_dir():
        return Finding(FAIL, f"{SHARED_MEMORY} is missing", f"mount -t tmpfs shm {SHARED_MEMORY}")
    removed = clean_shared_memory()
    usage = shutil.disk_usage(SHARED_MEMORY)
    text = f"{usage.free >> 20} MB free of {usage.total >> 20} MB"
    if removed:
        text += f"; removed {len(removed)} segments of dead processes"
    if usage.free < _SHARED_MEMORY_BYTES:
        text += f", {_SHARED_MEMORY_BYTES >> 20} MB are needed"
        return Finding(
            FAIL, text, f"mount -o remount,size=1g {SHARED_MEMORY}; docker: --shm-size=1g"
        )
    return Finding(OK, text)


def _gpu() -> Finding:
    import torch  # heavy and possibly broken: only when its turn comes

    if not torch.cuda.is_available():
        return Finding(INFO, "none; the shipped nano policy runs on the CPU")
    free, total = torch.cuda.mem_get_info()
    name = torch.cuda.get_device_name(0)
    memory = f"{free >> 20} MB free of {total >> 20} MB"
    return Finding(OK, f"{name}, {memory}, CUDA {torch.version.cuda}")


def _launch() -> Finding:
    missing = [name for name in ("launch", "launch_ros") if importlib.util.find_spec(name) is None]
    if missing:
        return Finding(INFO, "no launch_ros, as on a pip-only machine: use onestep-vla up GRAPH")
    return Finding(OK, f"launch_ros {_version('launch-ros') or 'present'}: ros2 launch works")


def _checkpoint() -> Finding:
    from onestep_vla_ros.policy.policy import load_policy  # imports torch and transformers

    folder = shipped_checkpoint()
    try:
        policy = load_policy(folder)
    except OneStepError as error:
        return Finding(FAIL, f"{error.what}; got: {error.got}", error.do or "make setup")
    cameras = ", ".join(camera.name for camera in policy.contract.cameras)
    return Finding(OK, f"{folder.name}: hashes, shapes and contract are whole; cameras {cameras}")


def _run(command: list[str], env: dict[str, str] | None = None) -> tuple[int, str]:
    """Run a command for at most three minutes; return its status and the last line it said."""
    try:
        done = subprocess.run(  # noqa: S603 - our own modules and dpkg-query
            command, env=env, capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"{command[-1]} gave no answer within three minutes"
    lines = (done.stdout.strip() or done.stderr.strip()).splitlines()
    said = lines[-1] if lines else f"no output, status {done.returncode}"
    return done.returncode, said


CHECKS: tuple[Check, ...] = (
    Check("python", _python),
    Check("packages", _packages),
    Check("system packages", _system_packages),
    Check("ABI", _abi),
    Check("OpenGL", _graphics),
    Check("shared memory", _shared_memory),
    Check("DDS", _dds),
    Check("GPU", _gpu),
    Check("launch", _launch),
    Check("checkpoint", _checkpoint),
)
"""Every check, in the order in which one explains the next."""
