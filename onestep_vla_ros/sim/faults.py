# SPDX-License-Identifier: Apache-2.0
"""Faults of a stream: what becomes of one stamped item on its way, as pure functions of time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stamped(Generic[T]):
    """An image, joint state or chunk and the time it was captured at [s]."""

    value: T
    stamp_s: float


@dataclass(frozen=True, slots=True)
class Delivery(Generic[T]):
    """An item and the time at which it is handed on [s]."""

    item: Stamped[T]
    at_s: float


class Fault(Protocol[T]):
    """Turns one item sent at `now_s` into what is handed on: nothing, it, or several."""

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return what arrives of `item` and when; stamps and times in seconds."""


@dataclass(frozen=True, slots=True)
class Clean(Generic[T]):
    """Nothing happens to the stream."""

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the item, at once."""
        return [Delivery(item, now_s)]


@dataclass(frozen=True, slots=True)
class Off(Generic[T]):
    """Nothing arrives any more: unplugged, crashed or cut off."""

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return nothing."""
        return []


@dataclass(slots=True)
class Stuck(Generic[T]):
    """The first item comes again and again, with its own stamp or with fresh ones."""

    has_fresh_stamps: bool = False
    _first: Stamped[T] | None = field(default=None, init=False)

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the first item there was."""
        self._first = self._first or item
        stamp_s = item.stamp_s if self.has_fresh_stamps else self._first.stamp_s
        return [Delivery(replace(self._first, stamp_s=stamp_s), now_s)]


@dataclass(frozen=True, slots=True)
class Garbage(Generic[T]):
    """Every item's value is replaced: NaN, wrong size, a far-off value, other names."""

    spoil: Callable[[T], T]

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the spoilt item."""
        return [Delivery(replace(item, value=self.spoil(item.value)), now_s)]


@dataclass(slots=True)
class Slow(Generic[T]):
    """Only every n-th item comes."""

    every: int
    _count: int = field(default=-1, init=False)

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the item when it is its turn."""
        self._count += 1
        return [] if self._count % self.every else [Delivery(item, now_s)]


@dataclass(frozen=True, slots=True)
class Delayed(Generic[T]):
    """Items come later than they were sent, with the stamp they had."""

    delay_s: float

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the item, to be handed on later."""
        return [Delivery(item, now_s + self.delay_s)]


@dataclass(frozen=True, slots=True)
class Misstamped(Generic[T]):
    """Items come in time, with stamps that are off; positive lies in the future."""

    offset_s: float

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the item with its wrong stamp."""
        return [Delivery(replace(item, stamp_s=item.stamp_s + self.offset_s), now_s)]


@dataclass(slots=True)
class Lossy(Generic[T]):
    """A share of the items is lost at random, at most so many in a row.

    Args:
        share: Chance of each to be lost, 0..1.
        longest: Most that are lost in a row.
        rng: Seeded source of chance.
    """

    share: float
    longest: int
    rng: np.random.Generator
    _lost: int = field(default=0, init=False)

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the item unless it is lost."""
        self._lost = self._lost + 1 if self.rng.random() < self.share else 0
        if 0 < self._lost <= self.longest:
            return []
        self._lost = 0
        return [Delivery(item, now_s)]


@dataclass(frozen=True, slots=True)
class Duplicated(Generic[T]):
    """Every item comes several times, `gap_s` apart."""

    times: int
    gap_s: float

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the item and its copies."""
        return [Delivery(item, now_s + i * self.gap_s) for i in range(self.times)]


@dataclass(slots=True)
class Reordered(Generic[T]):
    """Items are collected and handed on in random order, `size` at a time.

    Args:
        size: How many are collected.
        gap_s: Time between two that are handed on [s].
        rng: Seeded source of the order.
    """

    size: int
    gap_s: float
    rng: np.random.Generator
    _kept: list[Stamped[T]] = field(default_factory=list, init=False)

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return nothing until `size` are together, then all of them."""
        self._kept.append(item)
        if len(self._kept) < self.size:
            return []
        order = self.rng.permutation(self.size)
        found = [Delivery(self._kept[k], now_s + i * self.gap_s) for i, k in enumerate(order)]
        self._kept = []
        return found


@dataclass(frozen=True, slots=True)
class Extra(Generic[T]):
    """Something else comes after every item, for example a chunk that nobody should obey.

    Args:
        make: The extra items after an item.
        after_s: How much later the first of them comes; the next follow at the same gap [s].
    """

    make: Callable[[Stamped[T]], Sequence[Stamped[T]]]
    after_s: float

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return the item and what comes after it."""
        extra = self.make(item)
        found = [Delivery(item, now_s)]
        found += [Delivery(e, now_s + (i + 1) * self.after_s) for i, e in enumerate(extra)]
        return found


@dataclass(slots=True)
class Stream(Generic[T]):
    """A stream on which one fault acts for a while; clean before and after.

    Attributes:
        fault: What happens from `from_s` until before `until_s`.
    """

    fault: Fault[T] = field(default_factory=Clean)
    from_s: float = -np.inf
    until_s: float = np.inf

    def pass_on(self, item: Stamped[T], now_s: float) -> list[Delivery[T]]:
        """Return what arrives of an item sent at `now_s` and when."""
        if self.from_s <= now_s < self.until_s:
            return self.fault.pass_on(item, now_s)
        return [Delivery(item, now_s)]

    def inject(self, fault: Fault[T], from_s: float, until_s: float = np.inf) -> None:
        """Let `fault` act from `from_s` until before `until_s` [s]."""
        self.fault, self.from_s, self.until_s = fault, from_s, until_s
