"""The rules of DESIGN 2: which part may import what, and where bytes may be made durable. A new dependency is a visible line here."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from eventlog.cli.commands import COMMANDS

ROOT = Path(__file__).parents[2]

# What each part may import from outside. A name that is not here, or not in the standard library, is a new dependency.
THIRD_PARTY = {
    "eventlog": {"msgspec", "watchfiles", "zstandard"},
    "eventlog/meaning": {"msgspec"},
    "eventlog/aio": set(),
    "eventlog/cli": {"click", "msgspec", "rich"},
    "eventlog/files": {"msgspec", "watchfiles", "zstandard"},
    "eventlog/importers": {"msgspec", "watchfiles", "zstandard"},
    "eventlog/maintenance": {"detect_secrets", "msgspec"},  # the extra `secrets`
    # No SDK and no HTTP library: their classes are found where they are loaded. The others in the files that are named for them.
    "eventlog/recorders": {"agents", "anyio", "genai_prices", "google", "langchain_core", "msgspec", "opentelemetry"},
    "eventlog/replays": {"msgspec"},
    "eventlog/schema": {"msgspec"},
    "eventlog/segments": {"msgspec", "zstandard"},
    "eventlog/shapes": {"msgspec"},
    "eventlog/tails": {"msgspec"},
    "eventlog/testing": {"msgspec", "pytest"},
    "projections": {"msgspec"},
    "projections/adapters": {"msgspec"},  # and each SDK, in the one module that is its adapter: see SDKS
    "projections/catalog": {"genai_prices", "msgspec"},
    "projections/cli": {"click", "msgspec", "rich"},
    "projections/exporters": {"msgspec", "pyarrow"},
    "projections/http": {"msgspec", "starlette", "uvicorn"},  # the extra `web`
    "projections/index": {"msgspec"},
    "projections/mcp": {"anyio", "mcp", "mcp_types", "msgspec", "starlette"},  # the extra `mcp`, which brings starlette
    "projections/operations": {"msgspec"},
    "projections/view": {"msgspec"},
}
# The SDK that an adapter is of, and what it brings that the adapter needs. No other file imports it.
SDKS = {
    "agent_framework": {"agent_framework"},
    "claude_agent_sdk": {"anyio", "claude_agent_sdk"},
    "google_adk": {"google", "pydantic_core"},
    "langchain": {"langchain_core"},
    "langgraph": {"langchain_core", "langgraph"},
    "llama_index": {"llama_index", "pydantic"},
    "openai_agents": {"agents"},
    "pydantic_ai": {"pydantic", "pydantic_ai"},
}
# Too slow to be paid for by `import eventlog`: only ever imported inside the function that needs them.
LAZY = {"sqlite3", "tomllib", "watchfiles", "zstandard"}
# The folders that a part may import beside its own package's flat files. What is not here is a new arrow in ARCHITECTURE.md's picture.
ROOMS = {
    "eventlog": set(),
    "eventlog/__main__.py": {"eventlog.cli"},
    "eventlog/aio": {"eventlog.aio", "eventlog.tails"},
    "eventlog/discard.py": {"eventlog.tails"},
    "eventlog/meaning": set(),
    "eventlog/cli": {"eventlog.cli", "eventlog.files", "eventlog.importers", "eventlog.maintenance"},
    "eventlog/entry.py": {"eventlog.shapes"},  # inside the functions that need them: providers' parts are made ours at the door,
    "eventlog/files": {"eventlog.files", "eventlog.segments", "eventlog.tails"},
    "eventlog/importers": {"eventlog.importers", "eventlog.shapes"},
    # The doors to them: inside the methods, see below.
    "eventlog/log.py": {"eventlog.files", "eventlog.maintenance", "eventlog.replays", "eventlog.tails"},
    "eventlog/memory.py": {"eventlog.tails"},
    "eventlog/maintenance": {"eventlog.maintenance"},
    "eventlog/recorders": {"eventlog.recorders", "eventlog.shapes", "eventlog.tails"},
    "eventlog/replays": {"eventlog.replays"},
    "eventlog/schema": {"eventlog.schema"},
    "eventlog/segments": {"eventlog.segments"},
    "eventlog/session.py": {"eventlog.shapes", "eventlog.tails"},  # messages and responses of SDKs are told apart,
    "eventlog/shapes": {"eventlog.shapes"},
    "eventlog/stored.py": {"eventlog.shapes"},  # and where a store holds such parts, they are healed as they are read
    "eventlog/tail.py": {"eventlog.tails"},
    "eventlog/tails": {"eventlog.tails"},
    "eventlog/testing": {"eventlog.files", "eventlog.testing"},
    "projections": {"projections.catalog", "projections.view"},
    "projections/adapters": {"eventlog.importers", "eventlog.shapes", "projections.adapters", "projections.catalog"},
    "projections/catalog": {"eventlog.files", "projections.catalog", "projections.index", "projections.view"},
    "projections/cli": {
        "eventlog.cli",
        "eventlog.importers",  # `watch` follows, `doctor` looks for what is not imported
        "eventlog.maintenance",  # `maintain`: the policies
        "eventlog.schema",
        "projections.catalog",
        "projections.cli",
        "projections.exporters",
        "projections.http",  # inside the functions that serve
        "projections.index",
        "projections.mcp",
        "projections.operations",
        "projections.view",
    },
    "projections/exporters": {"eventlog.files", "eventlog.importers", "projections.catalog", "projections.exporters", "projections.view"},
    "projections/http": {"eventlog.recorders", "projections.catalog", "projections.http", "projections.operations", "projections.view"},
    "projections/index": {"eventlog.files", "projections.index"},
    "projections/mcp": {"projections.mcp", "projections.operations"},
    "projections/operations": {
        "eventlog.maintenance",
        "projections.catalog",
        "projections.exporters",
        "projections.operations",
        "projections.view",
    },
    "projections/view": {"projections.view"},
}
FOR_ALL = {"eventlog.meaning"}  # imports nothing of ours: whoever counts with ranges may
DURABLE = {
    "write",
    "writev",
    "pwrite",
    "pwritev",
    "sendfile",
    "copy_file_range",
    "fsync",
    "fdatasync",
    "ftruncate",
    "truncate",
    "rename",
    "renames",
    "replace",
    "unlink",
    "remove",
    "mkdir",
    "makedirs",
    "rmdir",
    "removedirs",
    "link",
    "symlink",
}
WRITES_BYTES = {"eventlog/files/disk.py", "eventlog/testing"}
WRITES_BYTES |= {"eventlog/recorders/restart.py"}  # a folder for its database, which promises nothing
WRITES_BYTES |= {"eventlog/spool.py"}  # loads nothing of ours: a tool waits for it
WRITES_BYTES |= {"eventlog/importers/hooks.py"}  # takes what is done out of that spool


class Import(NamedTuple):
    module: str
    line: int
    at_top: bool


def sources() -> Iterator[tuple[str, ast.Module]]:
    for package in ("eventlog", "projections"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(), str(path))


def imports(path: str, tree: ast.Module) -> Iterator[Import]:
    """Every module that is imported, by its full name; ``from x import y`` counts as x and as x.y."""
    inside = {id(node) for function in ast.walk(tree) if isinstance(function, (ast.FunctionDef, ast.Lambda)) for node in ast.walk(function)}
    package = path.split("/")[:-1]
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            names = [module, *(f"{module}.{alias.name}" for alias in node.names)]
        for name in names:
            yield Import(name, getattr(node, "lineno", 0), id(node) not in inside)


def part(path: str) -> str:
    """The package, or the folder of an edge."""
    return "/".join(path.split("/")[:2]) if path.count("/") > 1 else path.split("/")[0]


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def room_of(module: str) -> str | None:
    """The folder that the module is in, as a package."""
    names = module.split(".")
    return ".".join(names[:2]) if names[0] in THIRD_PARTY and (ROOT / "/".join(names[:2])).is_dir() and len(names) > 1 else None


def test_the_write_side_never_imports_the_read_side() -> None:
    found = [
        f"{path}:{each.line}"
        for path, tree in sources()
        if path.startswith("eventlog/")
        for each in imports(path, tree)
        if is_within(each.module, "projections")
    ]
    assert found == []


def test_each_room_imports_only_the_rooms_that_are_listed_for_it() -> None:
    found = []
    for path, tree in sources():
        allowed = ROOMS.get(path, ROOMS[part(path)])
        for each in imports(path, tree):
            room = room_of(each.module)
            if room is not None and room not in allowed | FOR_ALL:
                found.append(f"{path}:{each.line} imports {room}")
    assert found == []


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Imports inside functions and those for types count, too: they hide a circle from the interpreter, not from whoever reads. Only the
    fronts are left out, which open the rooms behind them: a package's ``__init__``, and `eventlog.log`."""
    trees = dict(sources())
    modules = {path.removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in trees}
    uses: dict[str, set[str]] = {}
    for path, tree in trees.items():
        if path.endswith("__init__.py"):
            continue
        found = [each for each in imports(path, tree) if path != "eventlog/log.py" or room_of(each.module) is None]
        used = {modules[each.module] for each in found if each.module in modules} - {path}
        uses[path] = {other for other in used if not other.endswith("__init__.py")}
    while leaves := {path for path, used in uses.items() if not used & uses.keys()}:
        uses = {path: used for path, used in uses.items() if path not in leaves}
    assert {path: sorted(used & uses.keys()) for path, used in uses.items()} == {}


def test_what_a_program_may_never_call_is_loaded_by_the_method_that_calls_it() -> None:
    folders = ("eventlog.maintenance", "eventlog.replays")
    code = f"import sys, eventlog; print([name for name in sys.modules if name.startswith({folders})])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout == "[]\n"


def test_each_part_imports_only_what_is_listed_for_it() -> None:
    found = []
    for path, tree in sources():
        allowed = THIRD_PARTY[part(path)] | {"eventlog", "projections"} | sys.stdlib_module_names
        if part(path) == "projections/adapters":
            allowed |= SDKS.get(path.split("/")[2].removesuffix(".py"), set())
        found += [f"{path}:{each.line} imports {each.module}" for each in imports(path, tree) if each.module.split(".")[0] not in allowed]
    assert found == []


def test_slow_modules_are_imported_where_they_are_needed() -> None:
    found = [
        f"{path}:{each.line} imports {each.module}"
        for path, tree in sources()
        if part(path) in ("eventlog", "eventlog/files", "eventlog/segments")
        for each in imports(path, tree)
        if each.at_top and each.module.split(".")[0] in LAZY
    ]
    assert found == []


def test_only_the_disk_makes_bytes_durable() -> None:
    found = []
    for path, tree in sources():
        if not path.startswith("eventlog/") or path in WRITES_BYTES or part(path) in WRITES_BYTES:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os" and node.attr in DURABLE:
                found.append(f"{path}:{node.lineno} uses os.{node.attr}")
            elif isinstance(node, ast.Attribute) and node.attr in ("write_text", "write_bytes", "touch"):
                found.append(f"{path}:{node.lineno} uses {node.attr}")
            elif isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil") and node.level == 0:
                found.append(f"{path}:{node.lineno} imports from {node.module}")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
                mode = node.args[1] if len(node.args) > 1 else ast.Constant("r")
                if not isinstance(mode, ast.Constant) or mode.value not in ("r", "rb"):
                    found.append(f"{path}:{node.lineno} opens a file for writing")
    assert found == []


def test_importing_the_library_loads_nothing_that_only_a_command_needs() -> None:
    heavy = ["click", "rich", *sorted(LAZY), "asyncio", "projections"]
    code = f"import sys, eventlog; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout == "[]\n"


def test_the_help_loads_no_command() -> None:
    modules = sorted({command.target.split(":")[0] for command in COMMANDS.values()})
    code = f"import sys; from eventlog.cli import main; main(['--help']); print([name for name in {modules} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout.splitlines()[-1] == "[]"
    )


def test_commands_that_only_look_load_no_server() -> None:
    modules = ["starlette", "uvicorn", "asyncio", "projections.http"]
    code = (
        f"import sys; from eventlog.cli import main; main(['list', '--help']); print([name for name in {modules} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("path", ["eventlog/line.py", "eventlog/segments/segment.py"])
def test_the_codec_never_opens_a_file(path: str) -> None:
    tree = ast.parse((ROOT / path).read_text())
    assert [each.module for each in imports(path, tree) if each.module.split(".")[0] in ("os", "io", "pathlib", "fcntl", "mmap")] == []
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open"] == []


def test_types_are_prepared_for_decoding_by_one_thread() -> None:
    """See `eventlog.decoding`: inside a function only types for which there is nothing to prepare may be given to msgspec."""
    harmless = {"str", "dict", "msgspec.Raw", "list[msgspec.Raw]", "dict[str, msgspec.Raw]", "dict[str, Any]", "list[tuple[str, str]]"}
    harmless |= {"tuple[str, msgspec.Raw]", "types"}  # of a page cursor: text and numbers
    alone = {
        "eventlog/decoding.py",
        "eventlog/cli/append.py",
        "projections/index/rebuild.py",
        "projections/index/worker.py",
    }  # the lock, and one thread
    found = set()
    for path, tree in sources():
        functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
        for call in (node for function in functions for node in ast.walk(function) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            types = {ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "type" and name.endswith(".decode")}
            if name.endswith(".Decoder"):
                types |= {ast.unparse(argument) for argument in call.args}
            if name.startswith("msgspec.") and types - harmless and path not in alone:
                found.add((path, name))
    under_the_lock = {
        ("eventlog/stored.py", "msgspec.json.Decoder"),
        ("projections/projection.py", "msgspec.msgpack.Decoder"),
        ("projections/projection.py", "msgspec.json.Decoder"),
    }
    assert found == under_the_lock
