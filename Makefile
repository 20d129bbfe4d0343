# One entry per thing a person does here. `make up` and `make test` do their own set-up.

SHELL := /bin/bash
BIN   := target/release

.PHONY: up test bench lint fmt setup build

## up: build the command and run the Bookinfo example on this machine (Ctrl-C stops it)
up: setup
	cargo build --release --locked -p edgeway
	$(BIN)/edgeway up -f examples/bookinfo

## build: the three programs, optimised
build: setup
	cargo build --release --locked -p edgeway -p edgeway-gateway -p edgeway-alb-controller

## test: every test
test:
	./tests/run

## bench: programs that measure; never part of the tests
bench: setup
	cargo bench --locked -p edgeway-core

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
