# The house's commands. `make help` lists them. Needs Python 3.11+ with venv, and make; nothing else.

SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python

# Variables of the caller's shell that would change what our Python imports or how it runs.
$(foreach name,$(filter PYTHON%,$(.VARIABLES)),$(eval unexport $(name)))
unexport DJANGO_SETTINGS_MODULE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help setup setup-dev run test lint bench bench-ledger storm pins clean

help: ## list the commands
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s%s\n", $$1, $$2}'

# make $(call install,FILE,STAMP): a virtual environment with exactly the hashed requirements of FILE, made anew only
# when the file's content changed. A .venv that is a link belongs to someone else and is used as it is.
define install
	@if [ -L $(VENV) ]; then \
	  $(PY) -c "import django" 2>/dev/null || { echo "setup failed: .venv is a link to an environment without our packages; remove the link and run make setup"; exit 1; }; \
	  exit 0; \
	fi; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "setup failed: Python 3.11 or later is needed; name one with: make PYTHON=/path/to/python3.11"; exit 1; }; \
	sum=$$(cat $(1) | cksum | tr ' ' -); \
	if [ "$$(cat $(VENV)/$(2) 2>/dev/null)" = "$$sum" ] && $(PY) -c "import django" 2>/dev/null; then exit 0; fi; \
	echo "setup: installing $(1) into $(VENV) (a minute or two)"; \
	if ! $(PY) -c "import pip" 2>/dev/null; then \
	  $(PYTHON) -m venv --clear $(VENV) || { \
	    echo "setup failed: python3 cannot make a virtual environment; install its venv package (Debian: python3-venv)"; exit 1; }; \
	fi; \
	PIP_USER=0 $(PY) -m pip install -qq --require-hashes -r $(1) || { \
	  echo "setup failed: a package could not be installed; check the network or the pip settings and run make setup again"; exit 1; }; \
	echo "$$sum" > $(VENV)/$(2); \
	echo "setup: done"
endef

setup: ## make .venv with the pinned packages the product needs
	$(call install,requirements.txt,.pinned)

setup-dev: setup
	$(call install,requirements-dev.txt,.pinned-dev)

run: setup ## start everything, take a day from card to bank, stay up (ONCE=1, DAYS=3, ORDERS=file.csv, SEED=7)
	@exec $(PY) -m config.supervisor

test: setup-dev ## run the fast suite on its own servers (PYTEST_ARGS="tests/unit -k money")
	@echo "test: the fast suite, three processes (on two cores: each waits now and then)"
	@$(PY) -m pytest -n 3 --dist loadgroup -m "not slow" $(PYTEST_ARGS) || { \
	  echo "test failed: run one alone with: make test PYTEST_ARGS='tests/unit/config -k name'"; exit 1; }

storm: setup-dev ## run the chaos tests and the long ones, over an hour (PYTEST_ARGS="-k fuzz"; docs/storm.md)
	@echo "storm: processes are killed, servers restarted, many examples; over an hour"
	@$(PY) -m pytest -v -m "chaos or slow" --timeout 1800 $(PYTEST_ARGS) || { \
	  echo "storm failed: repeat one test with: make storm PYTEST_ARGS='-k name'"; exit 1; }

lint: setup-dev ## check style, layers, types, migrations, production settings
	@echo "lint: ruff"; $(PY) -m ruff check . && $(PY) -m ruff format --check --quiet . || { \
	  echo "lint failed: run .venv/bin/ruff check --fix . && .venv/bin/ruff format ."; exit 1; }
	@echo "lint: layers"; $(PY) -c "from importlinter.cli import lint_imports_command as main; main()" --no-cache > .lint-layers.log 2>&1 || { \
	  cat .lint-layers.log; rm -f .lint-layers.log; echo "lint failed: an import breaks a layer named above; move the code or pass the news by the outbox"; exit 1; }; rm -f .lint-layers.log
	@echo "lint: types"; $(PY) -m mypy --no-error-summary || { echo "lint failed: mend the types named above"; exit 1; }
	@echo "lint: migrations"; DJANGO_SETTINGS_MODULE=config.settings.lint $(PY) -W ignore manage.py makemigrations --check --dry-run || { \
	  echo "lint failed: run .venv/bin/python manage.py makemigrations and look at what it made"; exit 1; }
	@echo "lint: production settings"; DJANGO_SETTINGS_MODULE=config.settings.lint $(PY) manage.py check --deploy --fail-level WARNING || { \
	  echo "lint failed: mend config/settings/prod.py as the warnings say"; exit 1; }

bench: setup ## measure the API and the journal against bare Django and raw SQL (BENCH_ARGS="--seconds 3")
	@$(PY) -m config.bench $(BENCH_ARGS)

bench-ledger: setup-dev ## measure the books beside raw SQL and django-hordak, 12 minutes (BENCH_ARGS="--quick")
	@$(PY) -m config.bench.ledger $(BENCH_ARGS)

pins: ## write requirements*.txt anew from requirements*.in (needs uv, or pip-tools in .venv)
	@echo "pins: resolving requirements.in and requirements-dev.in"
	@for name in requirements requirements-dev; do \
	  bound=; [ $$name = requirements ] || bound="-c requirements.txt"; \
	  if command -v uv >/dev/null 2>&1; then \
	    uv pip compile -q --upgrade --generate-hashes --no-header --no-emit-find-links --no-emit-index-url --python-version 3.11 $$bound -o $$name.txt $$name.in; \
	  else \
	    $(PY) -m piptools compile -q --upgrade --generate-hashes --strip-extras --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $$bound -o $$name.txt $$name.in; \
	  fi || { echo "pins failed: install uv, or pip-tools into .venv, and run make pins again"; exit 1; }; \
	done
	@! grep -nE '(^|[^#])https?://' requirements.txt requirements-dev.txt || { echo "pins failed: an address stands in the pins; remove it from the pip settings and repeat"; exit 1; }

clean: ## stop nothing, remove .venv (unless a link), caches and the data of make run
	@echo "clean: removing the environment, caches and .data"
	@$(PYTHON) config/clearing.py || { echo "clean failed: stop make run first (Ctrl-C), then repeat"; exit 1; }
