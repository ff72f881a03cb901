"""The README's picture: a run out of the history, as rich exports it. `python docs/picture.py RUN FILE.svg [WIDTH]`"""

import io
import sys
from pathlib import Path

from rich.console import Console

from promptlab import config
from promptlab.cli.planning import endpoints_of
from promptlab.cli.ready import costing
from promptlab.render.live import Panes
from promptlab.store import Store

store = Store(config.places().database)
run = store.run(int(sys.argv[1]))
console = Console(record=True, width=int((sys.argv[3:] or ["100"])[0]), height=60, file=io.StringIO(),
                  force_terminal=True, color_system="truecolor")  # fmt: skip
panes = Panes(run, console, costing(endpoints_of(run.plan, config.settings(config.places()))), lambda: 0.0)
for stamped in store.events(run.id or 0):
    panes(stamped)
panes.close()
Path(sys.argv[2]).write_text(console.export_svg(title=sys.argv[4] if len(sys.argv) > 4 else "promptlab"), "utf-8")
