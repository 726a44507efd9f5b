# SPDX-License-Identifier: Apache-2.0
"""The torch side: encoder, one-step flow head, decoder, checkpoint."""
