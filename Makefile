# The entry points that people and CI share. `make demo` and `make test` need nothing but this checkout, apt and Swift 6.2 or later.
SWIFT ?= swift
# Release builds of the program; tests run in debug (the library is optimised there too).
BUILD := $(SWIFT) build -c release

.PHONY: setup demo test test-neon test-avx512 test-sanitized bench lint example example-server fuzz kills soak recipes test-spark test-mpi docs dist api-check clean

setup:
	@scripts/setup

# Without the HTTP server, whose dependencies take longer to build than all the rest.
demo: setup
	$(BUILD) --disable-default-traits --product pinsage-cli
	.build/release/pinsage-cli demo

test: setup
	$(SWIFT) test

# The C kernels alone, without OpenMP and OpenBLAS: for Arm under qemu, with AVX-512's instructions emulated, under the sanitizers.
test-neon test-avx512 test-sanitized:
	scripts/$(KERNEL_SCRIPT)
test-neon: KERNEL_SCRIPT := test-neon
test-avx512: KERNEL_SCRIPT := test-avx512-emulated
test-sanitized: KERNEL_SCRIPT := test-kernels-sanitized

# Training on several processes: the trait MPI, which needs Debian's libopenmpi-dev and openmpi-bin, built apart from everything else.
test-mpi: setup
	@pkg-config --exists ompi-c && command -v mpirun >/dev/null || { echo "test-mpi: apt-get install libopenmpi-dev openmpi-bin" >&2; exit 1; }
	$(SWIFT) build --traits MPI --scratch-path .build-mpi --product pinsage-cli
	scripts/test-mpi --program .build-mpi/debug/pinsage-cli

bench: setup
	$(SWIFT) run -c release bench

lint:
	$(SWIFT) format lint --strict --recursive --parallel Package.swift Sources Tests Benchmarks Examples
	scripts/check-layers

# A package of its own that links PinSageKit as a versioned dependency, as an app would.
example: setup
	scripts/check-example

# The same for a web app, whose framework takes some minutes to build: not in every CI run.
example-server: setup
	$(SWIFT) build --product pinsage-cli
	scripts/check-example --server

# Every parser under libFuzzer, FUZZ_SECONDS each; docs/reliability.md has what long runs came to.
FUZZ_SECONDS ?= 20
fuzz: setup
	scripts/fuzz --seconds $(FUZZ_SECONDS) --jobs 2

# Every writing command killed at random moments, and on full and read-only disks.
KILLS ?= 20
kills: setup
	$(SWIFT) build --product pinsage-cli
	scripts/check-kills --kills $(KILLS)

# One catalogue that grows, is trained, embedded, indexed and served again and again, for SOAK_MINUTES.
SOAK_MINUTES ?= 5
soak: setup
	$(SWIFT) build --product pinsage-cli
	scripts/soak --minutes $(SOAK_MINUTES)

# The blocks of docs/recipes.md, with those of PostgreSQL, sqlite3 and NumPy that are there.
recipes: setup
	$(SWIFT) build --product pinsage-cli
	scripts/check-recipes

# Integrations/spark beside the local pass, on a master and two workers of this machine. The engine is a download of some 400 MB.
test-spark: setup
	scripts/test-spark

# The guides and every public symbol, with warnings as errors.
docs: setup
	scripts/make-docs

# An archive that runs without a Swift toolchain; scripts/check-dist tries it in a bare Debian.
dist: setup
	scripts/make-dist

# What this checkout breaks for apps that were written against the last tag. It builds both, so CI does not.
api-check: setup
	scripts/check-api

clean:
	$(SWIFT) package clean
	rm -rf demo-output .build-example .build-fuzz .build-docs .build-dist
