"""What is imported when, and what is public."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fusepath
from tests.commands import COMMANDS

SOURCES = Path(fusepath.__file__).parent
HEAVY = ["PIL", "grpc", "google.protobuf", "msgspec", "numpy", "onnx", "onnxruntime", "rich"]
PACKAGES = [
    "fusepath",
    *(
        f"fusepath.{module.name}"
        for module in pkgutil.iter_modules([str(SOURCES)])
        if module.ispkg and hasattr(importlib.import_module(f"fusepath.{module.name}"), "__all__")
    ),
]


def imported_by(script: str) -> set[str]:
    """Modules that a fresh interpreter has after running something."""
    code = f"{script}\nimport sys\nprint('\\n' + ascii(set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    modules: set[str] = ast.literal_eval(done.stdout.splitlines()[-1])
    return modules


def test_importing_the_package_imports_nothing_else():
    assert imported_by("import fusepath") - imported_by("") == {"__future__", "fusepath"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []], ids=str)
def test_help_imports_nothing_heavy(arguments):
    script = f"from fusepath.cli.main import run\nassert run({arguments!r}) == 0"

    assert imported_by(script).isdisjoint(HEAVY)


def test_help_needs_the_command_line_and_no_more():
    imported = imported_by("from fusepath.cli.main import run\nassert run(['--help']) == 0")

    assert {name for name in imported if name.startswith("fusepath.")} == {
        "fusepath.cli",
        "fusepath.cli.config",
        "fusepath.cli.group",
        "fusepath.cli.main",
        "fusepath.cli.numbers",
        "fusepath.cli.options",
        "fusepath.cli.streams",
        "fusepath.errors",
        "fusepath.nearest",
        "fusepath.spelling",
        "fusepath.units",
    }
    assert imported.isdisjoint({"asyncio", "json", "logging", "pathlib", "tomllib", "traceback"})


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_imports_neither_models_nor_network(command):
    script = f"from fusepath.cli.main import run\nassert run([{command!r}, '--help']) == 0"

    assert imported_by(script).isdisjoint(HEAVY)


def test_planning_needs_no_runtime_and_no_network():
    script = "import fusepath.plan, fusepath.schedule"

    assert imported_by(script).isdisjoint({"onnx", "onnxruntime", "grpc", "PIL", "rich", "click"})


def test_reading_a_model_needs_no_runtime_and_no_network():
    script = "import fusepath.onnx_io"

    assert imported_by(script).isdisjoint({"onnxruntime", "grpc", "PIL", "rich", "click"})


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_exists_and_they_are_sorted(name):
    package = importlib.import_module(name)

    names = list(package.__all__)
    assert names == sorted(names, key=_constants_classes_functions)
    assert len(names) == len(set(names))
    for public in names:
        assert getattr(package, public) is not None


def _constants_classes_functions(name: str) -> tuple[int, str]:
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def test_public_names_of_the_package_are_those_that_type_checkers_see():
    tree = ast.parse((SOURCES / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fusepath.")
        for alias in node.names
    }

    assert seen == set(fusepath.__all__)
    assert set(dir(fusepath)) >= seen


def test_a_name_that_is_not_public_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        fusepath.nonsense  # noqa: B018


def modules() -> list[Path]:
    return [path for path in SOURCES.rglob("*.py") if not path.stem.startswith("fusepath_pb2")]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SOURCES)))
def test_nothing_is_ever_unpickled_evaluated_or_handed_to_a_shell(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))

    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] not in {"pickle", "marshal", "shelve", "dill", "cloudpickle"}
        if isinstance(node, ast.Call):
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            assert called not in {"eval", "exec", "system", "popen"}
            for keyword in node.keywords:
                assert keyword.arg != "shell"
                if keyword.arg == "allow_pickle":
                    assert isinstance(keyword.value, ast.Constant)
                    assert keyword.value.value is False


def test_every_module_says_what_it_is():
    for path in modules():
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_searches_read_one_clock():
    """What is found must not depend on how busy a machine is, but by the cap of a budget."""
    clocks = {"perf_counter", "monotonic", "time", "process_time", "thread_time"}
    found = [
        (path.relative_to(SOURCES).as_posix(), node.attr)
        for package in ("plan", "schedule")
        for path in (SOURCES / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "time"
        and node.attr.removesuffix("_ns") in clocks
    ]

    assert found == [("schedule/budget.py", "perf_counter")]


def test_only_the_command_line_names_its_options():
    """Messages of the library name parameters, which Python programs have as well."""
    for path in modules():
        if path.is_relative_to(SOURCES / "cli"):
            continue
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        texts = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # documentation
        for node in nodes:
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                told = id(node) not in texts and re.search(r"--[a-z]", node.value)
                assert not told, f"{path}:{node.lineno}"


def test_the_page_of_the_data_flow_is_current():
    tool = SOURCES.parents[1] / "tools" / "draw_data_flow.py"
    done = subprocess.run(
        [sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
