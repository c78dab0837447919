"""Finds the functions of src/, include/ and sdk/ that are longer than 30 lines, from the declaration to the closing brace."""

import re

MAX_LINES = 30
# Flat tables and switches, which a split would scatter. A number may only shrink: lower it with the function.
LONGER = {}
TEXTS = re.compile(
    r"""R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|(?<!\w)'(?:\\.|[^'\\\n])+'|//[^\n]*|/\*.*?\*/|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*""", re.S | re.M)
LABELS = re.compile(r"\s*(?:(?:public|private|protected):\s*)*")
SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum|extern)\b[^()]*$")


def blank(text):
    """Replaces literals, comments and preprocessor lines with blanks."""
    return TEXTS.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def function_name(declaration):
    """Returns the function whose body follows the declaration, or None if the brace opens something else."""
    words = declaration
    for inner in (r"<[^<>()]*>", r"\([^()]*\)(?=[^()<>]*>)"):  # of templates, and in them
        words = re.sub(inner, "", re.sub(r"<[^<>()]*>", "", words))
    found = re.search(r"(~?\w+|operator\s*[^\s(]+)\s*\(", words)
    if not found or not declaration[-1].isspace() or re.search(r"=\s*(?:\[[^\]]*\].*)?$", words, re.S):
        return None
    return found[1]


def functions(text):
    """Yields name, first line and length of each function, but not of what is in a function."""
    code = blank(re.sub(r"\balignas\(\w+\)", lambda found: " " * len(found[0]), text))
    scopes = []  # of each open brace: whether it contains declarations
    begin = 0  # of a declaration
    current = None
    for found in re.finditer(r"[{};]", code):
        place, sign = found.start(), found[0]
        declaration = code[begin:place]
        if sign == "{":
            is_scope = all(scopes) and SCOPE.search(declaration) is not None
            name = function_name(declaration) if all(scopes) and not is_scope else None
            if name:
                current = name, begin + LABELS.match(declaration).end(), len(scopes)
            scopes.append(is_scope)
        elif sign == "}" and scopes:
            scopes.pop()
            if current and current[2] == len(scopes):
                yield current[0], code.count("\n", 0, current[1]) + 1, code.count("\n", current[1], place) + 1
                current, declaration = None, ""
        goes_on = declaration.count("(") > declaration.count(")") or sign == "}" and re.match(r"\s*[,{]", code[place + 1:])
        if all(scopes) and not goes_on:
            begin = place + 1


def faults_of(name, text, longer):
    left = dict(longer)
    for function, line, length in functions(text):
        allowed = left.pop(function, MAX_LINES) if length > MAX_LINES else MAX_LINES
        if length > allowed:
            yield f"{name}:{line}: {function} has {length} lines, more than {allowed}: split it into named steps"
        elif MAX_LINES < length < allowed:
            yield f"tests/functions.py: {function} of {name} has {length} lines: lower its number {allowed}"
    for function in left:
        yield f"tests/functions.py: {name} has no function {function} of more than {MAX_LINES} lines: remove the entry"


def sample_faults():
    """Yields the samples in which the rule does not find the number of faults that it must."""
    for head in ("void f(int a = {}) {", "class A {\npublic:\n    A() : b_{1}, c_(2) {", "namespace a {\ntemplate <class T>\nauto f(T (*g)()) -> T {"):
        for size, longer, count in ((29, {}, 0), (30, {}, 1), (30, {"f": 31, "A": 31}, 1), (30, {"f": 33, "A": 33}, 2)):
            size -= 1 + ("template" in head)
            text = head + "\n    g([] { return '{'; });" * size + "\n}\n"
            found = list(faults_of("sample", text, longer))
            if len(found) != count:
                yield f"tests/functions.py: the sample {head!r} has the faults {found}"


def long_functions(root, paths):
    names = {str(path.relative_to(root)): path for path in paths}
    for name, path in names.items():
        if name.startswith(("src/", "include/", "sdk/")) and not path.stem.endswith("_test"):
            yield from faults_of(name, path.read_text(), LONGER.get(name, {}))
    for name in sorted(LONGER.keys() - names.keys()):
        yield f"tests/functions.py: {name} does not exist: remove its entries"
    yield from sample_faults()
