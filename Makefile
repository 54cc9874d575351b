# Everything a newcomer needs: `make demo` runs the main job, `make test` the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PHOTOGRAPHS := $(VENV)/.photographs
DEV_READY := $(VENV)/.dev-ready
DOCS := .cache/docs
RELEASE := .cache/release
LOWEST := .cache/lowest
GRPC_TOOLS := .cache/grpc-tools
WIRE := src/fusepath/remote/wire

PYTHONS ?= $(foreach version,3.11 3.12 3.13 3.14,$(shell python$(version) -c \
	'import sys; print(sys.executable)' 2>/dev/null))
SEEDS ?= 2000
INPUTS ?= 100000

.PHONY: demo test docs check slow simulate mutate test-faults fuzz proto gain-maps docs dist lowest changelog bench-plan bench-throughput bench-camera bench-camera-hosts bench-codec bench-session bench-system bench-models bench-links bench-serve bench-static bench-studio clean

demo: $(READY) $(PHOTOGRAPHS)  ## an edge server, a slow link and a weak device on this machine
	mkdir -p .cache
	$(BIN)/fusepath demo --report .cache/demo.html
	@test -z "$$FUSEPATH_ULTRAFACE" || $(BIN)/fusepath demo --model "$$FUSEPATH_ULTRAFACE"

test: $(DEV_READY) check  ## lint, types, import contract, generated code, tests
	$(BIN)/pytest -n 2 --dist worksteal

slow: $(DEV_READY)  ## every network, grid and fused layer, all examples, searches without haste; takes long
	FUSEPATH_THOROUGH=1 $(BIN)/pytest -n 2 --dist worksteal -m slow
	FUSEPATH_THOROUGH=1 $(BIN)/pytest -n 2 --dist worksteal tests/property tests/unit

simulate: $(DEV_READY)  ## sessions through faults, and every order of events: SEEDS=2000
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --paths 5

mutate: $(DEV_READY)  ## faults put into the protocol's machines that the simulation must notice
	$(BIN)/python -m tests.simulation.mutants

test-faults: $(DEV_READY)  ## real processes killed, stopped, garbled and stalled; takes long
	$(BIN)/python -m tests.faults --fresh
	$(BIN)/python -m tests.faults --frames 170

fuzz: $(DEV_READY)  ## what comes from outside, changed at random: INPUTS=100000 for each decoder
	$(BIN)/python -m tests.fuzzing --inputs $(INPUTS)

check: $(DEV_READY) $(GRPC_TOOLS)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	PROTOC=$(abspath $(GRPC_TOOLS))/bin/python $(BIN)/python tools/generate_wire.py --check

bench-plan: $(READY)  ## gains and gaps of the planners over networks, machines and links
	$(BIN)/python benchmarks/plan.py

bench-throughput: $(READY)  ## frames a second of plans in turn, beside the best single cut, planned
	$(BIN)/python -m benchmarks.throughput

bench-system: $(DEV_READY)  ## every plan and three peers between two network namespaces; needs root
	$(BIN)/python -m benchmarks.system

bench-session: $(DEV_READY)  ## what a session costs an application; some minutes
	$(BIN)/python -m benchmarks.session

bench-models: $(READY)  ## the families of networks that people have; writes docs/models.md
	$(BIN)/python -m benchmarks.models

bench-camera: $(DEV_READY)  ## pictures from camera to result: auto beside the forwarded file and others, planned
	$(BIN)/python -m benchmarks.camera

bench-static: $(DEV_READY)  ## a camera that stands still: what is saved where nothing is new, and 10,000 frames compared
	$(BIN)/python -m benchmarks.static_camera --long 10000

bench-camera-hosts: $(DEV_READY)  ## the same measured between two network namespaces; needs root
	$(BIN)/python -m benchmarks.system.camera

bench-links: $(DEV_READY)  ## plans that follow a link that changes, in simulated time
	$(BIN)/python -m benchmarks.links

bench-serve: $(DEV_READY)  ## an edge server for many devices, and for one beside some that mean no good
	$(BIN)/python -m benchmarks.serve

bench-studio: $(DEV_READY)  ## how soon the studio answers while a control is dragged
	$(BIN)/python -m benchmarks.studio

bench-codec: $(DEV_READY)  ## what lossless codecs save on real tensors, and what they take
	$(BIN)/python benchmarks/codec.py

gain-maps: $(DEV_READY)  ## the maps of docs/gain-map.md, computed anew; takes long
	$(BIN)/python tools/draw_gain_maps.py

proto: $(DEV_READY) $(GRPC_TOOLS)/.ready  ## regenerate the messages from fusepath.proto
	PROTOC=$(abspath $(GRPC_TOOLS))/bin/python $(BIN)/python tools/generate_wire.py

docs: $(DOCS)/.ready  ## the documentation site: .cache/docs/site/docs/index.html; warnings are errors
	$(DOCS)/bin/sphinx-build -W --keep-going -q -c docs -b html . $(DOCS)/site

dist: $(RELEASE)/.ready  ## wheel and sdist, built once and tried: REPOSITORY=https://where.the/sources/live
	@test -n "$(REPOSITORY)" || \
		{ echo "say where the sources live: make dist REPOSITORY=https://..." >&2; exit 2; }
	rm -rf dist
	FUSEPATH_REPOSITORY="$(REPOSITORY)" $(RELEASE)/bin/python -m build --outdir dist
	$(RELEASE)/bin/python tools/try_sdist.py dist/fusepath-*.tar.gz
	$(RELEASE)/bin/python tools/try_wheel.py dist/fusepath-*.whl $(PYTHONS)
	$(RELEASE)/bin/python tools/aarch64_wheels.py 3.11 3.12 3.13 3.14

lowest: $(LOWEST)/.ready  ## tests with the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest tests/unit tests/integration

changelog: $(RELEASE)/.ready  ## what changes/ holds, into CHANGELOG.md
	$(RELEASE)/bin/towncrier build --yes --version "$$($(PYTHON) -c \
		'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["version"])')"

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "fusepath needs Python 3.11 or newer; set PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(READY): $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[codec]'
	touch $@

# scikit-image ships photographs; where it cannot be had, the demo has a drawn picture.
$(PHOTOGRAPHS): $(READY)
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt scikit-image
	touch $@

$(DEV_READY): $(READY) constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e . $$($(BIN)/python tools/dev_requirements.py)
	touch $@

# The generator lives apart: code made by 1.71 runs on protobuf 5 to 7, and 1.71 itself needs 5.
$(GRPC_TOOLS)/.ready:
	$(PYTHON) -m venv --clear $(GRPC_TOOLS)
	$(GRPC_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check \
		grpcio-tools==1.71.2 'setuptools<81'
	touch $@

# Sphinx lives apart: neither the package nor its tests need it.
$(DOCS)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e . $$($(PYTHON) tools/dev_requirements.py docs)
	touch $@

$(RELEASE)/.ready: pyproject.toml
	$(PYTHON) -m venv --clear $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet --disable-pip-version-check \
		$$($(PYTHON) tools/dev_requirements.py release)
	touch $@

# Neither extras nor tools are there: what needs them skips itself.
$(LOWEST)/.ready: pyproject.toml tools/lowest.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check \
		$$($(PYTHON) tools/lowest.py) pytest pytest-timeout hypothesis pyyaml
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

clean:
	rm -rf $(VENV) .cache build dist
