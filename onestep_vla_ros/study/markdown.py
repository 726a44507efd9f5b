# SPDX-License-Identifier: Apache-2.0
"""An evaluation as Markdown: a table a task, its sentences, and what the clock said."""

from __future__ import annotations

from collections.abc import Sequence

from onestep_vla_ros.report import percentiles_ms
from onestep_vla_ros.study.summary import Summary
from onestep_vla_ros.train.cells import label
from onestep_vla_ros.train.evaluate import by_sentence, mean_steps
from onestep_vla_ros.trials import Paired

NOTE = (
    "Intervals are Wilson 95 %. Differences are on the same seeds against the first row of the "
    "table, with the paired 95 % score interval and the exact p of McNemar's test, not corrected "
    "for the number of rows."
)
_NONE = "–"


def report_markdown(summaries: Sequence[Summary]) -> str:
    """Return the report; all but its last section depends on the request alone."""
    cells = [s.cell for s in summaries]
    parts = ["# Evaluation", "", NOTE, ""]
    for task in dict.fromkeys(cell.task for cell in cells):
        own = [s for s in summaries if s.cell.task == task]
        parts += [f"## {task}", "", cell_table(own), "", "By sentence, successes of episodes:", ""]
        parts += [sentence_table(own), ""]
    parts += ["## Cost", "", "Times are of this machine, and not the same twice:", ""]
    parts += [clock_table(summaries), ""]
    return "\n".join(parts)


def cell_table(summaries: Sequence[Summary]) -> str:
    """Return success, wrong objects, time and the paired comparison of the cells of a task."""
    cells = [s.cell for s in summaries]
    head = ("#", "cell", "success", "rate", "95 %", "less first", "95 %", "p", "wrong", "median")
    rows = [
        (
            str(i),
            label(s.cell, cells),
            f"{s.successes} / {len(s.episodes)}",
            percent(s.rate),
            span(s.interval),
            *_against(s),
            percent(s.wrong / len(s.episodes)),
            _NONE if s.median_s is None else f"{s.median_s:.1f} s",
        )
        for i, s in enumerate(summaries, start=1)
    ]
    return table(head, rows, left=1)


def sentence_table(summaries: Sequence[Summary]) -> str:
    """Return a row a sentence, a column a cell by its number."""
    counts = [by_sentence(s.episodes) for s in summaries]
    sentences = sorted({sentence for count in counts for sentence in count})
    head = ("sentence", *(f"#{i}" for i in range(1, len(summaries) + 1)))
    rows = []
    for sentence in sentences:
        found = [count.get(sentence) for count in counts]
        row = [f"{c['successes']} / {c['episodes']}" if c else _NONE for c in found]
        rows.append((sentence, *row))
    return table(head, rows, left=0)


def clock_table(summaries: Sequence[Summary]) -> str:
    """Return inference times, decoder steps and the chunks that were refused."""
    cells = [s.cell for s in summaries]
    rows = []
    for s in summaries:
        times = percentiles_ms([t for e in s.episodes for t in e.inference_s])
        refused = sum(sum(e.rejected.values()) for e in s.episodes)
        asked = sum(e.chunks for e in s.episodes)
        shown = (f"{times['p50']:.1f} ms", f"{times['p99']:.1f} ms") if times else (_NONE, _NONE)
        steps = mean_steps(s.episodes)
        counted = _NONE if steps is None else f"{steps:.2f}"
        rows.append((label(s.cell, cells), *shown, counted, f"{refused} / {asked}"))
    head = ("cell", "inference p50", "p99", "steps a chunk", "chunks refused")
    return table(head, rows, left=0)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> str:
    """Return a Markdown table; column `left` reads from the left, the others from the right."""
    rule = ["---" if i == left else "--:" for i in range(len(head))]
    lines = [head, rule, *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.1f} %"


def span(interval: tuple[float, float]) -> str:
    """Return an interval of shares in per cent."""
    return f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def signed_span(interval: tuple[float, float]) -> str:
    """Return an interval of differences in percentage points."""
    return f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"


def p_text(p: float) -> str:
    """Return a p to three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def difference_words(paired: Paired) -> tuple[str, str, str]:
    """Return difference and interval in percentage points, and p."""
    return f"{100 * paired.difference:+.1f}", signed_span(paired.interval), p_text(paired.p)


def _against(summary: Summary) -> tuple[str, str, str]:
    paired = summary.paired
    if paired is None:
        return _NONE, _NONE, _NONE
    return difference_words(paired)
