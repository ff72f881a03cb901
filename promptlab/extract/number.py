"""Numbers as people and models write them, exact: 1,000 and 1e3 and 一千 and \\frac{2000}{2} are one value.

A unit is no part of a number (5 and 5 km are one), a percent sign is (50% is 0.5, not 50). What may be read in two
ways is not read at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from fractions import Fraction

_DIGITS = 400  # digits of a number, and of an exponent's value, at most: 1e999999999 is no number to us

_BARE = r"\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
_WORDS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12}
_FOUND = re.compile(
    rf"""(?P<money>(?:US|CA|AU|HK)?[$¥€£₩]|\b(?:RMB|CNY|USD|EUR)\b)?\s?
    (?P<number>(?<![A-Za-z0-9_.^])(?<![A-Za-z^]-)(?<![_^]\{{)(?:{_BARE}))
    (?:\^[{{(]?(?P<raised>[-+]?\d{{1,3}})[}})]?)?
    (?:\s?[×x*·]\s?10\s?\^\s?[{{(]?(?P<power>[-+]?\d+)[}})]?|[eE](?P<exponent>[-+]?\d+)(?![A-Za-z\d]))?
    (?:\s?/\s?(?P<below>\d+(?:\.\d+)?)(?![\d/]))?
    (?P<han>\s?(?:[百千万亿](?![克米瓦卡焦伏帕赫分])(?:(?:{_BARE})(?=[百千万])|\d{{2,}}(?!\d*[.,]\d))?)+)?
    (?:\s(?P<word>hundred|thousand|million|billion|trillion)s?\b)?
    (?:\s?(?P<percent>%|percent\b|per\scent\b)|(?P<mille>\s?‰))?""",
    re.VERBOSE | re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_MIXED = re.compile(r"(?P<whole>\d{1,9}) (?P<above>\d{1,9})/(?P<below>\d{1,9})")

_HAN_DIGITS = "零一二三四五六七八九"
_HAN = f"{_HAN_DIGITS}两十百千万亿"
_SAME = str.maketrans("〇○壹贰貳叁參肆伍陆陸柒捌玖拾佰仟萬億兩負點幺", "零零一二二三三四五六六七八九十百千万亿两负点一")
_HAN_FOUND = re.compile(rf"(?<![\d{_HAN}第周期初月])(?P<run>负?(?:[{_HAN}点又]|分之)+)")
_SECTION = re.compile(r"(?:(?P<千>[1-9])千)?(?:零?(?P<百>[1-9])百)?(?:零?(?P<十>[1-9]?)十)?(?P<零>零?)(?P<一>[1-9])?")
_COUNTERS = "元块个只本人岁天名位件条张次种颗朵辆斤克米头棵支页句首步倍年月日周秒角升双台道题间座所户颗吨"

_ABOUT = re.compile(
    r"(?:[A-Za-z]\s*=|[=≈~:]|(?:about|approximately|approx\.?|roughly|around|exactly|only|大约|大概|约|总共是?|一共是?|共)\s*)\s*",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"""\s*(?:
    (?:[mcdkμµn]?m|[mkμµ]?g|[mc]?l|m?s|min|hrs?|h|[km]?hz|ghz|[kmgt]?b|[km]?wh|[km]?w|[km]?j|[km]?v|[km]?pa|n|k|a|t
      |usd|eur|rmb|cny|°\s?[cf]?|℃|℉|[$€¥£])(?:\^?[23])?(?:/[a-z]{1,6}(?:\^?[23])?)?
    |(?:(?<=\s)(?!(?:or|and|to|plus|minus|times|mod|if|when|for|per)\b)[a-z]{2,20}\s?){1,3}
    |(?![^\n]{0,5}[半多余几又或和至到与及])[\u4e00-\u9fff]{1,6}
    )\.?""",
    re.VERBOSE | re.IGNORECASE,
)

_VULGAR = re.compile("[¼-¾⅐-⅞↉]")
_SUPERSCRIPT = re.compile("[⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_NARROW = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")
_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{([^{}]{1,400})\}\s*\{([^{}]{1,400})\}|(\d)\s*(\d))")
_STYLED = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|operatorname|mbox)\s*\{([^{}]{0,400})\}")
_THIN = re.compile(r"(?<=\d)(?:\\[,!;: ]|\{,\})(?=\d{3}(?!\d))")
_SMALL = {
    r"\left": "", r"\right": "", r"\displaystyle": "", r"\,": " ", r"\;": " ", r"\:": " ", r"\!": "", r"\%": "%",
    r"\$": "$", r"\times": "×", r"\cdot": "·", r"\pi": "π", r"\infty": "∞", r"^\circ": "°", r"^{\circ}": "°",
    r"\degree": "°", r"\approx": "≈", r"\(": " ", r"\)": " ", r"\[": " ", r"\]": " ", "$$": " ", r"\ ": " ",
    "−": "-", "﹣": "-", "⁄": "/", "÷": "/",
}  # fmt: skip
_SMALL_FOUND = re.compile("|".join(re.escape(one) + (r"(?![A-Za-z])" if one[-1:].isalpha() else "") for one in _SMALL))


def flatten(text: str) -> str:
    """NFKC, with simple LaTeX written out: \\frac{1}{2} as 1/2, \\text{kg} as kg. What is not simple stays LaTeX."""
    if not text.isascii():
        text = _NARROW.sub("", text)
        # NFKC makes 2½ to 21⁄2 and 10³ to 103.
        text = _VULGAR.sub(lambda found: " " + unicodedata.normalize("NFKC", found[0]).replace("⁄", "/"), text)
        text = _SUPERSCRIPT.sub(lambda found: "^" + unicodedata.normalize("NFKC", found[0]).replace("−", "-"), text)
        text = unicodedata.normalize("NFKC", text)
    elif "\\" not in text and "$$" not in text and "{,}" not in text:
        return text
    if "\\" in text or "{,}" in text:
        text = _THIN.sub(lambda found: "," if found[0] == "{,}" else "", text)
        for _ in range(3):  # a fraction in \text{} in a fraction, no deeper
            text = _STYLED.sub(r" \1", text)
            text = _FRACTION.sub(_slashed, text)
    return _SMALL_FOUND.sub(lambda found: _SMALL[found[0]], text)


def read(text: str) -> Fraction | None:
    """The number that a whole flattened text is, a unit and words like `about` aside; None where it is not just one."""
    text = text.strip()
    while text and (lead := _ABOUT.match(text)):
        text = text[lead.end() :]
    if len(text) > 3 * _DIGITS:
        return None
    sign = 1
    if text[:1] in ("-", "+"):
        sign, text = (-1 if text[0] == "-" else 1), text[1:].lstrip()
    if mixed := _MIXED.fullmatch(text):
        part = _over(Fraction(mixed["above"]), mixed["below"])
        return sign * (int(mixed["whole"]) + part) if part is not None else None
    if text in ("半", "一半"):
        return Fraction(sign, 2)
    if found := _FOUND.match(text):
        value, rest = _value(found), text[found.end() :]
    elif run := _HAN_FOUND.match(text.translate(_SAME)):
        value, rest = han(run["run"]), text[run.end() :]
    else:
        return None
    return sign * value if value is not None and (not rest.strip() or _UNIT.fullmatch(rest)) else None


def last(text: str) -> Fraction | None:
    """The last number in a flattened text, or None."""
    return next((value for _, found in reversed(_places(text)) if (value := _value_of(text, found)) is not None), None)


def every(text: str) -> Iterator[Fraction]:
    """The numbers in a flattened text in order. Chinese ones only where they can't be words: 二十五, 五元, not 一个."""
    return (value for _, found in _places(text) if (value := _value_of(text, found)) is not None)


def _places(text: str) -> list[tuple[int, re.Match[str]]]:
    if text.isascii():
        return [(found.start(), found) for found in _written(text)]
    same = text.translate(_SAME)
    chinese = (
        found for found in _HAN_FOUND.finditer(same) if _is_meant(found["run"], same[found.end() : found.end() + 1])
    )
    return sorted(((found.start(), found) for found in (*_written(text), *chinese)), key=lambda one: one[0])


def _written(text: str) -> Iterator[re.Match[str]]:
    """What `_FOUND.finditer` finds, looked for only where a digit is near: a number's first one is at most five
    characters behind its beginning (`US$ .5`)."""
    start = 0
    for digit in _DIGIT.finditer(text):
        for place in range(max(start, digit.start() - 5), digit.start() + 1):
            start = place + 1
            if found := _FOUND.match(text, place):
                start = found.end()
                yield found
                break


def _value_of(text: str, found: re.Match[str]) -> Fraction | None:
    return han(found["run"]) if found.re is _HAN_FOUND else _signed(text, found)


def form(value: Fraction) -> str:
    """The one way to write a value: 1000, -0.5, 1/3."""
    below = value.denominator
    for prime in (2, 5):
        while below % prime == 0:
            below //= prime
    if value.denominator == 1 or below != 1:
        return str(value)
    places = 0
    while (value * 10**places).denominator != 1:
        places += 1
    digits = str(abs(int(value * 10**places))).rjust(places + 1, "0")
    return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"


def han(text: str) -> Fraction | None:
    """A number in Chinese numerals: 一千零二十, 两万, 三点一四, 三分之二, 一又二分之一, 百分之五十, 负三,
    二〇二四; None for others.

    二百五 is 250 and 一万二 12,000, as they are said.
    """
    text = text.translate(_SAME)
    if len(text) > _DIGITS:
        return None
    if text.startswith("负"):
        value = han(text[1:]) if not text.startswith("负负") else None
        return None if value is None else -value
    ones, mixed, part = text.partition("又")
    if mixed:
        whole, rest = _whole(ones), han(part) if "分之" in part and "又" not in part else None
        return whole + rest if whole is not None and rest is not None else None
    below, parted, above = text.partition("分之")
    if parted:
        bottom = Fraction(100) if below == "百" else Fraction(1000) if below == "千" else han(below)
        top = han(above) if "分之" not in above else None
        return top / bottom if bottom and top is not None else None
    ones, point, decimals = text.partition("点")
    if point:
        digits = _digits(decimals)
        value = _whole(ones)
        return value + Fraction(int(digits), 10 ** len(digits)) if digits and value is not None else None
    return _whole(text)


def _whole(text: str) -> Fraction | None:
    digits = _digits(text)
    if digits and (len(digits) > 1 or text == "零" or text != "两"):
        return Fraction(int(digits))
    if text == "两":
        return Fraction(2)
    return _large(text)


def _digits(text: str) -> str:
    """Chinese digits alone as Arabic ones, else an empty string."""
    return "".join(str(_HAN_DIGITS.find(char)) for char in text) if text and set(text) <= set(_HAN_DIGITS) else (
        "2" if text == "两" else "")  # fmt: skip


def _large(text: str) -> Fraction | None:
    for unit, size in (("亿", 10**8), ("万", 10**4)):
        left, found, right = text.rpartition(unit)
        if not found:
            continue
        above = _whole(left) if left else None
        if above is None or (unit == "万" and above >= 10**4) or above >= 10**12:
            return None
        if not right:
            return above * size
        if len(right) == 1:  # 一万二
            return above * size + int(_digits(right) or 0) * size // 10 if right not in "零十" else None
        rest = _large(right.removeprefix("零")) if len(right.removeprefix("零")) > 1 else _whole(right[-1])
        return above * size + rest if rest is not None and rest < size else None
    return _section(text)


def _section(text: str) -> Fraction | None:
    """A number below 10,000: 三千零五, 二百五, 十二."""
    arabic = "".join(
        str(_HAN_DIGITS.find(char)) if char in _HAN_DIGITS[1:] else "2" if char == "两" else char for char in text
    )
    found = _SECTION.fullmatch(arabic) if text else None
    if found is None or (found["零"] and not found["一"]) or "两十" in text or (len(text) > 1 and text[-1] == "两"):
        return None
    sizes = {"千": 1000, "百": 100, "十": 10}
    value = sum(int(found[unit] or (found[unit] is not None)) * size for unit, size in sizes.items())
    ones = int(found["一"] or 0)
    lowest = next((size for unit, size in reversed(sizes.items()) if found[unit] is not None), 1)
    if ones and not found["零"] and lowest > 10:
        ones *= lowest // 10
    return Fraction(value + ones)


def _is_meant(run: str, following: str) -> bool:
    if len(run) > 1:
        return any(unit in run for unit in "十百千万亿点零") or "分之" in run
    return run not in "一零百千万亿点" and following != "" and following in _COUNTERS


def _signed(text: str, found: re.Match[str]) -> Fraction | None:
    """The value with the sign before it, if that is one: not in 5-3, GPT-4 or 10 -3."""
    value, start = _value(found), found.start()
    if value is None or not text.endswith("-", 0, start):
        return value
    ahead = text[max(0, start - 41) : start - 1]
    joins = re.search(r"[\w)\]}%]$", ahead) or re.search(r"[\d)\]]\s*$", ahead)
    return value if joins else -value


def _value(found: re.Match[str]) -> Fraction | None:
    digits = found["number"].replace(",", "")
    power = (
        int(found["power"] or found["exponent"] or 0)
        if len(found["power"] or found["exponent"] or "") < 5
        else _DIGITS + 1
    )
    if len(digits) > _DIGITS or abs(power) > _DIGITS:
        return None
    value: Fraction | None = Fraction(digits) * Fraction(10) ** power
    if found["raised"]:
        raised = int(found["raised"])
        if not value or len(digits) * abs(raised) > _DIGITS:
            return None
        value = value**raised
    if found["han"]:
        value = _with_han(found["number"] + found["han"].strip()) if not power and not found["below"] else None
    if value is not None and found["below"]:
        value = _over(value, found["below"])
    if value is None:
        return None
    if found["word"]:
        value *= 10 ** _WORDS[found["word"].lower()]
    return value / 100 if found["percent"] else value / 1000 if found["mille"] else value


def _with_han(text: str) -> Fraction | None:
    """Arabic digits with Chinese units: 1.5万, 3万5千, 2亿3000万."""
    total, below = Fraction(0), 10**13
    for digits, units in re.findall(r"([\d.,]+)([百千万亿]*)", text):
        size = 1
        for unit in units:
            size *= {"百": 100, "千": 1000, "万": 10**4, "亿": 10**8}[unit]
        part = Fraction(digits.replace(",", "")) * size
        if part >= below:
            return None
        total, below = total + part, size
    return total


def _over(value: Fraction, below: str) -> Fraction | None:
    bottom = Fraction(below) if len(below) <= _DIGITS else Fraction(0)
    return value / bottom if bottom else None


def _slashed(found: re.Match[str]) -> str:
    above, below = (found[1], found[2]) if found[1] is not None else (found[3], found[4])
    return "/".join(part if re.fullmatch(r"\s*[\w.]+\s*", part) else f"({part})" for part in (above, below))
