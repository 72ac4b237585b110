# `make help` lists what there is. Relative paths only: make cannot handle spaces in names, the shell can.

MAKEFLAGS += --no-print-directory
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
RUNS := $(VENV)/installed-to-run
WORKERS := --numprocesses=3 --dist=loadfile --no-loadscope-reorder
CHROMIUMS := chromium chromium-browser google-chrome google-chrome-stable
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Some images forbid Python to keep what it compiled; then every program that a test starts compiles all of it anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help run test coverage check bench contract openapi requirements clean chromium

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 24

run: $(RUNS) ## run the demo; CHANNEL=name follows a real channel, PORT=8001 takes another port
	@exec $(BIN)/python manage.py run $(if $(CHANNEL),--channel "$$CHANNEL")

test: $(INSTALLED) chromium ## run every test
	@exec $(BIN)/python -m pytest $(WORKERS) $(ARGS)

coverage: $(INSTALLED) chromium ## run every test and say which lines none of them reached; takes twice as long
	@exec $(BIN)/python -m pytest $(WORKERS) --cov --cov-report=term $(ARGS)

# The browser of the tests in streamstats/tests/browser. Who leaves those out needs none.
chromium:
	@for name in $(CHROMIUMS); do command -v $$name >/dev/null && exit 0; done; \
	case "$$ARGS" in *--ignore=streamstats/tests/browser*) exit 0;; esac; \
	as_root=$$(test "$$(id -u)" = 0 || echo "sudo -n"); \
	if command -v apt-get >/dev/null && $$as_root true 2>/dev/null; then \
		echo "Installing Chromium for the tests ..."; \
		log=$$(mktemp); apt="$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q"; \
		{ $$apt update && $$apt install -y --no-install-recommends chromium; } >"$$log" 2>&1 && rm "$$log" && exit 0; \
		tail -n 20 "$$log" >&2; rm "$$log"; \
	fi; \
	echo "The tests need Chromium, and it could not be installed here. Install it (on Debian, as root:" \
		"apt-get install chromium), or run the tests without a browser:" \
		"make test ARGS=--ignore=streamstats/tests/browser" >&2; exit 1

check: $(INSTALLED) ## look for mistakes without running anything: style, types, settings, migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/python manage.py check
	$(BIN)/python manage.py makemigrations --check --dry-run

bench: $(INSTALLED) ## measure how fast it is (see bench/README.md)
	@exec $(BIN)/python -m bench $(ARGS)

contract: $(INSTALLED) ## ask 500 times of each operation whether the API keeps to its document; URL=... KEY=... ask a site
	@API_EXAMPLES=$${API_EXAMPLES:-500} API_URL="$$URL" API_KEY="$$KEY" \
		exec $(BIN)/python -m pytest -q streamstats/tests/test_api_contract.py $(ARGS)

openapi: $(INSTALLED) ## write docs/openapi.yaml anew
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file docs/openapi.yaml

requirements: $(INSTALLED) ## take the newest versions of everything that requirements*.in name
	for set in requirements requirements-local requirements-dev; do \
		$(BIN)/pip-compile --quiet --upgrade --strip-extras --no-emit-index-url --no-emit-find-links \
			--no-emit-options --output-file=$$set.txt $$set.in || exit 1; \
	done

clean: ## remove what make made; the data in .data stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .coverage .coverage.* staticfiles
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "StreamStats needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
			"Name another: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Making $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# What the product needs to run on one machine; a stamp file, so that only a change of requirements installs again.
$(RUNS): requirements.txt requirements-local.txt | $(BIN)/python
	@echo "Installing what StreamStats needs ..."
	@$(BIN)/python -m pip install --quiet -r requirements.txt -r requirements-local.txt
	@touch $@

$(INSTALLED): requirements-dev.txt $(RUNS) | $(BIN)/python
	@echo "Installing what its tests need ..."
	@$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	@touch $@
