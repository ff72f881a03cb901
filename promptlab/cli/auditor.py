"""What audits say before a sweep: those that are kept, and new ones where nobody knows or the user wants one."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlab import audit as auditing
from promptlab.cli.audit import Auditing, lines, run_audits
from promptlab.cli.planning import Reach
from promptlab.cli.ready import Way
from promptlab.config import Places, Settings
from promptlab.engine import Limits
from promptlab.knowledge import Finding, Knowledge
from promptlab.plan import Target
from promptlab.prospect import Prospect
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import facts_of
from promptlab.store import Store


@dataclass(slots=True)
class Auditor:
    """Told what the axes of a plan seem to be, gives what more is known: the findings of the history, of kept audits,
    and of new ones. `wanted` is --audit (True), --no-audit (False), or None: then only what nobody knows is tested."""

    reach: Reach
    wanted: bool | None
    way: Way
    limits: Limits
    places: Places
    settings: Settings
    quiet: bool = False

    def __call__(
        self, targets: Sequence[Target], prospects: Sequence[Prospect], endpoints: Mapping[str, Endpoint]
    ) -> Knowledge | None:
        known = self._known(targets, endpoints)
        untested = self._untested(targets, prospects, endpoints, known)
        if not untested or self.way.dry_run:
            return known
        for target, knobs in untested:
            found, _ = run_audits([target], Auditing(knobs), self.way, self.limits, self.places, self.settings,
                                  reach=self.reach, quiet=self.quiet)  # fmt: skip
            for one in found if not self.quiet else ():
                print("promptlab: " + "\n".join(lines(one)), file=sys.stderr)
        return self._known(targets, endpoints)

    def _known(self, targets: Sequence[Target], endpoints: Mapping[str, Endpoint]) -> Knowledge:
        """The settings' knowledge under what was found out here."""
        if not self.places.database.exists():
            return self.settings.knowledge
        store = Store(self.places.database)
        try:
            known = Knowledge(findings=store.findings()).above(self.settings.knowledge)
            audited: list[Finding] = []
            for target in targets:
                facts = facts_of(known, endpoints[target.endpoint], target.model)
                audited += auditing.findings(store.audits(facts.endpoint, facts.model), facts)
        finally:
            store.close()
        return Knowledge(findings=audited).above(known) if audited else known

    def _untested(
        self, targets: Sequence[Target], prospects: Sequence[Prospect], endpoints: Mapping[str, Endpoint],
        known: Knowledge,
    ) -> list[tuple[Target, tuple[str, ...]]]:  # fmt: skip
        """The knobs to test at each target."""
        if self.wanted is False:
            return []
        found = []
        for target in {one.text: one for one in targets}.values():
            facts = facts_of(known, endpoints[target.endpoint], target.model)
            knobs = []
            for one in prospects:
                if one.target != target.text or one.axis not in auditing.ENDS:
                    continue
                value = auditing.ENDS[one.axis][0]
                is_unknown = facts.verdict(one.axis, {one.axis: value}).word == "unknown"
                if self.wanted or (one.word == "unknown" and is_unknown):
                    knobs.append(one.axis)
            if knobs:
                found.append((target, tuple(dict.fromkeys(knobs))))
        return found
