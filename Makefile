# SPDX-License-Identifier: Apache-2.0
#
# make help lists what can be made. CI runs `make check`.

# Where Go and Debian's tools are when nobody has told the shell.
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin:/sbin

VERSION := $(shell sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
STATIC  := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
ACTIONS := go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

.PHONY: help
help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## /  \1|/p' $(MAKEFILE_LIST) | sort | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: build
build: ## build latchkeyd and latchkey for this machine into build/
	@mkdir -p build
	$(BUILD) -o build/ ./cmd/latchkeyd ./cmd/latchkey

.PHONY: demo
demo: ## watch a door open for one phone and close by itself (KEEP=1: leave it up)
	@testdata/setup.sh demo
	@$(MAKE) --no-print-directory -s build
	@testdata/demo/demo.sh

.PHONY: test
test: ## run every test, with the real kernel and real clients, in namespaces of their own
	@testdata/setup.sh test
	@$(MAKE) --no-print-directory -s build site-parts page-parts
	go test -timeout 30m ./... ./testdata/soak ./testdata/bench
	testdata/check.sh pages

# The programs for developers, which ./... leaves out.
TOOLS := $(sort $(dir $(wildcard ./testdata/*/*.go)))

# check is what CI runs: the README's test command is `make test`, and here it may skip nothing. Its parts run two at a
# time, the longest first, since the tests wait as much as they work; what a part says comes when it has ended, but for
# the lines with a +, which make does not hold back.
BEGINS = echo 'check: $(@:check-%=%) begins'
PARTS_OF_CHECK := tests pages static promises mips guest fuzz clients
.PHONY: check $(PARTS_OF_CHECK:%=check-%)
check: ## what CI runs: format, vet, staticcheck, tests, short fuzzing, shell
	@testdata/setup.sh test
	@$(MAKE) --no-print-directory -s build site-parts page-parts
	@echo 'check: its parts run two at a time, and what each says comes when it has ended (meanwhile: tail -f build/test.log)'
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target $(PARTS_OF_CHECK:%=check-%)
	@echo "check: everything passed"

check-tests check-pages check-promises check-guest check-clients: check-%:
	+@$(BEGINS)
	@testdata/check.sh $*

check-fuzz:
	+@$(BEGINS)
	@testdata/check.sh fuzz 10000x

check-mips:
	+@$(BEGINS)
	@$(MAKE) --no-print-directory test-mips

check-static:
	+@$(BEGINS)
	testdata/check.sh format
	go vet ./... $(TOOLS)
	$(STATIC) ./... $(TOOLS)
	shellcheck cmd/knock/*.sh testdata/*.sh testdata/demo/*.sh testdata/guest/*.sh
	$(ACTIONS)
	go run ./testdata/mutate -list >/dev/null

.PHONY: fuzz
fuzz: ## fuzz every parser for a minute each (FUZZTIME=10m for longer, FUZZ=pkgs/knock for some)
	@testdata/setup.sh test
	testdata/check.sh fuzz $(or $(FUZZTIME),1m) $(FUZZ)

.PHONY: faults
faults: ## write SECURITY.md's table of faults and attacks, as the last make check saw them
	testdata/check.sh faults

.PHONY: mutate
mutate: ## change every line that decides, and see that a test notices; about twenty minutes (ONLY=pkgs/door/: some)
	@testdata/setup.sh test
	go run ./testdata/mutate $(if $(ONLY),-only '$(ONLY)')

# Packages that neither open sockets nor need a kernel of their own machine.
PURE := uci wire seal knock link store config door control daemon rate clock radar

.PHONY: bench
bench: ## compare with knockd, fwknopd and the kernel alone, in one run of less than 15 minutes (BENCH=short: 2)
	-@testdata/setup.sh bench
	go run ./testdata/bench

.PHONY: bench-publish
bench-publish: ## put table and plots of the last make bench into README.md
	go run ./testdata/bench -publish

.PHONY: soak
soak: ## knocks, floods and faults at random for ten minutes, and whether all holds that must (SOAK=8h: longer, SEED=123: that plan)
	@testdata/setup.sh soak
	@$(MAKE) --no-print-directory -s build
	go run ./testdata/soak

.PHONY: test-luci
test-luci: ## play the whole flow on a real router: make test-luci LUCI_URL=http://192.168.1.1 LUCI_PASSWORD=...
	@testdata/setup.sh test
	@$(MAKE) --no-print-directory -s page-parts
	LUCI_URL='$(LUCI_URL)' LUCI_PASSWORD='$(LUCI_PASSWORD)' npm --prefix luci-app/tests run e2e

.PHONY: pot
pot: ## collect the texts of the LuCI pages for translators
	npm --prefix luci-app/tests run pot

.PHONY: page
page: ## make the knock page that the router serves of luci-app/page
	go test ./luci-app/page -update

.PHONY: site
site: site-parts ## make an app of the knock page, a folder for any https address, in dist/VERSION/site
	go run ./cross/site

# What npm brings for it is compared with the SHA-512 in package-lock.json, and runs nothing while it is installed.
.PHONY: site-parts
site-parts:
	@testdata/setup.sh site
	npm --prefix luci-app/site ci --ignore-scripts --silent --no-audit --no-fund

# What the tests of the pages in browsers are written with.
.PHONY: page-parts
page-parts:
	npm --prefix luci-app/tests ci --silent --no-audit --no-fund

.PHONY: test-mips
test-mips: ## run the tests of the pure packages on big-endian MIPS, under qemu-user
	@testdata/setup.sh test
	CGO_ENABLED=0 GOARCH=mips GOMIPS=softfloat go test -short -timeout 30m -exec qemu-mips-static $(PURE:%=./pkgs/%)

.PHONY: test-guest
test-guest: ## run the tests that need a kernel in emulated machines: MIPS, ARM, s390x, and a clock (GUEST=mipsel: only there)
	@testdata/setup.sh guest
	go run ./testdata/guest $(GUEST)

.PHONY: test-be
test-be: ## run them on big-endian MIPS, with a kernel and programs built from Debian's sources; that takes half an hour, once
	@testdata/setup.sh be
	go run ./testdata/guest mips

.PHONY: ipk
ipk: ## build the packages for OpenWrt 24.10 into dist/VERSION/opkg (ARCH=mipsel_24kc: of one architecture)
	go run ./cross/packages ipk $(ARCH)

.PHONY: clients
clients: ## build latchkey for Linux, macOS, Windows, FreeBSD and Android into dist/VERSION/clients, with manual pages and sums
	go run ./cross/client

.PHONY: man
man: ## write the manual pages latchkey(1), latchkeyd(8) and latchkey(5) into build/
	go run ./cross/client -man

.PHONY: apk
apk: ## build the packages for OpenWrt 25.12 and newer into dist/VERSION/apk (ARCH=mipsel_24kc: of one architecture)
	go run ./cross/packages apk $(ARCH)

.PHONY: feed
feed: ## sign both as feeds: make feed KEY=FILE [URL=https://...] (go run ./cross/feed keygen FILE makes a key)
	go run ./cross/feed dist/$(VERSION) --key $(or $(KEY),$(error make feed needs KEY=FILE))$(if $(URL), --url $(URL))

# What a release is made of. Each of these writes into dist/$(VERSION); feed wants the packages first.
PARTS := ipk apk clients site feed

.PHONY: release
release: ## make all that is published of a version in dist/VERSION: make release VERSION=1.2.3 KEY=FILE [URL=https://...]
	go run ./cross/publish begin $(VERSION)
	$(MAKE) --no-print-directory $(PARTS) ARCH= VERSION=$(VERSION) KEY=$(or $(KEY),$(error make release needs KEY=FILE))
	go run ./cross/publish end $(VERSION) --key $(KEY)

.PHONY: size
size: ## show what the router's program weighs on each architecture, and what costs how much
	go run ./cross/size

.PHONY: preview
preview: ## serve the LuCI pages and the knock page to a browser of this machine, without a router (PORT=8060)
	@command -v node >/dev/null || testdata/setup.sh test
	@node luci-app/tests/tools/preview.mjs $(PORT)

.PHONY: screenshots
screenshots: ## write pictures of the pages to build/screenshots, and the README's into testdata/screenshots
	@testdata/setup.sh test
	@$(MAKE) --no-print-directory -s page-parts
	node testdata/browser/screenshots.mjs
	node luci-app/tests/tools/screenshots.mjs testdata/screenshots

.PHONY: clean
clean: ## remove what was built
	rm -rf build dist
