"""`promptlab stable`: the same request several times, and whether it gives the same answer."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from promptlab.analysis import Sample
from promptlab.analysis.stability import Stability, deterministic
from promptlab.axis import split_option
from promptlab.cli.outcome import Wanted
from promptlab.cli.output import Output
from promptlab.cli.planning import Asked
from promptlab.cli.ready import Way
from promptlab.cli.sweep import Carrying, sweep
from promptlab.engine import Limits
from promptlab.params import show
from promptlab.plan import Run
from promptlab.render.plain import escaped
from promptlab.render.record import run_head
from promptlab.render.sanitise import clean_line
from promptlab.render.wrap import wrap_line
from promptlab.sweep import Axis, Sweep, read_axes


def stable(asked: Asked, runs: int, output: Output, limits: Limits, way: Way) -> int:
    """Ask `runs` times, at temperature 0 unless another is set, and say how many answers there are."""
    axes = read_axes([*asked.parameters, *map(split_option, asked.options)])
    if not any(axis.name == "temperature" for axis in axes):
        axes = (Axis("temperature", (0.0,)), *axes)
    whole = Sweep(
        prompt=asked.prompt or "", profile=asked.profile, targets=tuple(asked.models), axes=axes, repeats=runs,
        system=asked.system or "", variables=tuple(map(split_option, asked.variables)), files=tuple(asked.files),
        keep_samplers=True,  # what is asked about is the server as it is
    )  # fmt: skip
    return sweep(whole, asked, Carrying(audit=False, logprobs=False, wanted=Wanted(stable=True)), output, limits, way)


def tell(run: Run, found: Iterable[Sample], output: Output) -> None:
    """Print how many answers each setting gave, and where they part."""
    settings: dict[str, list[Sample]] = {}
    for sample in found:
        cell = run.plan.cells[sample.cell]
        where = [f"{name} {show(value)}" for name, value in cell.request.parameters.items() if name == "temperature"]
        where += [f"{name} {show(value)}" for name, value in cell.varied.items() if name != "temperature"]
        row = [f"row {sample.row + 1}"] if sample.row is not None else []
        settings.setdefault(" ".join([sample.target, *where, *row]), []).append(sample)
    results = {name: deterministic(samples) for name, samples in settings.items()}
    if output.format in ("json", "jsonl"):
        records = [{"setting": name, **asdict(one), "distinct": one.distinct, "same": one.same}
                   for name, one in results.items()]  # fmt: skip
        whole = [{"run": run_head(run), "stability": records}] if output.format == "json" else records
        sys.stdout.writelines(escaped(json.dumps(one, ensure_ascii=False)) + "\n" for one in whole)
        return
    for name, one in results.items():
        for line in _lines(name, one, settings[name][0].answer):
            wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
            sys.stdout.write("\n".join(wrap_line(clean_line(line), wide) if wide else [clean_line(line)]) + "\n")


def _lines(name: str, one: Stability, answer: str) -> Iterator[str]:
    if one.n == 0:
        yield f"{name}: no answer"
    elif one.distinct == 1:
        # With n equal answers of n, the share of requests that would differ is below this in 95 of 100 such trials.
        yield f"{name}: {one.n} answers, all the same (up to {1 - 0.05 ** (1 / one.n):.0%} could still differ)"
        yield f"    {_shown(answer)}"
    else:
        counts = ", ".join(str(len(group)) for group in one.groups)
        yield f"{name}: {one.distinct} different answers of {one.n} ({counts}): not deterministic here"
        yield f"  they part at {one.place}:"
        yield f"    …{_shown(one.left)}"
        yield f"    …{_shown(one.right)}"
    if one.thoughts > 1:
        yield f"  {one.thoughts} different thinking traces"
    if one.left_out:
        yield f"  {one.left_out} without an answer are not counted"


def _shown(text: str) -> str:
    """A piece of an answer on one line, its line ends as a sign."""
    return " ⏎ ".join(part.strip() for part in text.strip().splitlines())[:200]
