# `make test` is everything a change must pass; it installs what it needs.

.PHONY: test setup check unit e2e deny bench demo static deb image install

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

# Tests beside the code, which need no engine.
unit:
	cargo test --workspace --locked --lib --bins

# The real docker command lines against a real engine, bare and behind the gate.
e2e: setup
	scripts/e2e

# As check-dependencies, and known vulnerabilities; needs cargo-deny and a network.
deny:
	cargo deny check

# What the gate costs in CPU time and memory, beside HAProxy and nginx, and what a look at many
# networks costs; docs/benchmarks.md.
bench:
	@scripts/install-test-packages bench
	cargo bench --locked -p seawall-rules --bench network
	cargo bench --locked -p seawall --bench gate
	scripts/as-root cargo bench --locked -p seawall --bench ssh
	cargo bench --locked -p seawall --bench scan
	cargo bench --locked -p seawall --bench scan_addresses

# A tour in two minutes: a gate before an engine, a client that joins, an allowed request, a
# refused one, a revoked client, and the audit trail. Leaves nothing behind.
demo:
	@scripts/demo

# One file that needs no shared library: target/static/seawall.
static:
	scripts/build-static

# target/debian/seawall_VERSION_ARCH.deb, with the static binary.
deb: static
	scripts/build-deb

# The container image `seawall`, on the engine that docker uses here; no registry is asked.
image: static
	scripts/build-image

# Binary, manual and completions below PREFIX; the service is `seawall up --service`'s to install.
PREFIX ?= /usr/local
binary := target/static/seawall
$(binary):
	scripts/build-static
share = $(DESTDIR)$(PREFIX)/share
install: $(binary)
	install -D $(binary) $(DESTDIR)$(PREFIX)/bin/seawall
	install -d $(share)/man $(share)/bash-completion/completions $(share)/zsh/site-functions \
		$(share)/fish/vendor_completions.d
	$(binary) man --dir $(share)/man
	$(binary) completions bash >$(share)/bash-completion/completions/seawall
	$(binary) completions zsh >$(share)/zsh/site-functions/_seawall
	$(binary) completions fish >$(share)/fish/vendor_completions.d/seawall.fish
