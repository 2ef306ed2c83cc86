# Everything one does with this project. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
# Not to be chosen: it is deleted and made anew when what it needs has changed.
override VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Tests wait more than they compute. Each process has servers of its own; 0: all in this one. Files in their order:
# by default those with most tests come first, and the slowest, which have few, one after the other at the end.
PROCESSES ?= 4
# Some tests need promtool, pgbouncer, Node.js or Chromium, which no wheel brings, and are skipped without one.
# 1: they fail instead.
REQUIRE_TOOLS ?= 0
export REQUIRE_TOOLS

# Modules are compiled once, not in each of the hundreds of processes that the tests start, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: bench bench-growth chaos compare-dj-stripe help demo dev docs drift test test-long test-celery-matrix test-docker check static format requirements clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## the whole story in under 90 seconds, on real servers, compared with Stripe cent by cent
	@$(BIN)/payment-worker demo

dev: $(READY) ## the same stack, left running: enqueue from another shell, watch it in Flower (ARGS="--port-base 17500")
	@$(BIN)/payment-worker dev $(ARGS) || test $$? -eq 130

test: $(READY) ## every test, against real servers that it starts itself (ARGS="-k refund" chooses, REQUIRE_TOOLS=1 skips none)
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: ## the same with many more examples of each property, and the long runs: before a release
	TEST_LENGTH=long $(MAKE) test

test-celery-matrix: ## the broker's tests on the oldest and newest Celery, kombu and redis-py that pyproject.toml allows
	$(call MATRIX,oldest,"celery==5.7.0" "kombu==5.7.0" "redis==6.4.0")
	$(call MATRIX,newest,--upgrade --upgrade-strategy eager "celery>=5.7$(,)<5.8" "kombu>=5.7$(,)<5.8" "redis>=6.4$(,)<9")
# An environment of its own for each: $(1) is its name, $(2) what is installed over the pinned packages.
MATRIX = $(PYTHON) -m venv build/celery-$(1) && \
	build/celery-$(1)/bin/pip install -qq --require-hashes --only-binary :all: -r requirements/dev.txt && \
	build/celery-$(1)/bin/pip install -qq $(2) && \
	build/celery-$(1)/bin/pip install -qq --no-deps --no-build-isolation --editable . && \
	build/celery-$(1)/bin/pip list | grep -iE '^(celery|kombu|redis) ' && \
	build/celery-$(1)/bin/python -m pytest tests/broker --numprocesses $(PROCESSES) --dist loadfile $(ARGS)
, := ,

test-docker: $(READY) ## tests on containers of our image and of compose.yaml, which get killed; needs an engine
	@docker info >/dev/null 2>&1 || { echo "No container engine answers: 'docker info' says why. make test needs none."; exit 1; }
	DOCKER_BUILDKIT=1 docker build --quiet --tag payment-worker:test .
	TEST_LENGTH=long TEST_NODES=containers $(BIN)/python -m pytest tests/nodes tests/deployed $(ARGS)

chaos: $(READY) ## payments while processes and servers are killed, then every invariant (N=300 SEED=7 SECONDS=60)
	@$(BIN)/python -m payment_worker.devstack.chaos $(if $(N),--payments $(N)) $(if $(SEED),--seed $(SEED)) \
	  $(if $(SECONDS),--seconds $(SECONDS)) $(ARGS)

check: static test ## format, lint, types, layers, the docs' links, then every test

static: $(READY) ## format, lint, types, layers and the docs' links, without the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(SITE)

docs: $(READY) ## the documentation as a site in build/site, to be opened from there
	$(SITE)
# Never --quiet: it hides the warnings from --strict, too. The variable spares an advertisement.
SITE := NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

drift: $(READY) ## does Stripe still behave as the simulator? (STRIPE_SANDBOX_KEY=sk_test_…; without it: what would be checked)
	@$(BIN)/python -m tests.drift

bench: $(READY) ## what a charge costs beside stock Celery's empty task, with goals (ARGS="--tasks 3000 --json", ARGS="--compare main")
	@$(BIN)/python -m payment_worker.devstack.bench $(ARGS)

bench-growth: $(READY) ## what each operation costs on large tables beside small ones (ARGS="--rows 10000000": 36 GB)
	@$(BIN)/python -m payment_worker.devstack.bench.growth $(ARGS)

compare-dj-stripe: $(READY) ## what an event costs beside dj-stripe, which is installed for it alone (ARGS="--json")
	$(PYTHON) -m venv build/dj-stripe
	build/dj-stripe/bin/pip install -qq --no-deps --only-binary :all: -r tools/compare_dj_stripe/requirements.txt
	@$(BIN)/python tools/compare_dj_stripe build/dj-stripe/bin/python $(ARGS)

format: $(READY) ## format the code and fix what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

requirements: $(READY) ## pin every package anew, with hashes, for all Pythons and machines that are supported
	$(PYTHON) -m venv build/uv
	build/uv/bin/pip install -qq uv
	for file in runtime dev; do sed -n 1p requirements/$$file.txt >build/$$file.txt; done
	$(PIN) pyproject.toml >>build/runtime.txt
	$(PIN) pyproject.toml requirements/build.in --extra test --constraint build/runtime.txt >>build/dev.txt
	sed -n 1p requirements/build.txt >build/build.txt
	$(PIN) requirements/build.in --constraint build/dev.txt >>build/build.txt
	mv build/runtime.txt build/dev.txt build/build.txt requirements/
PIN := build/uv/bin/uv --quiet pip compile --no-config --universal --python-version 3.11 --upgrade \
	--generate-hashes --no-header --no-annotate

clean: ## forget the environment and everything that was built
	rm -rf $(VENV) build dist var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Some systems ship Python without the part that puts pip into an environment: then the system's own pip fills it.
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@echo "Installing what is needed into $(VENV), once"
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --clear --without-pip $(VENV)
	@pip=$$(test -x $(BIN)/pip && echo "$(BIN)/python -m pip" || echo "$(PYTHON) -m pip --python $(BIN)/python") && \
	$$pip install -qq --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt && \
	$$pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
