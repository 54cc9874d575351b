# Everything a newcomer needs: `make demo` runs the main job, `make test` the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PHOTOGRAPHS := $(VENV)/.photographs
DEV_READY := $(VENV)/.dev-ready
DOCS := .cache/docs
GRPC_TOOLS := .cache/grpc-tools
WIRE := src/fusepath/remote/wire

SEEDS ?= 2000

.PHONY: demo test docs check slow simulate mutate test-faults proto bench-plan bench-throughput bench-camera bench-camera-hosts bench-codec bench-session bench-system bench-models bench-links bench-serve bench-static clean

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

bench-codec: $(DEV_READY)  ## what lossless codecs save on real tensors, and what they take
	$(BIN)/python benchmarks/codec.py

proto: $(DEV_READY) $(GRPC_TOOLS)/.ready  ## regenerate the messages from fusepath.proto
	PROTOC=$(abspath $(GRPC_TOOLS))/bin/python $(BIN)/python tools/generate_wire.py

docs: $(DOCS)/.ready  ## the documentation site: .cache/docs/site/docs/index.html; warnings are errors
	$(DOCS)/bin/sphinx-build -W --keep-going -q -c docs -b html . $(DOCS)/site

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
	$(PYTHON) -m venv $(GRPC_TOOLS)
	$(GRPC_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check \
		grpcio-tools==1.71.2 'setuptools<81'
	touch $@

# Sphinx lives apart: neither the package nor its tests need it.
$(DOCS)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e . $$($(PYTHON) tools/dev_requirements.py docs)
	touch $@

clean:
	rm -rf $(VENV) .cache build dist
