# Commands for a fresh machine: `make run`, `make cluster`, `make test`. Each does all its own set-up.

# Seconds of the demo, and Enter messages a second of all its brokers together.
DURATION ?= 60
RATE ?= 20000
# dpdk or kernel.
BACKEND ?= dpdk
# Where the demo keeps its files; its logs are in memory.
DIR ?= target/demo
# How often the leader of `make cluster` is killed.
KILLS ?= 3

# Where rustup puts cargo, for a shell that has not been told yet; and where set-up puts a newer CMake.
export PATH := $(HOME)/.cargo/bin:$(CURDIR)/.cmake/bin:$(PATH)
# Aeron's C driver is built for machines of the last fifteen years, not for this very one.
ifeq ($(shell uname -m),x86_64)
export RUSTERON_C_MARCH ?= x86-64-v2
endif
MAKEFLAGS += --no-print-directory
CARGO := cargo
.DEFAULT_GOAL := help
.PHONY: help run cluster test setup setup-test

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

run: setup ## build, then the demo; DURATION=60 RATE=20000 BACKEND=dpdk
	@$(CARGO) run --release --locked -- demo \
		--duration $(DURATION) --rate $(RATE) --backend $(BACKEND) --dir $(DIR)

cluster: setup ## build, then three nodes whose leader is killed, stopped and cut off; KILLS=3
	@rm -rf target/cluster
	@$(CARGO) run --release --locked -- cluster drill --kills $(KILLS) --dir target/cluster

# Clippy, the second clippy and doc share their compiled dependencies; only the tests need real code.
test: setup-test ## everything a change must pass: format, lints, tests, documentation
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --features aeron --locked -- -D warnings
	$(CARGO) clippy --package rialto --all-targets --no-default-features --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --features aeron --locked
	$(CARGO) test --workspace --features aeron --locked

setup: ## system packages and tool chain, where missing
	@hwconfig/setup.sh

# And programs of others, which the tests set against ours.
setup-test:
	@hwconfig/setup.sh test
