# SPDX-License-Identifier: Apache-2.0
"""The parameter tables of the documentation, from the schema and the shipped values.

Run `python test/readme_tables.py` to write them anew.
"""

import re
from pathlib import Path

from onestep_vla_ros.core.bridge_config import BridgeConfig
from onestep_vla_ros.core.config import PolicyNodeConfig, SimNodeConfig
from onestep_vla_ros.core.delta_config import DeltaConfig
from onestep_vla_ros.core.parameter import markdown_table
from onestep_vla_ros.files import read_parameters

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "resource" / "pages" / "parameters.md"
TABLES = {
    "bridge": BridgeConfig,
    "bridge_libero": DeltaConfig,
    "policy": PolicyNodeConfig,
    "sim": SimNodeConfig,
}


def with_tables(text: str) -> str:
    """Return the page's text with every table as the schema gives it."""
    for name, kind in TABLES.items():
        table = markdown_table(kind, read_parameters(f"{name}.yaml"))
        pattern = rf"(<!-- parameters: {name} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda m, t=table: m[1] + t + m[2], text, flags=re.DOTALL)
        assert count == 1, f"{PAGE.name} has {count} places for the table of {name}"
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
