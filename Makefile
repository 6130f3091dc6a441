# Every target installs what it needs: Debian packages from the lists in tools/packages, and
# Python packages into .venv. `make` alone lists the targets.
PYTHON  := .venv/bin/python
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help
help: ## list the targets
	@sed -nE 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

.PHONY: run
run: .venv/run ## run the exporter on port 10301, as root; ARGS="--flag ..."
	$(SUDO) .venv/bin/fanotify-exporter $(ARGS)

.PHONY: test
test: lint test-unit test-rules test-release test-proc test-kernel test-e2e ## lint and the tests up to test-e2e; proc, kernel and e2e run as root

.PHONY: test-unit
test-unit: .venv/test ## tests that need neither root nor BPF
	$(PYTHON) -m pytest tests/unit tests/project tests/deploy tests/grafana tests/tools --cov --cov-report=term:skip-covered

.PHONY: test-rules
test-rules: .venv/test ## alert rules and runbooks, with promtool 2.x and 3.x and amtool
	$(PYTHON) -m pytest tests/rules

.PHONY: test-release
test-release: .venv/release ## releases: reproducible builds, and the checks before a release
	$(PYTHON) -m pytest tests/release

.PHONY: test-proc
test-proc: .venv/test ## real fanotify groups in this machine's /proc, as root
	$(SUDO) $(PYTHON) -m pytest tests/proc

.PHONY: test-kernel
test-kernel: .venv/test ## real BPF programs in this machine's kernel, as root
	$(SUDO) $(PYTHON) -m pytest tests/kernel

.PHONY: test-e2e
test-e2e: .venv/test ## the installed exporter with Prometheus and Alertmanager, as root
	@$(MAKE) --no-print-directory --jobs=2 --output-sync e2e-whole-host e2e-own-calls

# Both parts of the end-to-end tests mostly wait, so they run in parallel.
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
test-vm: .venv/test .cache/vm-packages ## the kernel tests in QEMU on other kernels, and docs/kernels.md; ARGS="--kernel 5.10 ..."
	$(SUDO) $(PYTHON) -m tools.vm $(or $(ARGS),--arch all --write-docs)

.PHONY: soak-vm
soak-vm: .venv/test .cache/vm-packages ## opens without pause under permission listeners in QEMU, two hours at most; ARGS="--minutes N"
	$(SUDO) $(PYTHON) -m tools.vm.soak $(ARGS)

.PHONY: test-systemd
test-systemd: .venv/test .cache/vm-packages ## the systemd units in QEMU, with systemd as PID 1; ARGS="--kernel 6.1 -k stall"
	$(SUDO) $(PYTHON) -m tools.vm.systemd $(ARGS)

.PHONY: test-products
test-products: .venv/test .cache/vm-packages ## Debian's fapolicyd and clamonacc in QEMU, against their own statistics; ARGS="--kernel 6.1 -k clamonacc"
	$(SUDO) $(PYTHON) -m tools.vm.products $(ARGS)

.PHONY: test-bcc
test-bcc: .venv/test .cache/bcc-packages ## the loader with other versions of bcc, in chroots, as root
	$(SUDO) $(PYTHON) -m tools.bcc

.PHONY: test-debian13
test-debian13: .venv/test .cache/debian-packages ## unit, rules and release tests on Debian 13, in a chroot, as root
	$(SUDO) $(PYTHON) -m tools.debian $(or $(ARGS),test-unit test-rules test-release)

.PHONY: test-image
test-image: .venv/test .cache/image-packages ## build the container image and run it, alone and as a pod, as root
	$(SUDO) $(PYTHON) -m pytest tests/image $(ARGS)

.PHONY: lint
lint: .venv/test ## formatting, ruff, mypy, imports, clang-format, hadolint, spelling, workflows
	$(PYTHON) -m ruff format --check -q .
	$(PYTHON) -m ruff check -q .
	$(PYTHON) -m mypy --no-error-summary
	.venv/bin/lint-imports --no-cache >/dev/null || .venv/bin/lint-imports --no-cache
	clang-format --dry-run -Werror $(C_FILES)
	.venv/bin/hadolint Dockerfile
	.venv/bin/codespell
	.venv/bin/actionlint .github/workflows/*.yml
.SILENT: lint

.PHONY: format
format: .venv/test ## format the Python and C code
	$(PYTHON) -m ruff format -q .
	$(PYTHON) -m ruff check -q --fix .
	clang-format -i $(C_FILES)

C_FILES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')

ENGINE  := docker
VERSION  = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' exporter/fanotify_exporter/__init__.py)

.PHONY: image
image: ## build the container image; ENGINE=podman to use podman instead of docker
	$(ENGINE) build $(if $(filter docker,$(ENGINE)),,--format docker) \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$(shell git rev-parse HEAD) \
	  --tag fanotify-exporter:$(VERSION) $(ARGS) .

.PHONY: lock
lock: .venv/test ## write requirements.lock: the newest dependencies, with hashes
	.venv/bin/pip install -q --group lock
	.venv/bin/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --custom-compile-command 'make lock' pyproject.toml -o requirements.lock

.PHONY: bench
bench: .venv/test .cache/bench-packages ## measure the cost of scrapes, scans and probes, as root
	$(SUDO) $(PYTHON) -m tools.bench

.PHONY: bench-vm
bench-vm: .venv/test .cache/bench-packages .cache/vm-packages ## measure the cost of probes at permission waits, in QEMU; ARGS="--kernel 6.1"
	$(SUDO) $(PYTHON) -m tools.bench.vm $(ARGS)

.PHONY: soak
soak: .venv/test ## run under heavy load for half an hour, as root; ARGS="--minutes N"
	$(SUDO) $(PYTHON) -m tools.bench.soak $(ARGS)

.PHONY: bench-fleet
bench-fleet: .venv/test ## measure the cost of 200 hosts to Prometheus in five minutes, as root
	$(SUDO) $(PYTHON) -m tools.bench.fleet

.PHONY: golden
golden: .venv/test ## write tests/unit/golden; review the difference
	$(PYTHON) -m pytest tests/unit/test_golden.py -q --update-golden

.PHONY: docs
docs: .venv/test ## write the generated pages and tables in docs/
	$(PYTHON) -m tools.docs

.PHONY: release
release: .venv/release ## check that HEAD can be released, and write dist/
	$(PYTHON) -m tools.release

.PHONY: manifests
manifests: .venv/test ## write the PrometheusRules in deploy/kubernetes
	$(PYTHON) -m tools.manifests

.PHONY: dashboard
dashboard: .venv/test ## write grafana/fanotify.json
	$(PYTHON) -m grafana.dashboard

.PHONY: dashboard-picture
dashboard-picture: .venv/test ## write docs/dashboard.png, as root
	.venv/bin/pip install -q --group picture
	$(SUDO) $(PYTHON) -m tools.pictures.dashboard docs/dashboard.png

.PHONY: waits-picture
waits-picture: .venv/test ## write docs/waits.png, the dashboard during a stall
	.venv/bin/pip install -q --group picture
	$(PYTHON) -m tools.pictures.waits docs/waits.png

.PHONY: landing-picture
landing-picture: .venv/test .cache/browser-packages ## write docs/landing.png, as root
	.venv/bin/pip install -q --group browser
	$(SUDO) $(PYTHON) -m tools.pictures.landing docs/landing.png

.PHONY: clean
clean: ## remove .venv, .cache and dist
	rm -rf .venv .cache dist

.cache/%-packages: tools/packages/%.txt
	@mkdir -p $(@D)
	@sh tools/packages/install.sh $<
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
