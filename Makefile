# Everything sets itself up on a machine that has make and Python 3.11 or newer (`make PYTHON=/path/to/python3`).

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := requirements/build.txt requirements/dev.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo up test check bench sbom lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(READY) ## See all of it in a minute, without a broker or a server to install
	$(BIN)/innsyn demo

up: $(READY) ## Run on this machine: Apache Kafka (needs Java 17 and Maven), embedded ClickHouse
	$(BIN)/innsyn up

# One process more than there are processors (up to 8), because a third of the time tests wait for processes that they
# started; each takes up to 1.5 GB with its broker. Compiled modules are kept: hundreds of processes would compile them anew.
WORKERS ?= $(shell "$(PYTHON)" -c 'import os; print(min(os.cpu_count() or 1, 8) + 1)')
test: $(READY) ## All tests; those that need Kafka are skipped, and counted, where Java 17 or Maven is missing
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(READY) ## Lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## The benchmarks that docs/measured.md quotes
	$(BIN)/python -m bench
	$(BIN)/python -m bench.identity
	$(BIN)/python -m bench.texts

# Three steps, because hashes are demanded of everything that comes from outside, and a local folder has none.
$(READY): $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing: install it, or name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "$(PYTHON) is not Python 3.11 or newer: name one that is with make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --no-build-isolation --editable . --editable ./sdk
	@touch $@

sbom: ## What innsyn is made of, as CycloneDX: dist/sbom-python.cdx.json, and the jars of the broker of `innsyn up`
	@command -v mvn >/dev/null || { echo "mvn is missing: install Maven" >&2; exit 1; }
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is missing: install it, or name it with make PYTHON=/path/to/python3" >&2; exit 1; }
	@mkdir -p dist
	"$(PYTHON)" -m venv dist/sbom
	dist/sbom/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/sbom.txt
	dist/sbom/bin/cyclonedx-py requirements requirements/run.txt --pyproject pyproject.toml --output-reproducible --of JSON -o dist/sbom-python.cdx.json
	mvn -q -B -f streams/kafka/brokers/pom.xml org.cyclonedx:cyclonedx-maven-plugin:2.9.1:makeBom -DoutputFormat=json -DoutputDirectory=$(CURDIR)/dist -DoutputName=sbom-kafka.cdx

lock: ## Resolve the requirements, the checksums of the jars and the lock of the Node producer anew (needs uv, Maven, npm)
	@command -v uv >/dev/null || { echo "uv is missing: install it (pip install uv)" >&2; exit 1; }
	uv pip compile pyproject.toml $(LOCKING) -o requirements/run.txt
	uv pip compile pyproject.toml --group dev -c requirements/run.txt $(LOCKING) -o requirements/dev.txt
	uv pip compile requirements/build.in -c requirements/dev.txt $(LOCKING) -o requirements/build.txt
	uv pip compile requirements/sbom.in -c requirements/dev.txt $(LOCKING) -o requirements/sbom.txt
	rm -rf dist/jars
	mvn -q -B -f streams/kafka/brokers/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/dist/jars
	cd dist/jars && sha256sum *.jar > ../../streams/kafka/brokers/jars.sha256
	rm -rf dist/producer-jars
	mvn -q -B -f tests/producers/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/dist/producer-jars
	cd dist/producer-jars && sha256sum *.jar > ../../tests/producers/jars.sha256
	rm -rf dist/postgresql-jars
	mvn -q -B -f tests/postgresql/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/dist/postgresql-jars
	cd dist/postgresql-jars && sha256sum *.jar > ../../tests/postgresql/jars.sha256
	cd tests/producers && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved
	cd tests/queries && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved

LOCKING := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header

clean: ## Remove what set-up and tests made; the data in .innsyn stays
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
