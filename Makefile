# What one does with this repository. It needs Python 3.11 or newer with its venv module, and nothing else.
BIN := .venv/bin
SETUP := .venv/made-from-the-locks
LOCK := $(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-annotate pyproject.toml
DEPLOYMENT := .venv/deployment
LOCKS := requirements.lock requirements-sample.lock requirements-setup.lock

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo check lint types contracts test strikes format events metrics policies mappings kafka screenshot faults locks image charts test-containers

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(SETUP) ## Make .venv from the lock files (PYTHON= names another Python)

$(SETUP): $(LOCKS) tools/bootstrap.sh
	@tools/bootstrap.sh
	@touch $@

demo: $(SETUP) ## Run the whole platform here, with sample cases (CHECK=1: verify it and end)
	@$(BIN)/continuum demo $(if $(CHECK),--check)

check: lint types contracts test strikes ## The gate: lint, types, contracts, tests, the short faults

lint: $(SETUP) ## Style, format, size of functions and files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/sizes.py

types: $(SETUP) ## mypy --strict
	$(BIN)/mypy

contracts: $(SETUP) ## Who may import whom
	$(BIN)/lint-imports

test: $(SETUP) ## All tests (ARGS= goes to pytest)
	$(BIN)/pytest $(ARGS)

strikes: $(SETUP) ## The short faults (ARGS= goes to pytest)
	$(BIN)/pytest tests/faults/gate.py $(ARGS)

faults: $(SETUP) ## Strike it and count what is lost (FAULT=, HOURS=, SEED=): docs/reliability.md
	$(BIN)/python -m tests.faults $(FAULT) $(if $(HOURS),--hours $(HOURS)) $(if $(SEED),--seed $(SEED))

format: $(SETUP) ## Format, and mend what ruff can mend
	$(BIN)/ruff check --fix --exit-zero .
	$(BIN)/ruff format .

events: $(SETUP) ## Write the Python classes and the docs of the events from their schemas
	$(BIN)/python -m tools.events

metrics: $(SETUP) ## Write docs/metrics.md from the metrics that the code declares
	$(BIN)/python -m tools.metrics

policies: $(SETUP) ## Write deploy/policies/schema.json, by which editors complete a policy
	$(BIN)/python -m tools.policy_schema

mappings: $(SETUP) ## Write docs/import/mapping.schema.json, by which editors complete a mapping of an event log
	$(BIN)/python -m tools.mapping_schema

kafka: $(SETUP) ## Run a Kafka broker in the foreground
	@$(BIN)/python -m continuum.local

locks: $(SETUP) ## Write the lock files from pyproject.toml: of everything, and of what the image needs
	$(LOCK) --extra local --extra dev -o requirements.lock
	$(LOCK) --constraint requirements.lock -o requirements-run.lock
	$(LOCK) --constraint requirements.lock --extra deployment -o requirements-deployment.lock

$(DEPLOYMENT): requirements-deployment.lock $(SETUP)
	@UV_SYSTEM_CERTS=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements-deployment.lock
	@touch $@

charts: $(DEPLOYMENT) ## Check what is deployed: compose's file and the Helm chart, rendered (needs Go for helm)
	@tools/helm.sh
	$(BIN)/pytest tests/deployment $(ARGS)

test-containers: $(DEPLOYMENT) ## The end-to-end story in containers, on a Docker engine of our own (root; docker.io, debootstrap)
	$(BIN)/python -m tools.containers $(ARGS)

image: ## Build the image of the services (BASE= names another base, IMAGE= another name, BUILD= options of docker build)
	docker build $(if $(BASE),--build-arg BASE=$(BASE)) $(BUILD) -f deploy/Dockerfile -t $(or $(IMAGE),continuum) .

screenshot: $(SETUP) ## Take pictures of the board of the demo that runs (docs/board-*.png)
	@$(BIN)/python -m tools.screenshot

.PHONY: bench
bench: $(SETUP) ## Measure beside the bound and the naive way (NAMES=, ARGS=--quick): docs/performance.md
	$(BIN)/python -m tests.bench $(NAMES) $(ARGS)
