# `make test` is everything a change must pass; it installs what it needs.

.PHONY: test setup check unit e2e deny

test:
	@scripts/test

# The Debian packages that the tests need.
setup:
	@scripts/install-test-packages

# Formatting, lints and the rules for dependencies.
check:
	cargo fmt --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	scripts/check-dependencies

# Tests that need no engine.
unit:
	cargo test --workspace --locked --lib --bins

# The real docker command lines against a real engine, bare and behind the gate.
e2e: setup
	scripts/e2e

# As check-dependencies, and known vulnerabilities; needs cargo-deny and a network.
deny:
	cargo deny check
