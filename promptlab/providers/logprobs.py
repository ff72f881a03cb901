"""Log probabilities as endpoints give them: tokens with bounds on their entropy, and which of them are the answer's."""

from __future__ import annotations

import codecs
import math
from collections.abc import Sequence
from typing import Any

from promptlab.events import KEPT, Answer, Event, Relabelled, Scored, Thinking, Token
from promptlab.providers.shape import items, mapping, text

# Tokens of a vocabulary that nobody has told us the size of: no model in use has many more (Gemma 3 has these), and a
# bound from above stays one when the vocabulary is smaller.
VOCABULARY = 262_144
LEAST = -9999.0  # what OpenAI gives for a probability of zero
_ROUNDING = 0.01  # nats that a certain token may be above zero
_LONGEST = 200  # characters of an alternative that are kept


def entropy_bounds(
    logprobs: Sequence[float], *, cap: float | None = None, vocabulary: int = VOCABULARY
) -> tuple[float, float]:
    """The least and the most entropy, in nats, of a distribution of which only some tokens are known.

    `logprobs` are those of distinct tokens, natural; every other token is at most as probable as `cap` (a probability;
    by default, the least of the known). The mass that they leave is least uncertain where as few tokens as can be
    share it, each at `cap`, and most where all the others of the `vocabulary` share it alike. Where the known ones
    come to a little more than 1 (llama.cpp's single precision: 1.0002), they are taken for all there is.
    """
    known = [math.exp(min(0.0, logprob)) for logprob in logprobs]
    total = math.fsum(known)
    if total > 1.0:
        known = [p / total for p in known]
    given = math.fsum(-p * math.log(p) for p in known if p > 0.0)
    rest, others = max(0.0, 1.0 - total), max(1, vocabulary - len(known))
    if rest == 0.0:
        return given, given
    spread = -rest * math.log(rest / others)
    cap = min(known, default=1.0) if cap is None else cap
    if cap <= 0.0:  # nothing is left but rounding
        return given, given + spread
    cap = max(cap, rest / others)
    full, left = divmod(rest, cap)
    packed = -full * cap * math.log(cap) - (left * math.log(left) if left > 0.0 else 0.0)
    return given + packed, given + max(spread, packed)


def token(word: str, logprob: float, alternatives: Sequence[tuple[str, float]]) -> Token:
    """A token with the bounds that all its alternatives give, and the most probable few of them.

    A list may hold the token itself in place of one that is more probable. So where it is the least of the list, it
    does not say how probable a token outside can be: the one above it does.
    """
    if not alternatives:
        return Token(word, logprob)
    ranked = sorted(alternatives, key=lambda pair: -pair[1])
    scores = [score for _, score in ranked]
    last = scores[-1] if ranked[-1][0] != word else scores[-2] if len(scores) > 1 else 0.0
    if logprob < scores[-1] and all(other != word for other, _ in ranked):
        scores.append(logprob)
    low, high = entropy_bounds(scores, cap=math.exp(min(0.0, last)))
    return Token(word, logprob, low, high, tuple((other[:_LONGEST], score) for other, score in ranked[:KEPT]))


class Scores:
    """The scored tokens of one stream, from when they come until it is known what their text is.

    Endpoints score what they sample, the thinking too, and send the scores beside the piece of text that a token made.
    So a token is the answer's where the text that it came with was given as Answer: `come` notes which tokens came
    with how much content, and `settle`, after each piece, gives those whose text has become answer. Of a piece that
    is answer from some point on (after a closing tag), it is the last tokens, counted by the letters. Tokens that came
    with no text at all wait for the next piece of content; the end of a text's token, which has none, is never given.
    """

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._half = False  # a token ended within a character
        self._early: list[Token] = []
        self._waiting: list[tuple[list[Token], int]] = []  # tokens, and the length of the content that they came with
        self._said = 0  # characters at the head of the first of those that were given as answer already

    def read(self, entries: object) -> list[Token]:
        """Tokens in OpenAI's form: `token`, `logprob`, `bytes`, `top_logprobs`. What can't be read is left out."""
        found = []
        for entry in map(mapping, items(entries)):
            if (logprob := natural(entry.get("logprob"))) is not None:
                found.append(token(self._text(entry), logprob, _alternatives(entry.get("top_logprobs"))))
        return found

    def come(self, tokens: list[Token], content: int, *, thought: bool = False) -> None:
        """Tokens that came with `content` characters of content, and with a piece of thinking in a field of its own or
        not: of one piece that is both, the content is the end."""
        tokens = tokens if thought else [*self._early, *tokens]
        self._early = []
        if content:
            self._waiting.append((last_of(tokens, content), content))
        elif not thought:
            self._early = tokens

    def settle(self, pieces: list[Event], held: int = 0) -> list[Event]:
        """The pieces that became of the content that has come, but for the last `held` characters of it, and behind
        them the tokens of what of it is answer."""
        turn = max((n for n, piece in enumerate(pieces, 1) if isinstance(piece, (Thinking, Relabelled))), default=0)
        said = (0 if turn else self._said) + sum(len(p.text) for p in pieces[turn:] if isinstance(p, Answer))
        ready = sum(size for _, size in self._waiting) - held
        decided: list[tuple[list[Token], int]] = []
        while self._waiting and self._waiting[0][1] <= ready:
            decided.append(self._waiting.pop(0))
            ready -= decided[-1][1]
        self._said = min(said, max(0, ready)) if self._waiting else 0
        wanted, found = said - self._said, []
        for tokens, size in reversed(decided):
            if wanted <= 0:
                break
            found.append(last_of(tokens, wanted) if wanted < size else tokens)
            wanted -= size
        given = tuple(one for tokens in reversed(found) for one in tokens)
        return [*pieces, Scored(given)] if given else pieces

    def _text(self, entry: dict[str, Any]) -> str:
        """A token's text, so that all of them make the answer: one that ends within a character has none of it, and
        the one that completes it has it whole."""
        word = readable(text(entry.get("token")))
        given = items(entry.get("bytes"))
        if not (self._half or "\ufffd" in word or word.startswith("\\x")) or not _are_bytes(given):
            return word
        word = self._decoder.decode(bytes(given))
        self._half = bool(self._decoder.getstate()[0])
        return word


def last_of(tokens: list[Token], length: int) -> list[Token]:
    """The last tokens, as many as it takes for `length` characters."""
    at = len(tokens)
    while at and length > 0:
        at -= 1
        length -= len(tokens[at].text)
    while at and not tokens[at - 1].text:  # the first half of a character
        at -= 1
    return tokens[at:]


def natural(value: object) -> float | None:
    """A log probability, or None where it can't be one."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value or value > _ROUNDING:
        return None
    return float(min(0.0, max(LEAST, value)))


def readable(word: str) -> str:
    """A text without lone surrogates, which nothing could store."""
    return word if word.isascii() else word.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _alternatives(entries: object) -> list[tuple[str, float]]:
    found = []
    for entry in map(mapping, items(entries)):
        if (logprob := natural(entry.get("logprob"))) is not None:
            found.append((readable(text(entry.get("token"))), logprob))
    return found


def _are_bytes(given: list[Any]) -> bool:
    return bool(given) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in given)
