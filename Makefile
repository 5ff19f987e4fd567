# SPDX-License-Identifier: MIT
# The thin front of the build: CMake does the work. `make run` and `make check` need nothing else.
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := build
.PHONY: run check soak bench build web screenshots fmt lint clean deps deps-check

JOBS ?= $(shell nproc)
RUN_ARGS ?=

deps:
	@bash .ci/deps

deps-check:
	@bash .ci/deps check

web: deps
	@bash web/scripts/build.sh

build: deps web
	@cmake --preset release >build.log 2>&1 || { cat build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release --parallel $(JOBS)

run: build
	@exec build/release/perigee run $(RUN_ARGS)

check: deps-check build
	@bash tests/run check

soak: deps-check build
	@bash tests/run soak

bench: build
	@bash tests/run bench

# Pictures for README and docs, from a real run.
screenshots: deps-check build
	@web/node_modules/.bin/node web/e2e/screenshots.mjs

lint: deps-check
	@bash tests/run lint

fmt: deps-check
	@clang-format -i $$(git ls-files 'core/*.c' 'core/*.h' 'tests/*.c' 'tests/*.h' | grep -v event_kinds.h)

clean:
	@rm -rf build web/dist web/node_modules
