# Everything that a machine needs is installed from here. PY is the one Python that all targets use.
PYTHON ?= python3
PY := .venv/bin/python
PIP := $(PY) -m pip --disable-pip-version-check
STAMP := .venv/.installed-$(shell sha256sum pyproject.toml | cut -c1-12)

.PHONY: install demo down test test-fast test-torch fuzz lint format crds bench

install: $(STAMP)

$(STAMP): pyproject.toml
	@echo "make: installing Python packages into .venv (torch is large: minutes on first use, once)"
	@test -x $(PY) || $(PYTHON) -m venv .venv
	@$(PIP) uninstall --quiet --yes torchrec 2>/dev/null  # of an install before: pip check finds that it lacks what it does not use
	@$(PIP) install --quiet -e '.[operator,trainer,serving,local,dev]'
	@$(PIP) check
	@$(PY) -c 'from recsys_local.requirements import of_extra; print(*of_extra("sharded"), sep="\n")' \
		| $(PIP) install --quiet --no-deps --requirement /dev/stdin
	@touch $@

demo: install
	@$(PY) -m recsys_local.demo $(if $(KEEP),--keep)

down: install
	@$(PY) -m recsys_local down

# The whole product: pure tests, contract suites, the simulation, and what only a real control plane can tell.
test: install
	@$(PY) -m recsys_local build
	@$(PY) -m pytest; status=$$?; $(PY) -m recsys_local down; exit $$status

# What needs neither root nor a cluster: seconds, for the edit loop.
test-fast: install
	@$(PY) -m pytest tests/unit tests/chart tests/simulation

# Models, fitting and sampling on a torch that a GPU machine may have: make test-torch TORCH=2.11. It is large, so `test` has it not.
TORCH ?= 2.11
test-torch: install
	@$(PY) -m benchmarks.torch_versions $(TORCH)

# The property tests with new examples each time: run it now and then, and turn what it finds into a test.
fuzz: install
	@$(PY) -m pytest tests/unit tests/simulation --hypothesis-profile=fuzz

lint: install
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(PY) -m recsys_api.crd --check

format: install
	@.venv/bin/ruff check --fix --exit-zero .
	@.venv/bin/ruff format .

crds: install
	@$(PY) -m recsys_api.crd

bench: install
	@$(PY) -m benchmarks
