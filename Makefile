# Everything a person does with the project. Needs Python 3.11+ (with venv) and make; the rest is installed here.
# Another Python: make install PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TOOLS := $(VENV)/.installed-tools
MEMBERS := shared services/scheduler services/inference-agent services/evaluator services/reporter services/api-wrapper services/metric-worker services/api cli

.DEFAULT_GOAL := help
.PHONY: help install demo up web test test-all test-web lint lint-web fmt schemas lock screenshots bench clean

help: ## what can be done here
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(TOOLS) ## install exact versions into .venv, and the tools of development

# Remade when the lock or a member's pyproject.toml changed.
$(STAMP): requirements.lock $(addsuffix /pyproject.toml,$(MEMBERS))
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV)
	@echo "installing exact versions into $(VENV) (once; a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(addprefix -e ./,$(MEMBERS))
	@touch $@

# Half of what development takes is tools; who only runs vhb does without them.
$(TOOLS): $(STAMP) requirements-dev.lock
	@echo "installing the tools that check and test into $(VENV) (once; a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# Node comes by its wheel: one version for everybody, and nothing to install by hand.
NODE := $(VENV)/.installed-node
NPM := cd web && PATH="$(CURDIR)/$(BIN):$$PATH" npm
MODULES := web/node_modules/.installed
PAGE := services/api/src/vhb_api/page/index.html
WEB := $(filter-out %/openapi.json %/schema.d.ts,$(shell find web/src web/public web/index.html web/vite.config.ts web/tsconfig.json -type f))

$(NODE): requirements-web.lock $(STAMP)
	@echo "installing Node into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-web.lock
	@touch $@

$(MODULES): web/package-lock.json $(NODE)
	@echo "installing what the page is built with into web/node_modules (once; a minute)"
	@$(NPM) ci --silent
	@touch $@

# The types of the interface follow from the service's own document.
web/src/api/schema.d.ts: $(MODULES) $(shell find services/api/src/vhb_api -name '*.py')
	@$(BIN)/python -m vhb_api.openapi > web/src/api/openapi.json
	@$(NPM) run --silent types

$(PAGE): web/src/api/schema.d.ts $(WEB)
	@$(NPM) run --silent build

web: $(PAGE) ## build the web page, which the API then serves

up: $(PAGE) ## keep everything running on this machine, with the web page, until Ctrl-C
	$(BIN)/vhb up

demo: $(STAMP) ## read real document images with a real OCR engine, through all services, to a report
	$(BIN)/vhb run examples/quickstart.yaml --out results/quickstart

# More workers than CI's two cores: tests wait more than they compute.
PYTEST := $(BIN)/python -m pytest -n 3 --dist loadfile

test: $(TOOLS) ## the everyday tests: real nats-server, real S3 server
	$(PYTEST) -m "not slow"

test-all: test test-web web ## every test: also kills, real engines, containers, browser, large jobs
	$(PYTEST) -m slow --ignore tests/chaos --ignore tests/scale
	$(PYTEST) -m slow tests/chaos tests/scale

test-web: web/src/api/schema.d.ts ## the page's own tests, without a browser
	@$(NPM) run --silent test

lint-web: web/src/api/schema.d.ts
	@$(NPM) run --silent lint

lint: $(TOOLS) lint-web ## style, strict types, dependency rule, generated schemas
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p vhb -p vhb_shared -p vhb_scheduler -p vhb_inference_agent -p vhb_evaluator -p vhb_reporter -p vhb_api_wrapper -p vhb_metric_worker -p vhb_api
	$(BIN)/lint-imports
	$(BIN)/python -m vhb_shared.schemas --check

fmt: $(TOOLS) $(MODULES) ## format the code
	@$(NPM) run --silent fmt
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schemas: $(TOOLS) ## regenerate schemas/ from the contracts
	$(BIN)/python -m vhb_shared.schemas

EXPORT := $(BIN)/uv export --quiet --all-packages --no-emit-workspace --no-header --no-annotate --format requirements.txt

lock: ## resolve both locks anew (hashes, no index addresses): what vhb runs on, and what development adds
	$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv
	$(EXPORT) --no-dev --group build -o requirements.lock
	$(EXPORT) --only-group dev -o requirements-dev.lock
	$(EXPORT) --only-group web -o requirements-web.lock

screenshots: $(TOOLS) $(PAGE) ## photograph reports and pages anew into docs/images (needs Debian's chromium, fonts-dejavu-core)
	VHB_SCREENSHOTS=$(CURDIR)/docs/images $(BIN)/python -m pytest -q tests/unit/reporter/test_readability.py tests/browser/test_quickstart.py -k "screenshots or quickstart"

bench: $(TOOLS) ## the speed claims, as ratios in one run (bench/README.md)
	$(BIN)/python -m bench

clean: ## remove the environment and what the tools left behind
	rm -rf $(VENV) web/node_modules $(dir $(PAGE)) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
