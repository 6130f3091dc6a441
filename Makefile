# Every target sets up what it needs. `make` alone lists them.
PYTHON  := .venv/bin/python
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo)

RUN_PACKAGES  := python3 python3-venv python3-bpfcc
TEST_PACKAGES := busybox-static clang-format faketime fatrace gcc inotify-tools libc6-dev openssl pipx prometheus prometheus-alertmanager \
	strace stress-ng systemd \
	$(if $(filter x86_64,$(shell uname -m)),gcc-multilib)
BENCH_PACKAGES := bpftrace gcc libc6-dev
BROWSER_PACKAGES := chromium chromium-driver
BCC_PACKAGES  := mmdebstrap debian-archive-keyring
IMAGE_PACKAGES := $(BCC_PACKAGES) arch-test buildah catatonit podman qemu-user-static runc

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

.PHONY: run
run: .venv/run ## serve on :10301, as root; ARGS="--flag ..." are passed on
	$(SUDO) .venv/bin/fanotify-exporter $(ARGS)

.PHONY: test
test: lint test-unit test-rules test-release test-proc test-kernel test-e2e ## everything below that tests; root for proc, kernel and e2e

.PHONY: test-unit
test-unit: .venv/test ## no root, no kernel
	$(PYTHON) -m pytest tests/unit tests/project tests/deploy tests/grafana tests/tools --cov --cov-report=term:skip-covered

.PHONY: test-rules
test-rules: .venv/test ## alerts and runbooks, by promtool and amtool 2.x and 3.x
	$(PYTHON) -m pytest tests/rules

.PHONY: test-release
test-release: .venv/release ## that a release is the same bytes each time, and what refuses it
	$(PYTHON) -m pytest tests/release

.PHONY: test-proc
test-proc: .venv/test ## real groups on this machine's /proc, as root
	$(SUDO) $(PYTHON) -m pytest tests/proc

.PHONY: test-kernel
test-kernel: .venv/test ## real BPF in this machine's kernel, as root
	$(SUDO) $(PYTHON) -m pytest tests/kernel

.PHONY: test-e2e
test-e2e: .venv/test ## the installed program under a real Prometheus and Alertmanager, as root
	@$(MAKE) --no-print-directory --jobs=2 --output-sync e2e-whole-host e2e-own-calls

# Both wait more than they work, so they run side by side.
.PHONY: e2e-whole-host e2e-own-calls
e2e-whole-host: SELECT = whole_host
e2e-own-calls: SELECT = not whole_host
e2e-whole-host e2e-own-calls: .venv/test
	$(SUDO) $(PYTHON) -m pytest tests/e2e -m "$(SELECT)"

.PHONY: test-browser
test-browser: .venv/test .cache/browser-packages ## the landing page in Chromium, as root
	.venv/bin/pip install -q --group browser
	$(SUDO) $(PYTHON) -m pytest tests/browser

.PHONY: test-vm
test-vm: .venv/test .cache/vm-packages ## the kernel tests on other kernels, in QEMU; ARGS="--kernel 5.10 ..."
	$(SUDO) $(PYTHON) -m tools.vm $(or $(ARGS),--arch all --write-docs)

.PHONY: test-systemd
test-systemd: .venv/test .cache/vm-packages ## the units under systemd as PID 1, in QEMU; ARGS="--kernel 6.1"
	$(SUDO) $(PYTHON) -m tools.vm.systemd $(ARGS)

.PHONY: test-bcc
test-bcc: .venv/test .cache/bcc-packages ## the loader with other versions of bcc, in chroots
	$(SUDO) $(PYTHON) -m tools.bcc

.PHONY: test-image
test-image: .venv/test .cache/image-packages ## the container image and its pod, built and run here, as root
	$(SUDO) $(PYTHON) -m pytest tests/image $(ARGS)

.PHONY: lint
lint: .venv/test ## formatting, ruff, mypy --strict, clang-format, hadolint, spelling, workflows
	$(PYTHON) -m ruff format --check -q .
	$(PYTHON) -m ruff check -q .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-cache >/dev/null || .venv/bin/lint-imports --no-cache
	clang-format --dry-run -Werror $(C_FILES)
	.venv/bin/hadolint Dockerfile
	.venv/bin/codespell
	.venv/bin/actionlint .github/workflows/*.yml

.PHONY: format
format: .venv/test ## write the formatting
	$(PYTHON) -m ruff format -q .
	$(PYTHON) -m ruff check -q --fix .
	clang-format -i $(C_FILES)

C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')

ENGINE  := docker
VERSION  = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/fanotify_exporter/__init__.py)

.PHONY: image
image: ## build the container image; ENGINE=podman with another program than docker
	$(ENGINE) build $(if $(filter docker,$(ENGINE)),,--format docker) \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD) \
	  --tag fanotify-exporter:$(VERSION) $(ARGS) .

.PHONY: lock
lock: .venv/test ## write requirements.lock: the newest of pyproject.toml's dependencies, with hashes
	.venv/bin/pip install -q --group lock
	.venv/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --custom-compile-command 'make lock' pyproject.toml -o requirements.lock

.PHONY: bench
bench: .venv/test .cache/bench-packages ## what a scrape and a probe cost, as root
	$(SUDO) $(PYTHON) -m tools.bench

.PHONY: soak
soak: .venv/test ## half an hour of scrapes, flood, churn and bad clients, as root
	$(SUDO) $(PYTHON) -m tools.bench.soak $(ARGS)

.PHONY: bench-fleet
bench-fleet: .venv/test ## what a fleet costs its Prometheus, five minutes, as root
	$(SUDO) $(PYTHON) -m tools.bench.fleet

.PHONY: golden
golden: .venv/test ## rewrite the golden exposition; review the difference
	$(PYTHON) -m pytest tests/unit -q --update-golden

.PHONY: docs
docs: .venv/test ## write docs/metrics.md, docs/licences.md and the tables of docs/fanotify_mark.md
	$(PYTHON) -m tools.docs

.PHONY: release
release: .venv/release ## check that HEAD can be released, then write dist/
	$(PYTHON) -m tools.release

.PHONY: manifests
manifests: .venv/test ## write the PrometheusRules of deploy/kubernetes from prometheus/
	$(PYTHON) -m tools.manifests

.PHONY: dashboard
dashboard: .venv/test ## write grafana/fanotify.json
	$(PYTHON) -m grafana.dashboard

.PHONY: dashboard-picture
dashboard-picture: .venv/test ## draw docs/dashboard.png from the queries of grafana/fanotify.json, as root
	.venv/bin/pip install -q --group picture
	$(SUDO) $(PYTHON) -m tools.pictures.dashboard docs/dashboard.png

.PHONY: landing-picture
landing-picture: .venv/test .cache/browser-packages ## take docs/landing.png of the landing page, as root
	.venv/bin/pip install -q --group browser
	$(SUDO) $(PYTHON) -m tools.pictures.landing docs/landing.png

.PHONY: clean
clean: ## remove what the targets made
	rm -rf .venv .cache dist

# Install Debian packages, unless all are there.
define apt
@mkdir -p $(@D)
@dpkg -s $(1) >/dev/null 2>&1 || { $(SUDO) apt-get update -q && \
  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $(1); }
@touch $@
endef

.cache/run-packages: Makefile
	$(call apt,$(RUN_PACKAGES))

.cache/test-packages: Makefile
	$(call apt,$(TEST_PACKAGES))

.cache/bench-packages: Makefile
	$(call apt,$(BENCH_PACKAGES))

.cache/browser-packages: Makefile
	$(call apt,$(BROWSER_PACKAGES))

.cache/bcc-packages: Makefile
	$(call apt,$(BCC_PACKAGES))

.cache/image-packages: Makefile
	$(call apt,$(IMAGE_PACKAGES))

.cache/vm-packages: tools/packages/vm.txt
	@mkdir -p $(@D)
	$(SUDO) apt-get update -q
	xargs $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends < $<
	@touch $@

.venv/run: pyproject.toml | .cache/run-packages
	/usr/bin/python3 -m venv --system-site-packages .venv
	.venv/bin/pip install -q --upgrade pip
	.venv/bin/pip install -q --editable .
	@touch $@

.venv/test: .venv/run .cache/test-packages
	.venv/bin/pip install -q --group dev
	@touch $@

.venv/release: .venv/test
	.venv/bin/pip install -q --group release
	@touch $@
