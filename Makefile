# One entry per thing a person does here. `make up` and `make test` do their own set-up.

SHELL := /bin/bash
# Where cargo builds.
BUILT := $(or $(CARGO_TARGET_DIR),target)
BIN   := $(BUILT)/release

.PHONY: up test e2e bench bench-alb bench-kube fuzz lint fmt setup build images cluster cluster-down

# Which programs `make e2e` tries: release or dev.
PROFILE ?= release

# What `make fuzz` runs, and for how long each.
TARGETS      ?= head greeting proxy_protocol http2 response path certificate yaml compile
SECONDS_EACH ?= 600

# What `make bench-alb` tells tests/bench/alb.py, such as `--groups 5`, `--published` or `--aws PROGRAM`.
ALB_FLAGS ?=

# What `make bench-kube` tells tests/bench/kube.py, such as `--services 500`.
KUBE_FLAGS ?=

# What `make bench` tells tests/bench/peers.py, such as `--rounds 1 --scenarios keepalive,h2`.
PEERS_FLAGS ?=

## up: build the command and run the Bookinfo example on this machine (Ctrl-C stops it)
up: setup
	cargo build --release --locked -p edgeway
	$(BIN)/edgeway up -f examples/bookinfo

## build: the three programs, optimised
build: setup
	cargo build --release --locked -p edgeway -p edgeway-gateway -p edgeway-alb-controller

## images: container images under target/images, for `ctr images import` and `docker load`
images: build
	@for image in gateway alb-controller edgeway; do \
	    ./deploy/image pack $$image $(BIN) target/images/$$image.tar || exit 1; done

## test: every test
test:
	./tests/run

## e2e: images and charts on a Kubernetes node of its own, on this machine; needs root
e2e: setup
	./deploy/setup test
	cargo build --locked --workspace --bins
	$(if $(filter dev,$(PROFILE)),,cargo build --locked --profile $(PROFILE) \
	    -p edgeway -p edgeway-gateway -p edgeway-alb-controller)
	EDGEWAY_BIN=$(abspath $(BUILT))/$(subst dev,debug,$(PROFILE)) \
	    cargo test --locked -p edgeway-tests --test node -- --nocapture

## bench: what routing and compiling cost, and the gateway beside other proxies; never part of the tests
bench: build
	cargo bench --locked -p edgeway-core
	./deploy/setup bench
	python3 tests/bench/peers.py $(PEERS_FLAGS)

## bench-alb: what the ALB controller costs AWS, by API, beside what another controller was measured to cost
bench-alb: build
	python3 tests/bench/alb.py --bin $(BIN) $(ALB_FLAGS)

## bench-kube: a gateway in a large cluster: time and memory until it is ready, and until a change is served
bench-kube: build
	./deploy/setup test
	python3 tests/bench/kube.py --bin $(BIN) $(KUBE_FLAGS)

## fuzz: feed each target with nonsense for ten minutes; the first finding ends it
fuzz: setup
	./deploy/setup fuzz
	cd fuzz && for target in $(TARGETS); do \
	    case $$target in \
	        yaml|compile) more="../examples ../gateway/core/testdata/compile -- -max_len=1024" ;; \
	        *) more=-- ;; \
	    esac; \
	    mkdir -p corpus/$$target seeds/$$target && \
	    cargo +nightly fuzz run $$target corpus/$$target seeds/$$target $$more \
	        -max_total_time=$(SECONDS_EACH) -rss_limit_mb=2048 -timeout=60 || exit 1; done

## lint: format, clippy, documentation; warnings are errors
lint: setup
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items

## fmt: format everything
fmt:
	cargo fmt --all

## setup: install what is missing on this machine
setup:
	@./deploy/setup

## cluster: a Kubernetes API server on this machine; `make cluster NODE=1` has a node too, and needs root
cluster:
	@./deploy/setup test
	@./tests/cluster/run up $(if $(NODE),node)

## cluster-down: stop it, and forget what was in it
cluster-down:
	@./tests/cluster/run down
