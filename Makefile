# BQX ML. `make` alone lists the targets.

VENV    ?= .venv
STATE   ?= .local
UV      := uv==0.13.9
PY      := $(VENV)/bin/python
JOBS    ?= auto
TESTS   ?= tests


# uv reads neither the system's certificates nor pip's index unless told to.
export UV_SYSTEM_CERTS := 1
INDEX    = $(shell $(VENV)/bin/pip config get global.index-url 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help install run up stop status clean test soak check verify docs format bench pictures tft lock distclean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/.runtime ## start everything and run the pipeline: DATA= PAIRS= FROM= TO= CROSSES= PROFILE= STATE= WORKERS= PORT= PRICE_SIDE= TIMEZONE=
	@exec $(PY) -m local run --state '$(STATE)' \
	  $(if $(DATA),--data '$(DATA)') $(if $(PAIRS),--pairs '$(PAIRS)') \
	  $(if $(FROM),--from '$(FROM)') $(if $(TO),--to '$(TO)') \
	  $(if $(CROSSES),--crosses '$(CROSSES)') $(if $(PROFILE),--profile '$(PROFILE)') \
	  $(if $(WORKERS),--workers '$(WORKERS)') $(if $(PORT),--port '$(PORT)') \
	  $(if $(PRICE_SIDE),--price-side '$(PRICE_SIDE)') $(if $(TIMEZONE),--timezone '$(TIMEZONE)')

up: $(VENV)/.runtime ## start the stack without running anything on it
	@exec $(PY) -m local up --state '$(STATE)'

stop: $(VENV)/.runtime ## end exactly what `make run` started
	@exec $(PY) -m local stop --state '$(STATE)'

status: $(VENV)/.runtime ## say what runs
	@exec $(PY) -m local status --state '$(STATE)'

clean: $(VENV)/.runtime ## stop, then delete STATE (only if `make run` made it)
	@exec $(PY) -m local clean --state '$(STATE)'

test: $(VENV)/.dev ## run every test but the soak: TESTS=tests/local JOBS=1
	$(PY) -m pytest -n $(JOBS) --dist loadfile $(TESTS)

soak: $(VENV)/.dev ## the long proofs
	$(PY) -m pytest -m soak --timeout 7200 $(TESTS)

check: $(VENV)/.dev ## lint, types, generated docs, versions on Amazon MWAA
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/sqlfluff lint include/sql
	$(PY) -m tools.dictionary --check
	$(PY) -m tools.verify --check
	$(COMPILE) $(MWAA) --extra tracking -o $(VENV)/requirements-mwaa.txt

verify: $(VENV)/.dev ## test every feature family and keep the result beside its code
	$(PY) -m tools.verify --jobs '$(JOBS)'

docs: $(VENV)/.dev ## write the generated docs
	$(PY) -m tools.dictionary

format: $(VENV)/.dev ## let ruff rewrite what it can
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.dev ## side by side with peers, as ratios
	$(PY) -m benchmarks

pictures: $(VENV)/.dev ## make the pictures of the docs from the running stack
	@. '$(STATE)/env' && $(PY) docs/img/make_pictures.py

tft: | $(PY) ## make .venv-tft, in which networks are trained here (1.5 GB): ALLOW_CUDA=1
	@ALLOW_CUDA='$(ALLOW_CUDA)' $(PY) -m tools.networks

install: $(VENV)/.runtime ## only install

lock: $(VENV)/.dev ## resolve requirements*.txt anew from pyproject.toml
	$(COMPILE) $(LOCK) -o requirements.txt
	$(COMPILE) $(LOCK) -o requirements-local.txt $(LOCAL) -c requirements.txt
	$(COMPILE) $(LOCK) -o requirements-dev.txt $(LOCAL) --extra dev -c requirements-local.txt
	$(COMPILE) $(MWAA) --upgrade -o requirements-mwaa.txt
COMPILE := $(VENV)/bin/uv pip compile pyproject.toml --quiet --no-emit-index-url --custom-compile-command 'make lock'
LOCAL := --extra local --extra tracking
LOCK := --universal --python-version 3.11 --upgrade
# Amazon MWAA: its Python, its forced pins, and its default constraints; see mwaa/README.md. No comments on where a
# version comes from: on MWAA a line with "-c" in it, even in a comment, switches its default constraints off.
MWAA := --python-version 3.12 --python-platform x86_64-manylinux_2_34 \
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
