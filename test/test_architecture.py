# SPDX-License-Identifier: Apache-2.0
"""The rules of the house, read from the source: arrows point down, one noun a file."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "onestep_vla_ros"
SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))
LAYERS = ("core", "policy", "sim", "train", "digits", "nodes")
# Who may import whom. The files beside the layers are composition roots, but for files.py (paths
# and YAML), transport.py, report.py (machine facts) and trials.py (statistics), which anyone
# above core may use.
ALLOWED = {
    "core": {"core"},
    "policy": {"core", "policy", "root"},
    "sim": {"core", "sim", "root"},
    "train": {"core", "policy", "sim", "train", "root"},
    # the controlled task: the policy's head and learner on digits, no robot and no simulator
    "digits": {"core", "policy", "train", "digits", "root"},
    "nodes": {"core", "policy", "sim", "nodes", "root"},
}
ROOT_FILES_FOR_ALL = {"files", "transport", "report", "trials"}
ROS = {
    "rclpy",
    "ament_index_python",
    "builtin_interfaces",
    "cv_bridge",
    "rcl_interfaces",
    "rosgraph_msgs",
    "rosidl_runtime_py",
}
MAX_LINES = 300
MAX_FUNCTION_LINES = 40


def name_of(path: Path) -> str:
    """onestep_vla_ros/core/chunk.py -> core.chunk."""
    return ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts)


def layer_of(name: str) -> str:
    head = name.split(".")[0]
    return head if head in LAYERS else "root"


def imports(path: Path) -> list[tuple[str, ast.stmt]]:
    """Every imported module, also those inside functions."""
    found: list[tuple[str, ast.stmt]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(("." * node.level + (node.module or ""), node))
    return found


def ours(path: Path) -> set[str]:
    prefix = PACKAGE + "."
    return {name[len(prefix) :] for name, _ in imports(path) if name.startswith(prefix)}


GRAPH = {name_of(path): ours(path) for path in SOURCES}


def is_ros(module: str) -> bool:
    top = module.split(".")[0]
    return top in ROS or top.endswith(("_msgs", "_srvs"))


def test_arrows_point_down_only():
    upward = [
        f"{name} -> {target}"
        for name, targets in GRAPH.items()
        for target in targets
        if layer_of(name) != "root" and layer_of(target) not in ALLOWED[layer_of(name)]
    ]
    assert not upward


def test_layers_use_only_the_shared_files_at_the_package_root():
    wrong = [
        f"{name} -> {target}"
        for name, targets in GRAPH.items()
        for target in targets
        if layer_of(name) != "root"
        and layer_of(target) == "root"
        and target not in ROOT_FILES_FOR_ALL
        # it is a study beside `study`, whose pools, verdicts and pictures it shares
        and not (layer_of(name) == "digits" and target.startswith("study."))
    ]
    assert not wrong


def test_no_circle():
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name in done:
            return
        for target in GRAPH.get(name, ()):
            visit(target, (*trail, name))
        done.add(name)

    for name in GRAPH:
        visit(name, ())


def test_core_needs_numpy_and_the_standard_library_only():
    foreign = {
        f"{name_of(path)}: {module}"
        for path in SOURCES
        if layer_of(name_of(path)) == "core"
        for module, _ in imports(path)
        if module.split(".")[0] not in {*sys.stdlib_module_names, "numpy", PACKAGE}
    }
    assert not foreign


def test_ros_is_imported_in_nodes_only():
    strays = {
        f"{name_of(path)}: {module}"
        for path in SOURCES
        if layer_of(name_of(path)) != "nodes"
        for module, _ in imports(path)
        if is_ros(module)
    }
    assert not strays


def test_imports_are_absolute_and_name_what_they_need():
    wrong = [
        f"{name_of(path)}: {module or 'relative'}"
        for path in SOURCES
        for module, node in imports(path)
        if module.startswith(".")
        or (isinstance(node, ast.ImportFrom) and any(a.name == "*" for a in node.names))
    ]
    assert not wrong


def test_bridge_and_simulator_processes_never_load_torch():
    """Inference and the control tick never share a process."""

    def reach(name: str, seen: set[str]) -> set[str]:
        for target in GRAPH.get(name, set()) - seen:
            seen.add(target)
            reach(target, seen)
        return seen

    for node in ("nodes.bridge_node", "nodes.sim_node"):
        assert node in GRAPH
        assert not {name for name in reach(node, set()) if layer_of(name) == "policy"}


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_file_is_small_and_licensed(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# SPDX-License-Identifier: Apache-2.0"
    assert len(lines) <= MAX_LINES


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_functions_fit_a_screen(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and code_lines(node) > MAX_FUNCTION_LINES
    ]
    assert not long


def code_lines(node: ast.FunctionDef) -> int:
    """Lines of a function from `def` to its end, its docstring not counted."""
    total = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        total -= first.end_lineno - first.lineno + 1
    return total


def test_init_files_hold_a_docstring_and_nothing_else():
    for path in SOURCES:
        if path.name == "__init__.py":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert len(body) == 1, path
            assert isinstance(body[0], ast.Expr), path


def test_no_file_is_called_after_what_it_is_not():
    banned = {"utils", "util", "helpers", "common", "misc", "base"}
    assert not {name for name in GRAPH if banned & set(name.split("."))}
