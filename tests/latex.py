"""Arithmetic from LaTeX: as much of it as the lab writes the steps of its samplers in."""

import functools
import operator
import re

import numpy as np

COMMANDS = r"\\(?:frac|sqrt|log|exp|int)(?![a-z])"
NAME = rf"(?:\\(?:bar|hat)\s*)?(?:(?!{COMMANDS})\\[a-z]+|[A-Za-z])(?:_(?:\{{[^{{}}]*\}}|[A-Za-z0-9]))?"
TOKEN = re.compile(rf"{COMMANDS}|{NAME}|\d+|[-+^_{{}}()]")
LAYOUT = re.compile(r"\\[,;! ]|\\(?:left|right)(?=[()])")
FUNCTIONS = {r"\sqrt": np.sqrt, r"\log": np.log, r"\exp": np.exp}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(60)


def solve(lines, values):
    """What stands left of the first line's "=". The other lines define names of it, unless `values` has these: numbers,
    arrays, or functions of a number. A KeyError names what nobody defines."""
    read = [line.split("=", 1) for line in lines]
    names = {_plain(name): text for name, text in read}
    return _Scope(names, values)[_plain(read[0][0])]


class _Scope(dict):
    """Values by name; one that is missing is computed from its definition."""

    def __init__(self, definitions, values):
        super().__init__(values)
        self.definitions = definitions

    def __missing__(self, name):
        return _Reader(self.definitions[name]).whole()(self)

    def function(self, name):
        """Of one number: a value, or the definition of "name(variable)"."""
        if name in self:
            return self[name]
        head = next(head for head in self.definitions if head.startswith(f"{name}("))
        formula = _Reader(self.definitions[head]).whole()
        return lambda x: formula(_Scope(self.definitions, {**self, head[len(name) + 1 : -1]: x}))


def _plain(text):
    return re.sub(r"\s+", "", text)


class _Reader:
    """By recursive descent: each method takes its tokens and gives a formula, from a scope to a number."""

    def __init__(self, text):
        text = LAYOUT.sub("", text)
        assert not (rest := TOKEN.sub("", text).strip()), f"{rest!r} of {text} is not read"
        self.tokens = [_plain(token) for token in TOKEN.findall(text)]

    def whole(self):
        formula = self.sum()
        assert not self.tokens, f"{self.tokens} are left over"
        return formula

    def at(self, *tokens):
        return bool(self.tokens) and self.tokens[0] in tokens

    def take(self, token):
        assert self.tokens.pop(0) == token

    def sum(self):
        terms = [self.product()]
        while self.at("+", "-"):
            terms.append(self.product())
        return lambda scope: functools.reduce(operator.add, (term(scope) for term in terms))

    def product(self):
        """A sign and factors side by side, up to the d of an integral."""
        sign = -1.0 if self.at("-") else 1.0
        if self.at("+", "-"):
            self.tokens.pop(0)
        factors = [self.power()]
        while self.tokens and not self.at("+", "-", ")", "}", "d"):
            factors.append(self.power())
        return lambda scope: functools.reduce(operator.mul, (factor(scope) for factor in factors), sign)

    def power(self):
        base = self.atom()
        if not self.at("^"):
            return base
        self.take("^")
        exponent = self.group()
        return lambda scope: base(scope) ** exponent(scope)

    def group(self, left="{", right="}"):
        if not self.at(left):
            return self.atom()
        self.take(left)
        formula = self.sum()
        self.take(right)
        return formula

    def atom(self):
        if self.at("("):
            return self.group("(", ")")
        token = self.tokens.pop(0)
        if token == r"\frac":
            above, below = self.group(), self.group()
            return lambda scope: above(scope) / below(scope)
        if token == r"\int":
            return self.integral()
        if token in FUNCTIONS:
            argument = self.group("(", ")") if self.at("(") else self.group()
            return lambda scope: FUNCTIONS[token](argument(scope))
        if token.isdigit():
            return lambda scope: float(token)
        if token == "e":
            return lambda scope: np.e
        if token == "P":  # a function of what stands in brackets
            argument = self.group("(", ")")
            return lambda scope: scope.function(token)(argument(scope))
        return lambda scope: scope[token]

    def integral(self):
        """By Gauss and Legendre's quadrature."""
        self.take("_")
        low = self.group()
        self.take("^")
        high, body = self.group(), self.product()
        self.take("d")
        name = self.tokens.pop(0)

        def formula(scope):
            a, b = low(scope), high(scope)
            points = (a + b) / 2 + (b - a) / 2 * NODES
            inner = (body(_Scope(scope.definitions, {**scope, name: x})) for x in points)
            return (b - a) / 2 * sum(weight * value for weight, value in zip(WEIGHTS, inner, strict=True))

        return formula
