# Two commands: `make up` runs Rollcall, `make test` proves it.
.PHONY: help install up test checks packages tools kafka-start compose-go helm helm-where-it-matters lint types \
	architecture unit budget test-long test-pythons test-engine test-hostile test-faults test-restore smoke \
	smoke-all smoke-first smoke-lanes smoke-deadline smoke-environments smoke-benches smoke-drills smoke-loads smoke-others \
	bench bench-sockets bench-door bench-analytics bench-capacity bench-notify bench-reducer bench-store \
	bench-million bench-catch-up bench-density accuracy \
	mutants fuzz \
	lock docs providers wheel screenshots clean
.DEFAULT_GOAL := help

PYTHON ?= python3
TEST_PROCESSES ?= 6
VENV := .venv
BIN := $(VENV)/bin
# Tests start hundreds of processes of ours: each would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

help:
	@echo "make up [ARGS='--port 9000']  run Rollcall here: Kafka, PostgreSQL and the services"
	@echo "make test                     lint, types, architecture and the whole test suite"
	@echo "make bench                    CPU per heartbeat, beside a plain service (minutes)"
	@echo "make bench-sockets            memory and CPU of 10,000 idle sockets (minutes)"
	@echo "make bench-door               CPU of ingest alone per heartbeat, by its two lanes (minutes)"
	@echo "make bench-reducer            what telling phones of one name apart costs a heartbeat (seconds)"
	@echo "make bench-store              what a heartbeat costs the processor and PostgreSQL without Kafka (minutes)"
	@echo "make bench-notify             what a change costs for each webhook that it is delivered to (a minute)"
	@echo "make bench-analytics          how long answers take over a month of 100,000 users (minutes)"
	@echo "make bench-million            a million users online, the load generator beside them: what is held (20 minutes)"
	@echo "make bench-catch-up           what waits after ten minutes without processors, and how fast it is stored"
	@echo "make bench-density            a million users in eight of a hundred partitions: one processor's share (minutes)"
	@echo "make bench-capacity           what a user, a visit and a heartbeat take in memory and on disk (minutes)"
	@echo "make accuracy                 false offline by loss, interval and transport: docs/accuracy.md (minutes)"
	@echo "make test-long                the tests that take minutes each: a minute without Kafka, three brokers"
	@echo "make test-hostile             ten minutes of attacks of every kind beside 500 honest phones"
	@echo "make test-faults              twenty minutes of faults, one after the other, under a fleet of phones"
	@echo "make test-restore             lose PostgreSQL under a fleet, restore it from a dump, compare (minutes)"
	@echo "make mutants                  change the pure core in thousands of ways: which change does no test see? (hours)"
	@echo "make fuzz                     what parsers promise of any bytes, hunted with coverage for ten minutes"
	@echo "make test-pythons             unit and contract tests on every further Python that is here: 3.12, 3.13"
	@echo "make smoke                    each target that make test leaves out, in its smallest form (minutes)"
	@echo "make test-engine              the image and docker-compose.yml on a Docker engine (20 minutes)"
	@echo "make packages tools           what tests run beside Rollcall: a browser, HAProxy, Helm, …"
	@echo "make wheel                    a wheel that runs from any folder, in dist"
	@echo "make screenshots              README's picture and those of all pages (a quarter of an hour)"
	@echo "make install                  only the locked dependencies, into $(VENV)"
	@echo "make providers                make the tokens of tests/fixtures/providers again, by the providers' libraries"
	@echo "make lock                     resolve the lock files again after editing pyproject.toml"

# The stamp holds the lock that the environment was built from. uv installs it in a quarter of pip's time; it reads no
# settings of pip's, so where only pip knows the way to the packages, pip does it. Nothing is compiled beforehand: most
# modules of most packages are never imported.
LOCKED := requirements-dev.lock
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps
UV_INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps
$(VENV)/.locked: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Rollcall needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP_INSTALL) -r deploy/uv.lock
	$(UV_INSTALL) -r $(LOCKED) || $(BIN)/python $(PIP_INSTALL) -r $(LOCKED)
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
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

# What tests run beside Rollcall, from Debian's packages where that is possible: browsers for the pages, the
# gateway, a pooler, and Prometheus with promtool. Without one of them its tests are skipped, and say so.
PACKAGES := chromium-headless-shell firefox-esr haproxy pgbouncer prometheus redis-server
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

# The library that Docker Compose loads files with, and Helm, compiled where Go is, once a user. Helm takes five
# minutes of CPU: `make test` waits for it only in CI and where the chart was changed.
TOOLS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/rollcall/tools
tools: compose-go helm
compose-go:
	@test -x $(TOOLS)/compose-go || { mkdir -p $(TOOLS) && command -v go >/dev/null \
	     && echo "Compiling compose-go, once" \
	     && GOBIN=$(TOOLS) go install github.com/compose-spec/compose-go/v2/cmd@v2.16.2 >/dev/null 2>&1 \
	     && mv $(TOOLS)/cmd $(TOOLS)/compose-go; } \
	|| echo "No Go here to compile compose-go: where docker compose is missing too, compose files are checked by their schema only."
helm:
	@command -v helm >/dev/null || test -x $(TOOLS)/helm || { command -v go >/dev/null \
	     && echo "Compiling helm, once: some minutes" \
	     && GOBIN=$(TOOLS) go install helm.sh/helm/v3/cmd/helm@v3.22.0 >/dev/null 2>&1; } \
	|| echo "No helm here and no Go to compile it: the chart's tests will say that they are skipped. Install helm to run them."
helm-where-it-matters:
	@if [ -n "$$CI" ] || ! git diff --quiet HEAD -- deploy/helm 2>/dev/null; then $(MAKE) --no-print-directory helm; \
	elif ! command -v helm >/dev/null && ! test -x $(TOOLS)/helm; then \
	    echo "Helm is not here, and the chart is as it was: its tests will say that they are skipped (make helm compiles it, some minutes)."; \
	fi

# A recorded start, so that each Kafka of the tests (and of `make up`) starts in half the time.
kafka-start: install
	@$(BIN)/python -m deploy.local.kafka_start

checks: lint types architecture

# Six processes on two cores: much of the time tests wait for Kafka, PostgreSQL and clocks. With four a quarter of
# the CPU is idle. The checks run beside them, and are printed after them. In a fresh clone the tests' asserts are
# rewritten once, beforehand, and not by each of six processes.
test: install packages compose-go helm-where-it-matters kafka-start
	@printed=$$(mktemp); $(MAKE) --no-print-directory checks >"$$printed" 2>&1 & checks=$$!; \
	ls tests/unit/*/__pycache__/test_*pytest*.pyc >/dev/null 2>&1 || $(BIN)/pytest --collect-only -qq >/dev/null; \
	$(BIN)/pytest -n $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder --durations=10; tests=$$?; \
	wait $$checks; checked=$$?; cat "$$printed"; rm -f "$$printed"; \
	[ $$checked = 0 ] || echo "make checks failed: see above"; \
	exit $$((tests || checked))

# What files took, written into tests/suite/budget.toml after a run on a machine that does nothing else.
budget: install packages
	ROLLCALL_WRITE_BUDGET=1 $(MAKE) --no-print-directory test

# Those that `make test` leaves out, each page's colours by night, and a thousand examples for each property, of which
# the oracles have the same eight logs on every run otherwise.
PROPERTIES = $$(grep -rl --include='test_*.py' '@given' tests/unit)
EXAMPLES := 1000
test-long: install
	$(BIN)/pytest -m long $(ARGS) $$(grep -rl --include='test_*.py' 'mark\.long' tests)
	ROLLCALL_LOOKS=all $(BIN)/pytest $(ARGS) $$(grep -rl --include='test_*.py' ' look(' $(PAGES))
	ROLLCALL_TEST_EXAMPLES=$(EXAMPLES) $(BIN)/pytest $(PROPERTIES)

# The oldest Python that we support is the one of $(VENV). Each other one has an environment of its own, from the
# same lock; with FEW, names of packages, it is one of ours, of these and of what they need alone.
PYTHONS := 3.12 3.13
TESTS := tests/unit tests/contract
FEW :=
test-pythons: $(if $(FEW),install)
	@for version in $(PYTHONS); do \
	    for python in python$$version "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/$$version.*/bin/python$$version none; do \
	        "$$python" -c pass 2>/dev/null && break; \
	    done; \
	    if [ "$$python" = none ]; then echo "Python $$version is not here: nothing was tested on it"; continue; fi; \
	    echo "Python $$version"; \
	    venv=.venv-$$version$(if $(FEW),-few); locked=requirements-dev.lock; \
	    if [ -n "$(FEW)" ]; then \
	        locked=$$(mktemp) && $(BIN)/python -m tests.few_packages $$version $(FEW) >"$$locked" || exit 1; \
	    fi; \
	    $(MAKE) --no-print-directory install VENV=$$venv PYTHON="$$python" LOCKED="$$locked" \
	    && $$venv/bin/python -m tests.imports && $$venv/bin/pytest -q $(TESTS) || exit 1; \
	    [ -z "$(FEW)" ] || rm "$$locked"; \
	done

# Each target that CI does not run as it is, in the smallest form that shows that it still works: first the one
# that has a deadline to keep, and beside it, with what it leaves idle, what installs environments of its own; then
# all others in four lanes, one beside the other: for half of the time one waits for a start, for phones or for a
# clock. They share a Kafka and a PostgreSQL where they need none of their own, and services that have imported all.
# A lane is printed at its end.
smoke: install
	@$(MAKE) help
	ROLLCALL_LOCAL_PORTS=20000-20999 $(BIN)/python -m tests.bench.together $(MAKE) smoke-all
smoke-all:
	$(MAKE) --jobs=2 --output-sync=target smoke-first
	$(MAKE) --jobs=4 --output-sync=target smoke-lanes
smoke-first: smoke-deadline smoke-environments
smoke-lanes: smoke-benches smoke-drills smoke-loads smoke-others
smoke-deadline: export ROLLCALL_LOCAL_PORTS = 29000-29999
smoke-deadline:
	$(MAKE) test-hostile ARGS=--smoke
smoke-environments:
	nice -n 19 $(MAKE) $(FASTAPI)/.locked $(FUZZ)/.locked
	nice -n 19 $(MAKE) test-pythons PYTHONS=3.13 TESTS='tests/unit/schemas/test_events.py tests/unit/schemas/test_nesting.py' \
	    FEW='editables hatchling jgo platformdirs hypothesis psutil pytest pytest-asyncio pytest-xdist'
# Ports of their own: one is looked for before its server takes it.
smoke-benches: export ROLLCALL_LOCAL_PORTS = 21000-22999
smoke-drills: export ROLLCALL_LOCAL_PORTS = 23000-24999
smoke-loads: export ROLLCALL_LOCAL_PORTS = 25000-26999
smoke-others: export ROLLCALL_LOCAL_PORTS = 27000-28999
smoke-benches:
	$(MAKE) bench ARGS=--smoke
	$(MAKE) bench-sockets ARGS=--smoke
	$(MAKE) bench-door ARGS=--smoke
smoke-drills:
	$(MAKE) test-restore ARGS=--smoke
	$(MAKE) bench-catch-up ARGS=--smoke
	$(MAKE) bench-reducer ARGS=--smoke
	$(MAKE) bench-notify ARGS=--smoke
smoke-loads:
	$(MAKE) test-faults ARGS=--smoke
	$(MAKE) bench-million ARGS=--smoke
	$(MAKE) bench-analytics ARGS=--smoke
	$(MAKE) bench-store ARGS=--smoke
smoke-others:
	$(MAKE) bench-density ARGS=--smoke
	$(MAKE) screenshots ARGS=--smoke PAGES=tests/e2e/pages/test_dashboard.py::test_the_login_is_accessible
	$(MAKE) bench-capacity ARGS=--smoke
	$(MAKE) fuzz ARGS=--smoke
	$(MAKE) mutants ARGS=--smoke
	$(MAKE) accuracy ARGS=--smoke
	$(MAKE) test-long ARGS='--collect-only -qq' EXAMPLES=2 PROPERTIES=tests/unit/processor/test_presence_oracle.py
	$(MAKE) test-engine ARGS=--smoke
	$(MAKE) tools
	@made=$$(mktemp -d) && $(MAKE) docs MADE_IN=$$made \
	&& for page in $$(cd $$made && find . -type f); do cmp $$page $$made/$$page || exit 1; done \
	&& $(MAKE) wheel DIST=$$made && rm -r $$made

# Where no engine answers it fails and says how to get one; ARGS=--smoke says it and goes on, for CI.
test-engine: install
	$(BIN)/python -m tests.engine $(ARGS)

# ARGS='--only bombs' looks at one attack alone, ARGS='--seed 2' at other chances: docs/security.md.
test-hostile: install
	$(BIN)/python -m tests.hostile $(ARGS)

# ARGS='--only torn-tail' has one kind alone, ARGS='--seed 2' other chances, ARGS='--brokers 3' three brokers: docs/faults.md.
test-faults: install
	$(BIN)/python -m tests.faults $(ARGS)

# ARGS='--seconds 300' lets more go by between the dump and the loss: docs/operations.md.
test-restore: install
	$(BIN)/python -m tests.restore $(ARGS)

# What it is compared with.
FASTAPI := .venv-fastapi
$(FASTAPI)/.locked: tests/fastapi.lock
	rm -rf $(FASTAPI)
	$(UV_INSTALL) --target $(FASTAPI) -r $< || $(BIN)/python $(PIP_INSTALL) --target $(FASTAPI) -r $<
	@touch $@
bench: install $(FASTAPI)/.locked
	$(BIN)/python -m tests.bench $(ARGS)

bench-sockets: install
	$(BIN)/python -m tests.bench.sockets $(ARGS)

bench-reducer: install
	$(BIN)/python -m tests.bench.reducer $(ARGS)

bench-store: install
	$(BIN)/python -m tests.bench.store $(ARGS)

bench-notify: install
	$(BIN)/python -m tests.bench.notify $(ARGS)

bench-door: install
	$(BIN)/python -m tests.bench.door $(ARGS)

# ARGS='--users 100000 --minutes 3' is smaller, ARGS='--processors 1,2,4' compares what an event costs so many of them.
bench-million: install
	$(BIN)/python -m tests.bench.million $(ARGS)

bench-catch-up: install
	$(BIN)/python -m tests.bench.million.catch_up $(ARGS)

bench-density: install
	$(BIN)/python -m tests.bench.density $(ARGS)

bench-analytics: install
	$(BIN)/python -m tests.bench.analytics $(ARGS)

bench-capacity: install
	$(BIN)/python -m tests.bench.capacity $(ARGS)

# The table and the picture of the loss contract; the same seed gives the same bytes.
accuracy: install
	$(BIN)/python -m tests.bench.accuracy $(ARGS)

# Beside the environment, not in it: tests/mutants.in says why. ARGS='--only core/outage.py' looks at one module,
# ARGS='--sample 12 --seed 19' at twelve changes of each.
MUTMUT := .venv-mutmut
$(MUTMUT)/.locked: tests/mutants.lock
	rm -rf $(MUTMUT)
	$(UV_INSTALL) --target $(MUTMUT) -r $< || $(BIN)/python $(PIP_INSTALL) --target $(MUTMUT) -r $<
	@touch $@
mutants: install $(MUTMUT)/.locked
	PYTHONPATH=$(CURDIR)/$(MUTMUT) $(BIN)/python -m tests.mutation $(ARGS)

# Beside the environment too: the fuzzer has wheels for some platforms alone. ARGS='--only body' is one target,
# ARGS='--minutes 60 --keep' looks longer and keeps what reaches something new: docs/security.md.
FUZZ := .venv-fuzz
$(FUZZ)/.locked: tests/fuzz.lock
	rm -rf $(FUZZ)
	$(UV_INSTALL) --only-binary :all: --target $(FUZZ) -r $< || $(BIN)/python $(PIP_INSTALL) --only-binary :all: --target $(FUZZ) -r $<
	@touch $@
fuzz: install $(FUZZ)/.locked
	PYTHONPATH=$(CURDIR)/$(FUZZ) $(BIN)/python -m tests.fuzz $(ARGS)

# Universal: one lock for every platform and Python that we support, no index host inside.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"
lock: install
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) -c requirements.lock deploy/build.in -o deploy/build.lock
	$(LOCK) deploy/uv.in -o deploy/uv.lock
	$(LOCK) --extra local --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	$(LOCK) --no-deps tests/mutants.in -o tests/mutants.lock
	$(LOCK) --no-deps tests/fuzz.in -o tests/fuzz.lock
	$(LOCK) -c requirements-dev.lock tests/fastapi.in -o tests/fastapi.lock

# Pages that are made from the code.
MADE_IN := .
docs: install
	$(BIN)/python -m deploy.pages $(MADE_IN)

# What runs from any folder: pipx run --spec './dist/….whl[local]' rollcall up
DIST := dist
wheel: install
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $(DIST) .
	@ls $(DIST)/rollcall_presence-*.whl

# README's picture of the Live page, after a quarter of an hour of simulated users, and every page by day, by
# night and on a phone, into screenshots/, as the tests of pages see them.
PAGES := tests/e2e/pages
screenshots: install packages
	$(BIN)/python -m tests.e2e.picture $(ARGS)
	ROLLCALL_SCREENSHOTS=1 $(BIN)/pytest -q $(PAGES) -k "not stack and not seen"

# Tokens as providers make them, by their libraries: wants Node, npm, a JDK, Maven and the network.
providers: install
	$(BIN)/python tests/fixtures/providers/generate.py

clean:
	rm -rf $(VENV) $(addprefix .venv-,$(PYTHONS) $(addsuffix -few,$(PYTHONS))) $(MUTMUT) $(FUZZ) $(FASTAPI) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
