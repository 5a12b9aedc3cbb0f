"""Words that fit where they are shown: names cut to a width, numbers with their nouns."""

from __future__ import annotations

from unicodedata import east_asian_width


def printable(text: str) -> str:
    r"""Gives `text` on one line and without control characters, which terminals obey and XML cannot hold.

    >>> printable("two\nlines")
    'two lines'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


def columns(text: str) -> int:
    """Counts the columns that `text` takes in a fixed-width font; many East Asian characters take two.

    >>> columns("sales"), columns("売上")
    (5, 4)
    """
    return len(text) if text.isascii() else sum(2 if east_asian_width(c) in "WF" else 1 for c in text)


def shortened(text: str, most: int) -> str:
    """Gives a name in at most `most` columns, cut in its middle, where names differ least.

    >>> shortened("load_transactions_of_europe", 16)
    'load_tra…_europe'
    """
    text = printable(text)
    if columns(text) <= most:
        return text
    tail = (most - 1) // 2
    head = most - 1 - tail
    while columns(text[:head]) > most - 1 - tail:
        head -= 1
    tail_at = len(text) - tail
    while columns(text[tail_at:]) > tail:
        tail_at += 1
    return f"{text[:head]}…{text[tail_at:]}"


def cut(text: str, most: int) -> str:
    """Gives a line in at most `most` columns, cut at its end.

    >>> cut("read by load_sales", 10)
    'read by l…'
    """
    text = printable(text)
    if columns(text) <= most:
        return text
    text = text[:most]
    while text and columns(text) > most - 1:
        text = text[:-1]
    return text + "…"


def padded(text: str, width: int) -> str:
    """Gives `text` with spaces after it up to `width` columns."""
    return text + " " * (width - columns(text))


def counted(count: int, noun: str) -> str:
    """Gives a number with its noun.

    >>> counted(1, "task"), counted(4000, "task")
    ('1 task', '4,000 tasks')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
