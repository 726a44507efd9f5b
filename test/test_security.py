# SPDX-License-Identifier: Apache-2.0
"""Nothing in this package unpickles, evaluates or fetches code; read from the source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    *sorted((ROOT / "onestep_vla_ros").rglob("*.py")),
    *sorted((ROOT / "launch").rglob("*.py")),
    ROOT / "setup.py",
]
MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve", "marshal"}
CALLS = {
    "eval",
    "exec",
    "compile",
    "torch.load",
    "yaml.load",
    "yaml.unsafe_load",
    "yaml.full_load",
    "os.system",
    "os.popen",
    "numpy.load",
    "np.load",
}
TRUE_ARGUMENTS = {"shell", "trust_remote_code", "allow_pickle"}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def dangers(tree: ast.AST) -> list[str]:
    """Every forbidden import, call or argument with its line."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = getattr(node, "module", None) or ""
            names = [module, *(alias.name for alias in node.names)]
            found += [f"{node.lineno}: import {n}" for n in names if n.split(".")[0] in MODULES]
        if isinstance(node, ast.Call):
            found += [f"{node.lineno}: {text}" for text in call_dangers(node)]
    return found


def call_dangers(node: ast.Call) -> list[str]:
    name = dotted(node.func)
    given = {word.arg: word.value for word in node.keywords}
    is_false = {
        word
        for word, value in given.items()
        if isinstance(value, ast.Constant) and value.value is False
    }
    found = [f"{word} is not False" for word in TRUE_ARGUMENTS & (set(given) - is_false)]
    if name in {"np.load", "numpy.load"}:
        return (
            found if "allow_pickle" in is_false else [*found, f"{name} without allow_pickle=False"]
        )
    return [*found, name] if name in CALLS else found


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_nothing_can_run_foreign_code(path):
    found = dangers(ast.parse(path.read_text(encoding="utf-8")))
    if path.name == "libero_states.py":  # reads arrays alone; test_libero_plus tries it out
        found = [line for line in found if not line.endswith(": import pickle")]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=True)",
        "AutoModel.from_pretrained(x, trust_remote_code=flag)",
    ],
)
def test_the_check_sees(text):
    assert dangers(ast.parse(text))


@pytest.mark.parametrize(
    "text", ["np.load(path, allow_pickle=False)", "yaml.safe_load(text)", "model.eval()"]
)
def test_the_check_lets_pass(text):
    assert not dangers(ast.parse(text))


def test_models_are_read_from_disk_only():
    """Every from_pretrained of ours says local_files_only=True."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and dotted(node.func).endswith(".from_pretrained"):
                given = {word.arg: word.value for word in node.keywords}
                value = given.get("local_files_only")
                assert isinstance(value, ast.Constant), f"{path}:{node.lineno}"
                assert value.value is True, f"{path}:{node.lineno}"
