"""Programs that read and make programs: ast, compile, eval, tokenize, inspect, dis-like introspection of code."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize

from phat import Contract, query

# > calculate ["2 * (3 + 4) ** 2 % 50"]
# > calculate ["__import__('os')"]
# > calculate ["2 +"]
# > rewrite ["def f(x):\n    return x + 1 if x else [y for y in (1, 2)]"]
# > made []
# > tokens ["a = f'{b!r}' # c"]
# > introspect []
# > warnings_of_syntax []

OPERATORS = {ast.Add: "__add__", ast.Sub: "__sub__", ast.Mult: "__mul__", ast.Pow: "__pow__", ast.Mod: "__mod__"}


def evaluate(node: ast.AST) -> int:
    match node:
        case ast.Expression(body):
            return evaluate(body)
        case ast.Constant(int(value)):
            return value
        case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
            return getattr(evaluate(left), OPERATORS[type(operator)])(evaluate(right))
    raise PermissionError(f"{type(node).__name__} is not arithmetic")


class Doubler(ast.NodeTransformer):
    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(node.value * 2)


class Source(Contract):
    @query
    def calculate(self, text: str) -> int:
        return evaluate(ast.parse(text, mode="eval"))

    @query
    def rewrite(self, text: str) -> list[str]:
        tree = ast.fix_missing_locations(Doubler().visit(ast.parse(text)))
        names: dict[str, object] = {}
        exec(compile(tree, "made", "exec"), names)
        return [ast.unparse(tree), str(names["f"](1)), str(names["f"](0)), ast.dump(tree.body[0].args)]

    @query
    def made(self) -> list[str]:
        scope = {"x": 20}
        code = compile("y = x * 2 + 2", "<made>", "exec")
        exec(code, scope)
        return [
            str(scope["y"]),
            str(eval("x + y", scope)),
            str(code.co_names),
            str(code.co_consts),
            str((lambda a, *b, c=1: a).__code__.co_varnames),
        ]

    @query
    def tokens(self, text: str) -> list[str]:
        return [
            f"{tokenize.tok_name[each.type]} {each.string!r}"
            for each in tokenize.generate_tokens(io.StringIO(text).readline)
        ]

    @query
    def introspect(self) -> list[str]:
        frame = inspect.currentframe()
        return [
            frame.f_code.co_name,
            str(frame.f_lineno),
            str([name for name, _ in inspect.getmembers(Doubler, inspect.isfunction)][:2]),
            str(inspect.isgeneratorfunction(self.made)),
            str(inspect.getmro(Source)[1].__name__),
        ]

    @query
    def warnings_of_syntax(self) -> list[str]:
        said = []
        for text in (
            "a = = 1",
            "def f(:",
            "x = 'open",
            "return 1",
            "for i in range(3)\n  pass",
            "é = 1; print(é",
            "lambda: (yield)",
            "1 = 2",
            "f'{'",
            "  x\n y",
            "a" * 10 + "\0",
        ):
            try:
                compile(text, "t", "exec")
                said.append("fine")
            except (SyntaxError, ValueError) as error:
                said.append(f"{type(error).__name__}: {error}")
        return said
