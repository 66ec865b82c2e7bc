# make run     set everything up, make demo data if there is none, serve on http://127.0.0.1:8050
# make test    every check and test
# make bench   the measurements of benchmarks/
# make bundle  everything a machine without internet needs, as board.tar
# make format  put code into the project's format
# make requirements  compile the pinned versions again
# make clean   delete what set-up and tests made; data in var/ stays

SHELL := /bin/bash
.DEFAULT_GOAL := run
.PHONY: run test bench bundle format requirements clean browser-files
.DELETE_ON_ERROR:

PYTHON ?= python3
PORT ?= 8050
VENV := .venv
RUN_READY := .build/requirements
TEST_READY := .build/requirements-dev
# A bundle brings its packages along.
OFFLINE := $(if $(wildcard wheels),--no-index --find-links wheels)
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check install --quiet --no-input $(OFFLINE)

run: $(RUN_READY) browser-files
	@$(VENV)/bin/flask data demo --if-empty
	@PORT=$(PORT) $(VENV)/bin/gunicorn --config gunicorn.conf.py

test: $(TEST_READY) browser-files
	@REQUIRE_ALL=$(REQUIRE_ALL) tools/run_tests.sh $(ARGS)

bench: $(TEST_READY) browser-files
	@$(VENV)/bin/python -m benchmarks $(ARGS)

bundle: $(RUN_READY) browser-files
	@rm -rf wheels board.tar
	@$(VENV)/bin/python -m pip --disable-pip-version-check download --quiet --no-input \
		--requirement requirements.txt --dest wheels
	@{ git ls-files; ls -d assets/00-vendor*; echo .build/vendor.json; echo wheels; } \
		| tar --create --file board.tar --transform 's,^,board/,' --files-from -
	@rm -rf wheels
	@ls -l board.tar

format: $(TEST_READY)
	@$(VENV)/bin/ruff check --fix-only --quiet
	@$(VENV)/bin/ruff format

browser-files: $(RUN_READY)
	@$(VENV)/bin/python -m tools.vendor_assets

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed (make PYTHON=…)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "$(PYTHON) cannot make virtual environments" >&2; exit 1; }

$(RUN_READY): requirements.txt | $(VENV)/bin/python
	@echo "Python packages …"
	@$(PIP) --requirement requirements.txt
	@mkdir -p .build && touch $@

$(TEST_READY): requirements-dev.txt $(RUN_READY)
	@echo "Python packages for tests …"
	@$(PIP) --requirement requirements-dev.txt
	@touch $@

# One version for every Python from 3.11 on, so that what is tested is what is installed.
COMPILE := .build/pins/bin/uv pip compile --quiet --upgrade --universal --fork-strategy fewest \
	--python-version 3.11 --no-header --annotation-style line
requirements: | $(VENV)/bin/python
	@$(VENV)/bin/python -m venv .build/pins
	@.build/pins/bin/python -m pip --disable-pip-version-check install --quiet uv
	@$(COMPILE) requirements.in --output-file requirements.txt >/dev/null
	@$(COMPILE) requirements-dev.in --output-file requirements-dev.txt >/dev/null

clean:
	@[ ! -x tools/postgres_for_tests.sh ] || tools/postgres_for_tests.sh stop
	@rm -rf $(VENV) .build board.tar assets/00-vendor* .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
