# SPDX-License-Identifier: Apache-2.0
"""The sub-command that makes a checkpoint of another project's policy: `convert`."""

from __future__ import annotations

import argparse
from pathlib import Path

BAR_MET = 0


def add_convert(sub: argparse.ArgumentParser) -> None:
    """Declare the arguments of `convert`."""
    sub.add_argument("source", type=Path, help="a pi0 folder of LeRobot, openpi or transformers")
    sub.add_argument("out", type=Path, help="the checkpoint to write")
    sub.add_argument(
        "--robot",
        type=Path,
        required=True,
        metavar="SHEET",
        help="YAML: cameras, period, start poses and what else such a folder does not say",
    )
    sub.add_argument(
        "--tokenizer", type=Path, help="folder of PaliGemma's tokenizer.json (default: SOURCE)"
    )
    sub.add_argument(
        "--dtype", choices=("float32", "bfloat16"), help="of the large weights (default: theirs)"
    )


def run_convert(options: argparse.Namespace) -> int:
    """Make a checkpoint of a pi0 policy from LeRobot, openpi or transformers."""
    from onestep_vla_ros.files import read_yaml
    from onestep_vla_ros.policy.checkpoint import save_checkpoint
    from onestep_vla_ros.policy.description import describe
    from onestep_vla_ros.policy.foreign.conversion import converted
    from onestep_vla_ros.policy.foreign.opening import open_source
    from onestep_vla_ros.policy.foreign.sheet import read_sheet

    sheet = read_sheet(read_yaml(options.robot))
    source = open_source(options.source, sheet)
    checkpoint = converted(source, sheet, options.tokenizer, options.dtype)
    save_checkpoint(options.out, checkpoint)
    print(describe(checkpoint))
    return BAR_MET
