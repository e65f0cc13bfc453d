# Two commands matter: `make demo` and `make test`. Both say what is missing, if anything is.

# The build lies in the user's cache, so that a fresh clone need not build everything again.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lapwing/target
LAPWING = $(CARGO_TARGET_DIR)/release/lapwing

.PHONY: build demo test format lint unit doc bench bless fuzz rust checkers clean

build: rust
	cargo build --release --locked

demo: build
	$(LAPWING) demo

test: rust checkers format lint unit doc

format:
	cargo fmt --all --check

lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

unit:
	cargo test --workspace --locked

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

# Measures what we claim, prints it and keeps it in docs/BENCH.md; with shared data where it is there, simulated otherwise.
bench: build
	cargo build --release --locked --quiet -p lapwing-bench
	$(CARGO_TARGET_DIR)/release/lapwing-bench > docs/BENCH.md.part
	mv docs/BENCH.md.part docs/BENCH.md
	@cat docs/BENCH.md

# Rewrites the golden files; read their diff before committing it.
bless: rust
	LAPWING_BLESS=1 cargo test --workspace --locked --quiet

# Each fuzz target for SECONDS (30), on the seeds in fuzz/seeds; installs cargo-fuzz into the cache where it is missing.
SECONDS ?= 30
fuzz: rust
	fuzz/run $(SECONDS)

rust:
	@command -v cargo >/dev/null || { echo "Rust is missing. Install it from https://rustup.rs, then try again."; exit 1; }
	@command -v cc >/dev/null || { echo "A linker is missing. On Debian or Ubuntu: apt-get install gcc; on Fedora: dnf install gcc"; exit 1; }
	@rustc --version | awk '{ split($$2, v, "."); if (v[1] * 1000 + v[2] < 1095) { print "Rust " $$2 " is too old; 1.95 is needed: rustup update"; exit 1 } }'

checkers:
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || \
		{ echo "rustfmt or clippy is missing. Install them: rustup component add rustfmt clippy"; exit 1; }

clean:
	cargo clean
