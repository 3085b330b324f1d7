"""The vocabulary as a table and as a JSON Schema: both say what the structs say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eventlog.registry import Event, event_type, known_types
from eventlog.schema import vocabulary
from eventlog.schema.vocabulary import event_types, json_schema, markdown_table

ROOT = Path(__file__).parents[3]


def test_the_table_in_the_format_is_the_one_that_is_made_from_the_structs() -> None:
    text = (ROOT / "FORMAT.md").read_text()
    assert text.endswith(markdown_table()), "run `python -m eventlog.schema.vocabulary` and put what it prints at the end of FORMAT.md"


def test_the_schema_that_ships_is_the_one_that_is_made_from_the_structs() -> None:
    shipped = msgspec.json.decode((Path(vocabulary.__file__).parent / vocabulary.SCHEMA_FILE).read_bytes())
    assert shipped == json_schema(), f"run `python -m eventlog.schema.vocabulary --schema > eventlog/schema/{vocabulary.SCHEMA_FILE}`"


def test_every_type_has_a_meaning_and_every_field_a_row() -> None:
    rows = markdown_table().splitlines()
    for name, cls in event_types().items():
        start = next(index for index, row in enumerate(rows) if row.startswith(f"| `{name}` |"))
        assert len(rows[start].split("|")[5].strip()) > 20, name
        fields = [row.split("|")[2].strip(" `") for row in rows[start + 1 : start + 1 + len(cls.__struct_fields__)]]
        assert fields == list(cls.__struct_encode_fields__)


def test_a_row_says_the_type_and_the_default_in_the_words_of_json() -> None:
    rows = markdown_table().splitlines()
    assert "| | `role` | text | required | user, assistant, system or tool |" in rows
    assert "| | `content` | text or list of Part | required | what is said |" in rows
    assert '| | `status` | text | `"completed"` | completed, failed or abandoned |' in rows
    assert "| | `ranges` | list of [whole number, whole number] | required | from which seq to which |" in rows
    assert "| | `cost` | Cost or null |  | what it cost, where that is known |" in rows
    assert "| | `tags` | list of text | `[]` | words to find it by |" in rows


def test_every_field_has_a_meaning_in_the_table_and_in_the_schema() -> None:
    fields = [row for row in markdown_table().splitlines() if row.startswith("| | ")]
    assert len(fields) > 100
    assert [row for row in fields if len(row.rstrip(" |").rsplit("|", 1)[1].strip()) < 5] == []
    definitions = json_schema()["$defs"]
    assert [
        (name, field)
        for name, definition in definitions.items()
        for field, schema in definition["properties"].items()
        if not schema["description"]
    ] == []
    assert definitions["UsageRecorded"]["properties"]["input_tokens"]["description"] == "read, without the cache"


def test_a_program_s_types_are_not_part_of_the_vocabulary() -> None:
    @event_type("test_vocabulary.rated")
    class Rated(Event, frozen=True):
        stars: int

    assert "test_vocabulary.rated" in known_types()
    assert "test_vocabulary.rated" not in event_types()
    assert "rated" not in markdown_table()


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_the_schema_defines_what_it_names_and_asks_nothing_of_other_types() -> None:
    schema = json_schema()
    assert references(schema) == {f"#/$defs/{name}" for name in schema["$defs"]}
    asked = {each["if"]["properties"]["type"]["const"]: each["then"] for each in schema["allOf"]}
    assert set(asked) == set(event_types())
    added = schema["$defs"]["MessageAdded"]
    assert added["required"] == ["role", "content"]
    assert "additionalProperties" not in added  # a field that is not known is kept
    assert schema["$defs"]["HistoryRetracted"]["properties"]["ranges"]["items"]["prefixItems"] == [{"type": "integer"}] * 2


@pytest.mark.parametrize(("arguments", "said"), [([], "| type | field |"), (["--schema"], '{\n  "$schema"')])
def test_the_module_prints_both(arguments: list[str], said: str) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "eventlog.schema.vocabulary", *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert found.stdout.startswith(said)


def test_another_argument_is_told_what_there_is() -> None:
    found = subprocess.run([sys.executable, "-m", "eventlog.schema.vocabulary", "--all"], capture_output=True, text=True, cwd=ROOT)
    assert (found.returncode, found.stderr) == (1, "usage: python -m eventlog.schema.vocabulary [--schema]\n")
