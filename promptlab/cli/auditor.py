"""What audits say before a sweep: those that are kept, and new ones where nobody knows or the user wants one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from promptlab import audit as auditing
from promptlab.cli.audit import Auditing, lines, run_audits
from promptlab.cli.output import notice
from promptlab.cli.planning import Reach
from promptlab.cli.ready import Way, known
from promptlab.config import Places, Settings
from promptlab.engine import Limits
from promptlab.errors import Sentence
from promptlab.knowledge import Facts, Knowledge
from promptlab.plan import Target
from promptlab.prospect import Prospect
from promptlab.providers.catalog import Endpoint
from promptlab.providers.registry import facts_of
from promptlab.store import Store


@dataclass(slots=True)
class Auditor:
    """Told what the axes of a plan seem to be, gives what more is known: the findings of the history, of kept audits,
    and of new ones. `wanted` is --audit (True), --no-audit (False), or neither (None): then what nobody knows is
    tested, once, unless the sweep is `capped`: a test nobody asked for must not eat the money."""

    reach: Reach
    wanted: bool | None
    way: Way
    limits: Limits
    places: Places
    settings: Settings
    capped: bool = False
    quiet: bool = False

    def __call__(
        self, targets: Sequence[Target], prospects: Sequence[Prospect], endpoints: Mapping[str, Endpoint]
    ) -> Knowledge | None:
        models = [(endpoints[target.endpoint], target.model) for target in targets]
        store = Store(self.places.database) if self.places.database.exists() else None
        try:
            found = known(store, self.settings.knowledge, models)
            untested = self._untested(targets, prospects, endpoints, found, store)
        finally:
            if store is not None:
                store.close()
        if not untested or self.way.dry_run:
            return found
        for target, knobs in untested:
            self._offer(Sentence("{target}: first it is tested whether {knobs} does anything there: 24 to 72 calls of "
                               "one token each; --no-audit leaves it out", target=target.text,
                               knobs=Sentence.joined(" and ", knobs)))  # fmt: skip
            for one in self._audit(target, knobs):
                self._report(one)
        store = Store(self.places.database)
        try:
            return known(store, self.settings.knowledge, models)
        finally:
            store.close()

    def _audit(self, target: Target, knobs: tuple[str, ...]) -> list[auditing.Audited]:
        return run_audits([target], Auditing(knobs), self.way, self.limits, self.places, self.settings,
                          reach=self.reach, quiet=self.quiet)[0]  # fmt: skip

    def _offer(self, text: str) -> None:
        """What is going to be tested, and how not to."""
        self._say(text)

    def _report(self, one: auditing.Audited) -> None:
        for line in lines(one):
            self._say(line.strip())

    def _say(self, text: str) -> None:
        if not self.quiet:
            notice(text)

    def _untested(
        self, targets: Sequence[Target], prospects: Sequence[Prospect], endpoints: Mapping[str, Endpoint],
        known: Knowledge, store: Store | None,
    ) -> list[tuple[Target, tuple[str, ...]]]:  # fmt: skip
        """The knobs to test at each target; what an earlier audit said is told."""
        if self.wanted is False:
            return []
        found = []
        for target in {one.text: one for one in targets}.values():
            facts = facts_of(known, endpoints[target.endpoint], target.model)
            kept = {one.parameter: one for one in store.audits(facts.endpoint, facts.model)} if store else {}
            knobs = []
            for axis in dict.fromkeys(one.axis for one in prospects if one.target == target.text):
                if axis not in auditing.ENDS:
                    continue
                if axis in kept and not self.wanted:
                    self._say(Sentence("{target}: {axis} was audited on {day}: {word}; --audit asks again",
                                       target=target.text, axis=axis, day=kept[axis].date[:10],
                                       word=Sentence.whole(kept[axis].word)))  # fmt: skip
                elif self.wanted or (not self.capped and self._is_unknown(facts, axis)):
                    knobs.append(axis)
            if knobs:
                found.append((target, tuple(knobs)))
        return found

    @staticmethod
    def _is_unknown(facts: Facts, axis: str) -> bool:
        return facts.verdict(axis, {axis: auditing.ENDS[axis][0]}).word == "unknown"
