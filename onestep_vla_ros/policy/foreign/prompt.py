# SPDX-License-Identifier: Apache-2.0
"""pi0's prompt, put into the tokenizer: start token, the instruction, a line break.

The tokenizer of a checkpoint is given the bare instruction. What the projects put around it is
written into the tokenizer's own file, so that nothing has to be known at run time.

Source: `PaligemmaTokenizer` of src/openpi/models/tokenizer.py (openpi 15a9616), which also turns
underscores and line breaks into blanks (a line break that is a token of its own stays one here);
`Pi0NewLineProcessor` (lerobot 0.6.1); `PI0Processor` (transformers 5.23).
"""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, normalizers, processors
from transformers import PreTrainedTokenizerFast

from onestep_vla_ros.core.errors import CheckpointError
from onestep_vla_ros.policy.foreign.folder import read_json

FILE = "tokenizer.json"
START, PAD = "<bos>", "<pad>"


def read_tokenizer(folder: Path, vocabulary: int, is_tidied: bool) -> PreTrainedTokenizerFast:
    """Return the tokenizer in `folder` with the prompt around every instruction.

    Args:
        folder: Holds PaliGemma's tokenizer.json.
        vocabulary: Token ids the model knows; added tokens beyond it are left out.
        is_tidied: Underscores and line breaks of the instruction become blanks.

    Raises:
        CheckpointError: There is no tokenizer, or one without a start token or line break.
    """
    if not (folder / FILE).is_file():
        raise CheckpointError(
            f"tokenizer of the policy: {folder / FILE} is missing",
            allowed="PaliGemma's tokenizer.json, as its folder of transformers has it",
            do="name that folder: --tokenizer FOLDER",
        )
    data = read_json(folder / FILE)
    added = data.get("added_tokens")
    data["added_tokens"] = [
        token for token in (added if isinstance(added, list) else []) if token["id"] < vocabulary
    ]
    try:
        raw = Tokenizer.from_str(json.dumps(data))
    except Exception as error:  # the library raises bare Exceptions
        raise CheckpointError(f"{folder / FILE} cannot be read", got=error) from None
    raw.post_processor = None
    start, end = raw.token_to_id(START), raw.encode("\n", add_special_tokens=False).ids
    if start is None or not end:
        raise CheckpointError(
            f"{folder / FILE} is not PaliGemma's",
            got=f"start token {START}: {start}; line break: {end}",
            allowed="both known to it",
        )
    if is_tidied:
        tidy = [normalizers.Strip(), normalizers.Replace("_", " "), normalizers.Replace("\n", " ")]
        own = [raw.normalizer] if raw.normalizer is not None else []
        raw.normalizer = normalizers.Sequence([*tidy, *own])
    last = [raw.id_to_token(i) for i in end]
    raw.post_processor = processors.TemplateProcessing(
        single=[START, "$A", *last],
        special_tokens=[(START, start), *dict(zip(last, end, strict=True)).items()],
    )
    raw.no_padding()
    raw.no_truncation()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=raw, pad_token=PAD, bos_token=START
    )
