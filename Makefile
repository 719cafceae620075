# Two commands: `make up` runs Rollcall, `make test` proves it.
.PHONY: help install up test packages tools lint types architecture unit test-long test-engine bench bench-sockets \
	bench-analytics bench-capacity lock docs wheel screenshots clean
.DEFAULT_GOAL := help

PYTHON ?= python3
TEST_PROCESSES ?= 3
VENV := .venv
BIN := $(VENV)/bin

help:
	@echo "make up [ARGS='--port 9000']  run Rollcall here: Kafka, PostgreSQL and the services"
	@echo "make test                     lint, types, architecture and the whole test suite"
	@echo "make bench                    CPU per heartbeat, beside a plain service (minutes)"
	@echo "make bench-sockets            memory and CPU of 10,000 idle sockets (minutes)"
	@echo "make bench-analytics          how long answers take over a month of 100,000 users (minutes)"
	@echo "make bench-capacity           what a user, a visit and a heartbeat take in memory and on disk (minutes)"
	@echo "make test-long                the tests that take minutes each: a minute without Kafka, three brokers"
	@echo "make test-engine              the image and docker-compose.yml on a Docker engine (20 minutes)"
	@echo "make packages tools           what tests run beside Rollcall: a browser, HAProxy, Helm, …"
	@echo "make wheel                    a wheel that runs from any folder, in dist"
	@echo "make screenshots              README's picture of the Live page (a quarter of an hour)"
	@echo "make install                  only the locked dependencies, into $(VENV)"
	@echo "make lock                     resolve the lock files again after editing pyproject.toml"

# The stamp holds the lock that the environment was built from.
$(VENV)/.locked: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Rollcall needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

install: $(VENV)/.locked

up: install
	@exec $(BIN)/rollcall up $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

architecture: install
	$(BIN)/lint-imports

unit: install
	$(BIN)/pytest -q tests/unit

# What tests run beside Rollcall, from Debian's packages where that is possible: a browser for the pages, the
# gateway, a pooler, and Prometheus with promtool. Without one of them its tests are skipped, and say so.
PACKAGES := chromium-headless-shell haproxy pgbouncer prometheus
packages:
	@export PATH="$$PATH:/usr/sbin"; missing=; \
	for package in $(PACKAGES); do \
	    command -v $$package >/dev/null || command -v $${package%-headless-shell} >/dev/null \
	    || missing="$$missing $$package"; \
	done; \
	[ -z "$$missing" ] \
	|| { command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && echo "Installing$$missing" \
	     && apt-get update -qq >/dev/null \
	     && apt-get install -y -qq --no-install-recommends $$missing >/dev/null 2>&1; } \
	|| echo "Not here, and cannot be installed:$$missing. Their tests will say that they are skipped; install these packages to run them."

# Helm, and the library that Docker Compose loads files with, compiled where Go is (five minutes of CPU, once a
# user).
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rollcall/tools
tools:
	@test -x $(TOOLS)/compose-go || { mkdir -p $(TOOLS) && command -v go >/dev/null \
	     && echo "Compiling compose-go, once" \
	     && GOBIN=$(TOOLS) go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2 >/dev/null 2>&1 \
	     && mv $(TOOLS)/cmd $(TOOLS)/compose-go; } \
	|| echo "No Go here to compile compose-go: where docker compose is missing too, compose files are checked by their schema only."
	@command -v helm >/dev/null || test -x $(TOOLS)/helm || { command -v go >/dev/null \
	     && echo "Compiling helm, once: some minutes" \
	     && GOBIN=$(TOOLS) go install helm.sh/helm/v3/cmd/helm@v3.22.0 >/dev/null 2>&1; } \
	|| echo "No helm here and no Go to compile it: the chart's tests will say that they are skipped. Install helm to run them."

# Three processes on two cores: much of the time tests wait for Kafka, PostgreSQL and clocks.
test: lint types architecture packages tools
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile

# Those that `make test` leaves out, and other logs than the same hundred for the oracles.
ORACLES := tests/unit/test_presence_oracle.py tests/unit/test_partition_cuts.py tests/unit/test_analytics_oracle.py
test-long: install
	$(BIN)/pytest -m long
	ROLLCALL_TEST_EXAMPLES=1000 $(BIN)/pytest $(ORACLES)

# Where no engine answers it fails and says how to get one; ARGS=--smoke says it and goes on, for CI.
test-engine: install
	$(BIN)/python -m tests.engine $(ARGS)

bench: install
	$(BIN)/python -m tests.bench $(ARGS)

bench-sockets: install
	$(BIN)/python -m tests.bench.sockets $(ARGS)

bench-analytics: install
	$(BIN)/python -m tests.bench.analytics $(ARGS)

bench-capacity: install
	$(BIN)/python -m tests.bench.capacity $(ARGS)

# Universal: one lock for every platform and Python that we support, no index host inside.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
lock:
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) -c requirements.lock deploy/build.in -o deploy/build.lock
	$(LOCK) --extra local --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

# Pages that are made from the code.
docs: install
	$(BIN)/python -m deploy.settings_doc docs/settings.md
	$(BIN)/python -m deploy.metrics_doc docs/metrics.md

# What runs from any folder: pipx run --spec './dist/….whl[local]' rollcall up
wheel: install
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/rollcall_presence-*.whl

# README's picture of the Live page, after a quarter of an hour of simulated users.
screenshots: install packages
	$(BIN)/python -m tests.e2e.picture $(ARGS)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
