"""Settings files: a `key = value` a line, with comments. Pure.

A file is a list of records, one for each key, and a record is text: the comments above the key, and its line. So what
nobody changed stays byte for byte as it was.
"""

import itertools

# The key of what stands below the last setting. Every file has it, so that it stays at the end.
END = ""


def parse(text: str) -> dict[str, str]:
    """The records by key, in order. Raises ValueError where there is a line without a key, or a key twice."""
    records: dict[str, str] = {}
    record, value_goes_on = "", False
    key = END
    for number, line in enumerate(_lines(text), 1):
        record += line
        stripped = line.strip()
        if not value_goes_on:
            if _is_comment(line):
                continue
            key = _key(stripped)
            if not key:
                raise ValueError(f"line {number} has no key")
            if key in records:
                raise ValueError(f"line {number} sets {key} again")
        # A `\` at the end means that the value goes on in the next line; `\\` is a backslash.
        value_goes_on = (len(stripped) - len(stripped.rstrip("\\"))) % 2 == 1
        if not value_goes_on:
            records[key], record = record, ""
    if value_goes_on:
        records[key], record = record, ""
    records[END] = record
    return records


def render(records: dict[str, str]) -> str:
    """The text of records."""
    return "".join(records.values())


def with_value(record: str, key: str, value: object) -> str:
    """The record with another value. Raises ValueError for one that cannot be a setting's."""
    if not isinstance(value, str) or "\n" in value or "\r" in value or value.endswith("\\"):
        raise ValueError("a value is a text of one line that does not end with a backslash")
    comments = itertools.takewhile(_is_comment, _lines(record))
    return "".join(comments) + f"{key} = {value}\n"


def _is_comment(line: str) -> bool:
    return line.strip()[:1] in ("", "#", "!")


def _lines(text: str) -> list[str]:
    if not text:
        return []
    if not text.endswith("\n"):
        # So that a record which comes to stand behind this one begins on a line of its own.
        text += "\n"
    return [line + "\n" for line in text.split("\n")[:-1]]


def _key(line: str) -> str:
    ends = [line.index(mark) for mark in "=:" if mark in line]
    return line[: min(ends, default=len(line))].strip()
