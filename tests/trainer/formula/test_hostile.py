"""A formula from a stranger runs nothing, and is refused soon and in one line."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lr_runtime.errors import OptionError
from lr_trainer.formula.parse import parsed

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["y", *"abcdef"]
CODE = "__import__('os').system('touch hacked')"
EVIL = [
    "{}",
    "({})",
    "bs({})",
    "poly({}, 2)",
    "C({})",
    "C(a, {})",
    "C(a, contr.treatment({}))",
    "I({})",
    "I(a*{})",
    "I(a**{})",
    "log({})",
    "hinge(a, {})",
    "np.log({})",
    "center({})",
    "lookup({})",
    "a[{}]",
    "{{{}}}",
    "{{f'{{{}}}'}}",
    "I(lambda: {})",
    "I((lambda: {})())",
    "I((a := {}))",
    "I([{} for a in b])",
    "I(a if {} else b)",
    "`{}`",
    "a:{}",
    "(a + {})**2",
    "I({}).real",
    "log(a).__class__.__mro__[1].__subclasses__()",
    "I(().__class__)",
    "exec(\"import os; os.system('touch hacked')\")",
    "eval('1')",
    "open('hacked', 'w')",
    "I(a, {})",
    "I(a, b={})",
    "I(*[{}])",
    "I(**{{'a': {}}})",
    "@{}",
    "await({})",
    "yield({})",
]

# In a process of its own, in a folder of its own: what ran would leave a file there, or say so on its output.
RUNS = """
import sys
from lr_runtime.errors import OptionError
from lr_trainer.formula.parse import parsed
watched = {"os.system", "subprocess.Popen", "exec", "open"}
sys.addaudithook(lambda event, _: print(event) if armed and event in watched else None)
armed = False
parsed("y ~ a", ["y", "a", "b"])
armed = True
for formula in sys.argv[1:]:
    try:
        print("took", formula, parsed(formula, ["y", "a", "b"]))
    except OptionError as error:
        assert error.exit_code == 2 and len(str(error).splitlines()) == 1, formula
armed = False
print("done")
"""


def test_nothing_of_a_formula_runs(tmp_path: Path) -> None:
    parts = [part.format(CODE) for part in EVIL]
    formulas = [each for part in parts for each in (f"y ~ {part}", f"{part} ~ a", f"y ~ a + {part}", part)]
    done = subprocess.run(
        [sys.executable, "-c", RUNS, *formulas], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("done\n", "", [])


HUGE = {
    "a megabyte": "y ~ " + "a" * 2**20,
    "a long sum": "y ~ " + "+".join(["a"] * 5_000) + "+ 2:a",
    "nested parentheses": "y ~ " + "(" * 14_000 + "a" + ")" * 14_000 + " b",
    "nested sums": "y ~ " + "(a + " * 2_000 + "b" + ")" * 2_000 + " b",
    "nested code": f"y ~ I({'(' * 14_000}a{')' * 14_000})",
    "signs": f"y ~ I({'-' * 29_000}a)",
    "a long product": f"y ~ I({'*'.join('a' * 14_000)})",
    "a tower of powers": f"y ~ I({'**'.join('a' * 9_000)})",
    "a long chain of attributes": f"y ~ I({'.'.join('a' * 14_000)})",
    "a long word": f"y ~ {'z' * 29_000}",
    "a power": "y ~ a**99999",
    "a higher power": "y ~ a**" + "9" * 5_000,
    "a power of a power": "y ~ (((a+b)**90)**90)**90",
    "an explosion": "y ~ (a+b+c+d+e+f)**20",
    "a product of sums": "y ~ " + "*".join(["(a+b+c)"] * 40),
    "interactions": "y ~ " + ":".join(["(a+b+c)"] * 40),
    "a power of code": "y ~ I(a**9**9**9**9)",
    "a far knot": "y ~ hinge(a, " + "9" * 4_000 + ")",
    "a dot": "y ~ (. + .):(. + .)" + ":(. + .)" * 30,
    "nested products": "y ~ " + "(a * " * 2_000 + "b" + ")" * 2_000,
}


@pytest.mark.parametrize("what", HUGE)
def test_what_is_too_large_is_refused(what: str) -> None:
    with pytest.raises(OptionError) as raised:
        parsed(HUGE[what], NAMES)
    assert len(str(raised.value)) < 600
    assert len(str(raised.value).splitlines()) == 1


PIECES = [
    "y",
    "~",
    "a",
    "b",
    "`a`",
    "`my col`",
    "+",
    "-",
    "*",
    ":",
    "/",
    "**",
    "^",
    "%in%",
    "in",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "0",
]
PIECES += [
    "1",
    "2",
    "1.5",
    ".",
    ",",
    "'",
    '"',
    "\\",
    "`",
    "\n",
    "\0",
    " ",
    "I(",
    "C(",
    "log(",
    "hinge(",
    "|",
    "%",
    "#",
    "é",
    "=",
    "\ud800",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text())
def test_any_text_is_a_formula_or_a_usage_error(text: str) -> None:
    for formula in (text, f"y ~ {text}"):
        try:
            parsed(formula, ["y", "a", "b", "my col"])
        except OptionError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - any other exception fails, too
