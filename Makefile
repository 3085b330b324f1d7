# What a person types. Everything is installed into .venv (and .venv-newest, -oldest, -recorders, -adapters), nothing outside this folder.
#
#   make demo      a session recorded, crashed, recovered and replayed before your eyes
#   make test      the suite, in one small environment of pinned packages
#   make check     style and types
#   make newest    the suite with the newest releases of what a user's installation brings, and the extra `fast`
#   make oldest    the suite with the oldest ones that pyproject.toml allows
#   make page      the page in a real Chromium (and what its suite needs)
#   make api       the API, asked by schemathesis what its own document allows and does not allow
#   make mcp       the tests of `eventlog mcp`, which need its extra
#   make secrets   the tests of `eventlog secrets`, which need its extra
#   make recorders the recorders with real SDKs, against a provider on loopback
#   make adapters  the stores of SDKs, with the SDKs; `make sdk-suites`: the SDKs' own suites with our stores in the place of theirs
#   make suites    all of them but the demo, the page, the api, the readers and the SDKs' suites, as .ci/run does
#   make constraints   the pins anew
#
# A suite that needs more than this (an SDK, a server, a browser) is a target of its own in SUITES: `make test` stays light. It has its own
# environment and its own constraints-NAME.txt, and begins with a line `$(call needs,PROGRAM,WHAT TO DO)`, which names what is missing.

PYTHON ?= python3
# Not yet `page`: it has not passed several times in a row since its screens were built; `api`, `readers` and `sdk-suites` take many minutes.
SUITES = test check mcp secrets recorders adapters newest oldest
ENVIRONMENTS = .venv $(addprefix .venv-,page api mcp secrets recorders adapters newest oldest)
# The lowest Python that pyproject.toml allows: what is pinned with it can be installed with the later ones, too.
PINNING_PYTHON ?= python3.11

PIP = -m pip --disable-pip-version-check
INSTALL = $(PIP) install --quiet
# Pip has no constraints for what it builds with that all its versions know: it is installed like everything else, and used from there.
BUILD = hatchling editables
EDITABLE = --no-build-isolation --editable
PINNED = --constraint constraints.txt --constraint constraints-tools.txt

needs = @command -v $(1) >/dev/null || { echo "$(1) is not installed, and $@ needs it: $(2)" >&2; exit 1; }

.PHONY: demo suites page api readers sdk-suites $(SUITES) constraints clean

demo: .venv/installed
	.venv/bin/eventlog demo

suites: $(SUITES)

test: .venv/tested
	.venv/bin/python -m pytest -n auto

check: .venv/tested
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m tests.typed.readme build/typed
	.venv/bin/mypy --strict tests/typed build/typed
	.venv/bin/basedpyright

# The page's tests skip, and say so, where there is no Chromium.
page: .venv-page/bin/python
	$< $(INSTALL) $(PINNED) $(BUILD)
	$< $(INSTALL) $(PINNED) --constraint constraints-page.txt $(EDITABLE) '.[test,page]'
	$< -m pytest tests/page

# tests/api, which `make test` skips. constraints-api.txt: the tester, and what it brings.
api: .venv-api/bin/python
	$< $(INSTALL) $(PINNED) $(BUILD)
	$< $(INSTALL) $(PINNED) --constraint constraints-api.txt $(EDITABLE) '.[test,api-test]'
	$< -m pytest tests/api

# These two look again each time what is newest and what is allowed; only the tools of the tests are pinned.
newest: .venv-newest/bin/python
	$< $(INSTALL) --constraint constraints-tools.txt $(BUILD)
	$< $(INSTALL) --upgrade --upgrade-strategy eager --constraint constraints-tools.txt $(EDITABLE) '.[test,fast]'
	$< $(PIP) freeze --exclude-editable
	$< -m pytest -n auto

oldest: .venv-oldest/bin/python
	$< -c 'import tomllib; [print(one.split(",")[0].replace(">=", "==")) for one in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"]]' > .venv-oldest/lowest.txt
	$< $(INSTALL) --constraint constraints-tools.txt $(BUILD)
	$< $(INSTALL) --constraint .venv-oldest/lowest.txt --constraint constraints-tools.txt $(EDITABLE) '.[test]'
	$< $(PIP) freeze --exclude-editable
	$< -m pytest -n auto

# tests/unit/mcp, which `make test` skips: the package of the protocol brings more than all the rest. The protocol's public conformance
# suite and the Node that it needs are npm's, into .node; where that cannot be, its test is skipped and says so.
CONFORMANCE = @modelcontextprotocol/conformance@0.2.0-alpha.12 node@22.23.3

mcp: .venv-mcp/bin/python
	$< $(INSTALL) $(PINNED) --constraint constraints-mcp.txt $(BUILD)
	$< $(INSTALL) $(PINNED) --constraint constraints-mcp.txt $(EDITABLE) '.[test,mcp]'
	test -x .node/node_modules/node/bin/node || npm install --silent --no-save --no-package-lock --prefix .node $(CONFORMANCE) || true
	$< -m pytest -n auto tests/unit/mcp

# What `make test` skips where the rules of detect-secrets are not there. constraints-secrets.txt: they, and what they bring.
secrets: .venv-secrets/bin/python
	$< $(INSTALL) $(PINNED) $(BUILD)
	$< $(INSTALL) $(PINNED) --constraint constraints-secrets.txt $(EDITABLE) '.[test,secrets]'
	$< -m pytest tests/unit/cli/test_keeping.py

# constraints-recorders.txt: the SDKs, and what they bring; made by hand of `pip freeze` in .venv-recorders when they are to be newer.
recorders: .venv-recorders/bin/python
	$< $(INSTALL) $(PINNED) $(BUILD)
	$< $(INSTALL) $(PINNED) --constraint constraints-recorders.txt $(EDITABLE) '.[test,recorders-test]'
	$< -m pytest tests/recorders_sdk

# The tools' own readers, for the files that are made for them: as npm has them, in .readers, without running anything of theirs but opencode's
# installer, which puts its program in place.
readers: .venv/tested
	npm install --prefix .readers --no-audit --no-fund --ignore-scripts @google/gemini-cli-core@0.61.0 @mariozechner/pi-coding-agent@0.73.1
	npm install --prefix .readers --no-audit --no-fund opencode-ai@1.18.33
	EVENTLOG_READERS=.readers .venv/bin/python -m pytest tests/conformance/test_native_readers.py

# constraints-adapters.txt: the SDKs of `projections.adapters`, and what they bring; made by hand like the recorders'.
adapters: .venv-adapters/bin/python
	$< $(INSTALL) $(PINNED) $(BUILD)
	$< $(INSTALL) $(PINNED) --constraint constraints-adapters.txt $(EDITABLE) '.[test,adapters-test]'
	$< -m pytest -n auto -p no:asyncio tests/unit/adapters

# The SDKs' own suites, with our stores in the place of theirs; the tests come with the source archives of the versions that are installed.
sdk-suites: adapters
	.venv-adapters/bin/python -m tests.adapters_sdk

# constraints.txt: what a user's installation brings. constraints-tools.txt: what building, the tests and the checks need besides.
# From a new environment, so that nothing is pinned that nobody asked for; by pip, since a new machine has nothing else.
constraints:
	$(call needs,$(PINNING_PYTHON),install the lowest Python that pyproject.toml allows or name it with PINNING_PYTHON=...)
	rm -rf .venv-constraints
	$(PINNING_PYTHON) -m venv .venv-constraints
	.venv-constraints/bin/python $(INSTALL) .
	.venv-constraints/bin/python $(PIP) freeze --exclude session-eventlog > .venv-constraints/brought.txt
	.venv-constraints/bin/python $(INSTALL) --constraint .venv-constraints/brought.txt $(BUILD) '.[test]'
	.venv-constraints/bin/python $(PIP) freeze --exclude session-eventlog > .venv-constraints/all.txt
	{ echo "# What a user's installation brings, as 'make demo' installs it. Made by 'make constraints'; not to be edited."; \
	  cat .venv-constraints/brought.txt; } > constraints.txt
	{ echo "# What building, the tests and the checks need besides. Made by 'make constraints'; not to be edited."; \
	  grep -vxFf .venv-constraints/brought.txt .venv-constraints/all.txt; } > constraints-tools.txt
	.venv-constraints/bin/python $(INSTALL) --constraint .venv-constraints/all.txt '.[mcp]'
	{ echo "# What the extra mcp brings besides. Made by 'make constraints'; not to be edited."; \
	  .venv-constraints/bin/python $(PIP) freeze --exclude session-eventlog | grep -vxFf .venv-constraints/all.txt; } > constraints-mcp.txt
	.venv-constraints/bin/python $(PIP) freeze --exclude session-eventlog > .venv-constraints/mcp.txt
	.venv-constraints/bin/python $(INSTALL) --constraint .venv-constraints/mcp.txt '.[secrets]'
	{ echo "# What the extra secrets brings besides. Made by 'make constraints'; not to be edited."; \
	  .venv-constraints/bin/python $(PIP) freeze --exclude session-eventlog | grep -vxFf .venv-constraints/mcp.txt; } > constraints-secrets.txt
	rm -rf .venv-constraints

clean:
	rm -rf .node .readers $(ENVIRONMENTS) .venv-constraints build

$(ENVIRONMENTS:%=%/bin/python):
	$(call needs,$(PYTHON),install CPython 3.11 or later with pip and venv or name it with PYTHON=...)
	$(PYTHON) -m venv $(@:/bin/python=)

.venv/installed: .venv/bin/python pyproject.toml constraints.txt constraints-tools.txt
	$< $(INSTALL) $(PINNED) $(BUILD)
	$< $(INSTALL) $(PINNED) $(EDITABLE) .
	touch $@

.venv/tested: .venv/installed
	.venv/bin/python $(INSTALL) $(PINNED) $(EDITABLE) '.[test]'
	touch $@
