# BQX ML. `make` alone lists the targets.

VENV    ?= .venv
STATE   ?= .local
UV      := uv==0.13.9
PY      := $(VENV)/bin/python
JOBS    ?= auto
TESTS   ?= tests


# What a person gives is text: make expands nothing in it (value), a shell sees it in quotes, argparse after an equals
# sign. Not exported: for that make would expand it all the same.
GIVEN   := STATE DATA PAIRS FROM TO CROSSES PROFILE WORKERS PORT PRICE_SIDE TIMEZONE LEGACY PAIR
unexport $(GIVEN)
quoted   = '$(subst ','\'',$(value $(1)))'
given    = $(if $(value $(1)),--$(2)=$(call quoted,$(1)))

# uv reads neither the system's certificates nor pip's index unless told to.
export UV_SYSTEM_CERTS := 1
INDEX    = $(shell $(VENV)/bin/pip config get global.index-url 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help install run up stop status clean predict test soak check verify drill docs format bench pictures tft lock distclean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.runtime ## start everything and run the pipeline: DATA= PAIRS= FROM= TO= CROSSES= PROFILE= STATE= WORKERS= PORT= PRICE_SIDE= TIMEZONE= LEGACY=
	@exec $(PY) -m local run $(call given,STATE,state) $(call given,DATA,data) $(call given,PAIRS,pairs) \
	  $(call given,FROM,from) $(call given,TO,to) $(call given,CROSSES,crosses) $(call given,PROFILE,profile) \
	  $(call given,WORKERS,workers) $(call given,PORT,port) $(call given,PRICE_SIDE,price-side) \
	  $(call given,TIMEZONE,timezone) $(call given,LEGACY,legacy)

up: $(VENV)/.runtime ## start the stack without running anything on it
	@exec $(PY) -m local up $(call given,STATE,state)

stop: $(VENV)/.runtime ## end exactly what `make run` started
	@exec $(PY) -m local stop $(call given,STATE,state)

status: $(VENV)/.runtime ## say what runs
	@exec $(PY) -m local status $(call given,STATE,state)

clean: $(VENV)/.runtime ## stop, then delete STATE (only if `make run` made it)
	@exec $(PY) -m local clean $(call given,STATE,state)

predict: | $(PY) ## ask the running API for a forecast: PAIR=eurusd
	@exec $(PY) -m local.predict $(call given,STATE,state) $(call given,PAIR,pair)

test: $(VENV)/.dev ## run every test but the soak: TESTS=tests/local JOBS=1
	$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --durations 150 $(TESTS)

soak: $(VENV)/.dev ## the long proofs
	$(PY) -m pytest -m soak --timeout 7200 $(TESTS)

check: $(VENV)/.dev ## lint, types, generated docs, versions on Amazon MWAA
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/sqlfluff lint include/sql
	$(VENV)/bin/cfn-lint --regions us-east-1 eu-west-1 -- deploy/cloudformation/*.yaml
	$(PY) -m tools.dictionary --check
	$(PY) -m tools.verify --check
	$(COMPILE) $(MWAA) --extra tracking -o $(VENV)/requirements-mwaa.txt

verify: $(VENV)/.dev ## test every feature family and keep the result beside its code
	$(PY) -m tools.verify --jobs '$(JOBS)'

drill: $(VENV)/.dev ## fire every alarm, drill every runbook, keep the result: BQX_DRILL_STATE= of a running stack
	$(PY) -m tools.drill

docs: $(VENV)/.dev ## write the generated docs
	$(PY) -m tools.dictionary

format: $(VENV)/.dev ## let ruff rewrite what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.dev ## side by side with peers, as ratios
	$(PY) -m benchmarks

pictures: $(VENV)/.dev ## make the pictures of the docs from the running stack: CHAPTERS=serving
	@. $(call quoted,STATE)/env && $(PY) docs/img/make_pictures.py $(CHAPTERS)

tft: | $(PY) ## make .venv-tft, in which networks are trained here (1.5 GB): ALLOW_CUDA=1
	@ALLOW_CUDA='$(ALLOW_CUDA)' $(PY) -m tools.networks

install: $(VENV)/.runtime ## only install

lock: $(VENV)/.dev ## resolve requirements*.txt anew from pyproject.toml
	$(COMPILE) $(LOCK) -o requirements.txt
	$(COMPILE) $(LOCK) -o requirements-local.txt $(LOCAL) -c requirements.txt
	$(COMPILE) $(LOCK) -o requirements-dev.txt $(LOCAL) --extra dev -c requirements-local.txt
	$(COMPILE) $(MWAA) --upgrade -o requirements-mwaa.txt
	$(RESOLVE) --group api $(CLOUD) --no-annotate --upgrade -c requirements.txt -o requirements-api.txt
RESOLVE := $(VENV)/bin/uv pip compile --quiet --no-emit-index-url --custom-compile-command 'make lock'
COMPILE = $(RESOLVE) pyproject.toml
LOCAL := --extra local --extra tracking
LOCK := --universal --python-version 3.11 --upgrade
CLOUD := --python-version 3.12 --python-platform x86_64-manylinux_2_34
# Amazon MWAA: its Python, its forced pins, and its default constraints; see mwaa/README.md. No comments on where a
# version comes from: on MWAA a line with "-c" in it, even in a comment, switches its default constraints off.
MWAA = $(CLOUD) \
  -c mwaa/mwaa_essential_constraints.txt -c mwaa/airflow_constraints.txt --no-annotate

distclean: ## delete the virtual environment and all caches
	rm -rf $(VENV) .venv-container .venv-tft .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.runtime: requirements-local.txt | $(PY)
	@$(call install,requirements-local.txt)
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(PY)
	@$(call install,requirements-dev.txt)
	@touch $@ $(VENV)/.runtime

FITS := import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))

# uv takes seconds where pip takes a minute; pip is the way where uv finds no index.
define install
$(PY) -c '$(FITS)' || { \
  echo "$(VENV) is not made with Python 3.11 or 3.12. Delete it (make distclean) and try again."; exit 1; }; \
echo "Installing $(1)"; \
$(PY) -m pip --version >/dev/null 2>&1 || $(PY) -m ensurepip >/dev/null; \
$(PY) -m pip install --quiet --disable-pip-version-check '$(UV)' && \
$(if $(INDEX),UV_DEFAULT_INDEX='$(INDEX)') $(VENV)/bin/uv pip install --quiet --python $(PY) -r $(1) || { \
  echo "uv could not install, trying pip (slower)"; \
  $(PY) -m pip install --quiet --disable-pip-version-check -r $(1); }
endef

$(PY):
	@for python in $(PYTHON) python3.11 python3.12 python3 python; do \
	  if "$$python" -c '$(FITS)' 2>/dev/null; then \
	    echo "Creating $(VENV) with $$("$$python" --version)"; \
	    "$$python" -m venv '$(VENV)' && exit 0; \
	    echo "$$python cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv"; exit 1; \
	  fi; \
	done; \
	version=$$(python3 --version 2>/dev/null); \
	echo "BQX ML needs Python 3.11 or 3.12; here is $${version:-no Python at all}."; \
	echo "Install it (Debian 12: apt install python3.11 python3.11-venv; macOS: brew install python@3.11;"; \
	echo "anywhere: uv python install 3.11), or say where it is: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11"; \
	exit 1
