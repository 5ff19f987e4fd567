# SPDX-License-Identifier: MIT
# The thin front of the build: CMake does the work. `make run` and `make check` need nothing else.
.DEFAULT_GOAL := build
.PHONY: run check soak bench build fmt lint clean deps

JOBS ?= $(shell nproc)
RUN_ARGS ?=

deps:
	@bash .ci/deps

build: deps
	@cmake --preset release >build.log 2>&1 || { cat build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release --parallel $(JOBS)

run: build
	@exec build/release/perigee run $(RUN_ARGS)

check: build
	@bash tests/run check

soak: build
	@bash tests/run soak

bench: build
	@bash tests/run bench

lint: deps
	@bash tests/run lint

fmt:
	@clang-format -i $$(git ls-files 'core/*.c' 'core/*.h' 'tests/*.c' 'tests/*.h' | grep -v event_kinds.h)

clean:
	@rm -rf build
