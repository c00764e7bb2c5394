# Needs Python >= 3.11 and make. The rehearsal also needs Go if Pulumi's installer cannot be reached, and for FLEET=real.

PYTHON ?= python3
STACK ?= dev
# The folder of the program to rehearse, such as examples/own-app.
PROGRAM ?= .
# A profile of faults, as in rehearsal/faults/profiles, and the seed of its probabilities.
FAULTS ?=
SEED ?= 0
# Simulated seconds of Azure in one real second; without it, operations take no time.
SPEED ?=
# `real`: real API servers and Fleet's own controllers, in place of clusters in memory.
FLEET ?=
# One test more at a time than there are processors: tests of the engine also wait.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
REHEARSAL_OPTIONS = --program $(PROGRAM) --stack $(STACK) $(if $(FAULTS),--faults $(FAULTS) --seed $(SEED)) $(if $(SPEED),--speed $(SPEED)) $(if $(FLEET),--fleet $(FLEET))

REQUIRE_PULUMI = command -v pulumi > /dev/null || { \
  echo 'There is no pulumi on PATH. Install the Pulumi CLI: https://www.pulumi.com/docs/install/'; exit 1; }

PYTHON_HERE := .venv/bin/python
# griffe2md 1.5.1 links types to headings that it does not write.
COMPONENTS_PAGE := .venv/bin/griffe2md fleet_l4_lb | sed -E 's/\[([^][]+)\]\(\#[^)]*\)/\1/g'
PACKAGES := .venv/.packages
REHEARSAL := .venv/.rehearsal
LIBRARY := .venv/.library
TOOLS := .venv/.tools

.DEFAULT_GOAL := help
.PHONY: help rehearse rehearse-verify rehearse-destroy policies quantities test test-slow test-exhaustive upgrade conformance bench preview up destroy verify lint workflows watch docs format clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

rehearse: $(LIBRARY) ## run the stack STACK (dev) through the real engine, without Azure; PROGRAM=folder, FAULTS=file, SEED=n, SPEED=n, FLEET=real
	@$(PYTHON_HERE) -m rehearsal up $(REHEARSAL_OPTIONS)

rehearse-verify: $(LIBRARY) ## check the rehearsed deployment, as `verify` does
	@$(PYTHON_HERE) -m rehearsal verify $(REHEARSAL_OPTIONS)

rehearse-destroy: $(LIBRARY) ## destroy the rehearsed stack
	@$(PYTHON_HERE) -m rehearsal destroy $(REHEARSAL_OPTIONS)

test: $(LIBRARY) ## run the tests
	@$(PYTHON_HERE) -m rehearsal engine
	@$(PYTHON_HERE) -m pytest -n $(WORKERS) --dist worksteal

test-slow: $(LIBRARY) ## run the slow tests, which continuous integration runs after `make test`
	@$(PYTHON_HERE) -m rehearsal engine
	@$(PYTHON_HERE) -m pytest -n auto --dist worksteal -m slow

test-exhaustive: $(LIBRARY) ## inject every temporary error into every operation, and try many sequences of changes
	@$(PYTHON_HERE) -m rehearsal engine
	@$(PYTHON_HERE) -m pytest -n auto --dist worksteal -m exhaustive

upgrade: $(LIBRARY) ## show what the program would change in stacks deployed by the commit FROM; FLEET=real
	@$(PYTHON_HERE) -m rehearsal engine > /dev/null
	@$(PYTHON_HERE) -m tests.upgrade $(if $(FLEET),--fleet $(FLEET)) $(or $(FROM),$(error Which commit? make upgrade FROM=commit))

watch: $(LIBRARY) ## fail when it is time to look up whether Microsoft retires the preview API version in use
	@$(PYTHON_HERE) -m pytest tests/test_api_lifetime.py -m watch

conformance: $(REHEARSAL) ## compare program and stand-in with the real Fleet; the first run builds it, about 15 minutes
	@$(PYTHON_HERE) -m rehearsal engine
	@$(PYTHON_HERE) -m rehearsal tools > /dev/null
	@$(PYTHON_HERE) -m pytest tests/conformance -m conformance -n 2 --no-loadscope-reorder || { \
	  echo 'Tests that failed beside others run again, alone: several fleets on two cores can be too slow for their waits.'; \
	  $(PYTHON_HERE) -m pytest tests/conformance -m conformance --last-failed --last-failed-no-failures none; }

bench: $(REHEARSAL) ## measure what the program adds to Azure's time, and what the engine costs
	@$(PYTHON_HERE) -m rehearsal.bench

policies: $(REHEARSAL) ## check the plan of STACK against policies/, and show its score
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON_HERE) -m rehearsal preview --program $(PROGRAM) --stack $(STACK) \
	  --policies policies $(addprefix --policy-config ,$(wildcard $(PROGRAM)/policies/$(STACK).json))

quantities: $(LIBRARY) ## count what the plan of STACK would deploy, without prices; JSON=1 for programs
	@$(PYTHON_HERE) -m rehearsal pulumi --program $(PROGRAM) --stack $(STACK) preview --json --show-sames \
	  | $(PYTHON_HERE) -m quantities $(if $(JSON),--json)

preview: $(PACKAGES) ## show what `up` would do to the stack STACK on Azure
	@$(REQUIRE_PULUMI)
	@pulumi preview --stack $(STACK)

verify: $(PACKAGES) ## check the deployment of the stack STACK on Azure: table, remedies, exit status
	@$(PYTHON_HERE) -m verify --stack $(STACK)

up: $(PACKAGES) ## deploy the stack STACK to Azure
	@$(REQUIRE_PULUMI)
	@pulumi up --stack $(STACK)

destroy: $(PACKAGES) ## delete the stack STACK on Azure; temporary errors are retried
	@$(REQUIRE_PULUMI)
	@$(PYTHON_HERE) -m verify --before-destroy --stack $(STACK) || [ $$? -ne 1 ]
	@pulumi destroy --run-program --stack $(STACK) || { \
	  echo 'If the program failed because the stack is not complete, run: pulumi destroy --stack $(STACK)'; exit 1; }

lint: $(TOOLS) $(LIBRARY) ## check style and types, and that the generated pages of docs/ are up to date
	@$(PYTHON_HERE) -m ruff check
	@$(PYTHON_HERE) -m ruff format --check
	@$(PYTHON_HERE) -m pyright
	@$(COMPONENTS_PAGE) | diff docs/components.md - || { echo 'docs/components.md is out of date: run make docs'; exit 1; }
	@$(PYTHON_HERE) -m settings.document | diff docs/settings.md - || { echo 'docs/settings.md is out of date: run make docs'; exit 1; }
	@$(PYTHON_HERE) -m rehearsal.azure.recordings | diff docs/recordings.md - || { echo 'docs/recordings.md is out of date: run make docs'; exit 1; }
	@$(PYTHON_HERE) -m policies.baseline.document | diff docs/rules.md - || { echo 'docs/rules.md is out of date: run make docs'; exit 1; }

workflows: ## check .github/workflows/; needs Go
	@go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

docs: $(TOOLS) $(LIBRARY) ## write docs/components.md and docs/settings.md from the docstrings, docs/recordings.md from the stand-in, docs/rules.md from the policies
	@$(COMPONENTS_PAGE) > docs/components.md
	@$(PYTHON_HERE) -m settings.document > docs/settings.md
	@$(PYTHON_HERE) -m rehearsal.azure.recordings > docs/recordings.md
	@$(PYTHON_HERE) -m policies.baseline.document > docs/rules.md

format: $(TOOLS) ## rewrite the code in the project's style
	@$(PYTHON_HERE) -m ruff check --fix
	@$(PYTHON_HERE) -m ruff format

clean: ## remove installed packages and rehearsed stacks (the engine stays in the user's cache)
	@rm -rf .venv .rehearsal examples/*/.rehearsal build *.egg-info .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(PACKAGES): requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Choose another one: make PYTHON=...")'
	@echo "Installing the program's packages into .venv (about a minute, once) ..."
	@$(PYTHON) -m venv .venv
	@$(PYTHON_HERE) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(REHEARSAL): rehearsal/requirements.txt $(PACKAGES)
	@echo "Installing the rehearsal's packages into .venv (once) ..."
	@$(PYTHON_HERE) -m pip install --quiet --disable-pip-version-check -r rehearsal/requirements.txt
	@touch $@

# The components, installed under the name that other programs import. With `strict`, type checkers can follow the links.
# A new file has no link until the next installation.
$(LIBRARY): pyproject.toml components fleet_clusters $(REHEARSAL)
	@$(PYTHON_HERE) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . --config-settings editable_mode=strict
	@touch $@

$(TOOLS): requirements-dev.txt $(REHEARSAL)
	@echo "Installing the tools for developing into .venv (once) ..."
	@$(PYTHON_HERE) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
