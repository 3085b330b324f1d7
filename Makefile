# What a person types: `make demo`, `make test`, `make check`. Everything is installed into .venv, nothing outside this folder.

PYTHON ?= python3

.PHONY: demo test check clean

demo: .venv/installed
	.venv/bin/eventlog demo

test: .venv/tested
	.venv/bin/python -m pytest -n auto

check: .venv/tested
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

clean:
	rm -rf .venv

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/tested: .venv/installed
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test,cost]'
	touch $@
