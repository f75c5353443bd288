# make run      build, back up a real folder, verify, restore, compare, start the daemon, show where its page is
# make test     install what the tests need and run everything that CI runs
# make check    the same without installing
# make page     the web page in web/dist, which cargo takes in
# make build    optimised programs in target/release
# make screenshots  pictures of every page in web/shots
# make bench    compare with other programs and print ratios
# make soak     long campaigns, by hand
# make install  programs, systemd unit, man pages and completions beneath $(PREFIX)
PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: run test check page screenshots build bench soak install advisories

run:
	@tools/run.sh

test:
	@tools/needs.sh test
	@tools/servers.sh
	@$(MAKE) --no-print-directory check

check:
	tools/page.sh build
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	REQUIRE_PAGE=1 cargo test --locked --workspace
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --document-private-items
	cargo run --locked -q -p xtask -- check
	tools/deny.sh
	tools/api-fuzz.sh
	tools/page.sh test

page:
	@tools/needs.sh build
	@tools/page.sh build

screenshots:
	@tools/needs.sh test
	@tools/page.sh build
	REQUIRE_PAGE=1 cargo build --locked
	@tools/page.sh screenshots

build:
	@tools/needs.sh build
	@tools/page.sh build
	REQUIRE_PAGE=1 cargo build --locked --release

bench:
	@tools/needs.sh bench
	@bench/run.sh

soak:
	@tools/needs.sh soak
	@tools/soak.sh

advisories:
	tools/deny.sh advisories

install: build
	install -D -m 755 target/release/backupd $(DESTDIR)$(PREFIX)/bin/backupd
	install -D -m 755 target/release/backupctl $(DESTDIR)$(PREFIX)/bin/backupctl
	install -D -m 644 packaging/backupd.service $(DESTDIR)/lib/systemd/system/backupd.service
	install -D -m 644 packaging/backupd.sysusers $(DESTDIR)/usr/lib/sysusers.d/backupd.conf
	target/release/backupctl man $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)/usr/share/bash-completion/completions
	target/release/backupctl completions bash > $(DESTDIR)/usr/share/bash-completion/completions/backupctl
