# SPDX-License-Identifier: Apache-2.0
"""The controlled task: a grid of real digits, read row by row as one continuous chunk."""
