"""One row in words, as the command line has it: numbers in the model's order, or column=number in any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lr_runtime.errors import InputError, OptionError, escaped, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lr_runtime.contract.columns import Column
    from lr_runtime.tables import TableOptions

    Value = float | int | str | None


def row_of(words: Sequence[str], columns: Sequence[Column], options: TableOptions) -> dict[str, Value]:
    """Return the values of one row by name: a category's as text, None where one is missing. Raises OptionError for too
    few, too many, or names that are none of the model's; InputError for text in place of a number.
    """
    return {column.name: _value(column, word, options) for column, word in _assigned(words, columns, options)}


def _assigned(words: Sequence[str], columns: Sequence[Column], options: TableOptions) -> list[tuple[Column, str]]:
    names = [column.name for column in columns]
    in_order = len(words) == len(columns) and all(
        _is_value(column, word, options) for column, word in zip(columns, words, strict=True)
    )
    named = [word.rpartition("=") for word in words]
    if in_order or not all(equals for _, equals, _ in named):
        if len(words) != len(columns):
            raise OptionError(f"expected {len(columns)} values ({listed(names)}), got {len(words)}")
        return list(zip(columns, words, strict=True))
    given = {name: word for name, _, word in named}
    if unknown := [name for name in given if name not in names]:
        raise OptionError(f"the model has no column {escaped(unknown[0])}; its columns are {listed(names)}")
    if missing := [name for name in names if name not in given]:
        raise OptionError(f"the column {escaped(missing[0])} is missing; the model takes {listed(names)}")
    if len(given) < len(named):
        raise OptionError("a column stands twice; give each one value")
    return [(column, given[column.name]) for column in columns]


def _is_value(column: Column, word: str, options: TableOptions) -> bool:
    if column.kind == "category":
        return options.text(word) in column.categories
    return options.is_number(word) or (column.missing != "error" and options.is_missing_number(word))


def _value(column: Column, word: str, options: TableOptions) -> Value:
    if column.kind == "category":
        return options.text(word)
    if column.missing != "error" and options.is_missing_number(word):
        return None
    if column.time is not None and not options.is_number(word):
        return word
    if not options.is_number(word):
        raise InputError(f"column {escaped(column.name)}: {escaped(word)} is neither a finite number nor a file")
    integer = options.integer(word)
    return options.number(word) if integer is None else integer
