# SPDX-License-Identifier: Apache-2.0
"""Instructions to token ids: a byte-level BPE trained on sentences, read by AutoTokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer as RawTokenizer
from tokenizers import decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from onestep_vla_ros.core.errors import ObservationError
from onestep_vla_ros.policy.encoder import Text

PAD = "<pad>"


def train_tokenizer(sentences: Sequence[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE with at most `vocabulary` ids; any UTF-8 text can be encoded."""
    raw = RawTokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    raw.train_from_iterator(sorted(set(sentences)), trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token=PAD)


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Return the tokenizer saved in `folder`; never the network, never foreign code."""
    return AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )


def tokenize(
    tokenizer: PreTrainedTokenizerBase, sentences: Sequence[str], max_tokens: int
) -> Text:
    """Return the sentences as one padded batch.

    Raises:
        ObservationError: A sentence needs more than `max_tokens` tokens; nothing is cut
            off in silence.
    """
    ids = [tokenizer.encode(sentence) for sentence in sentences]
    longest = max(map(len, ids))
    if longest > max_tokens:
        raise ObservationError(
            "instruction has too many tokens for this checkpoint",
            got=f"{longest} tokens",
            allowed=f"{max_tokens} tokens",
            do="say it in fewer words, close to the checkpoint's instruction examples",
        )
    batch = torch.zeros(len(ids), max(longest, 1), dtype=torch.int64)
    mask = torch.zeros(batch.shape, dtype=torch.bool)
    for row, sentence in enumerate(ids):
        batch[row, : len(sentence)] = torch.tensor(sentence, dtype=torch.int64)
        mask[row, : len(sentence)] = True
    return Text(batch, mask)
