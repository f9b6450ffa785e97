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
	@$(MAKE) --no-print-directory -s build site-parts
	go test -timeout 30m ./...
	testdata/check.sh pages

# check is what CI runs: the README's test command is `make test`, and here it may skip nothing.
.PHONY: check
check: ## what CI runs: format, vet, staticcheck, tests, short fuzzing, shell
	@testdata/setup.sh test
	@$(MAKE) --no-print-directory -s build site-parts
	testdata/check.sh format
	go vet ./... ./testdata/bench ./testdata/guest ./testdata/mutate
	$(STATIC) ./... ./testdata/bench ./testdata/guest ./testdata/mutate
	shellcheck testdata/*.sh testdata/demo/*.sh testdata/guest/*.sh
	$(ACTIONS)
	testdata/check.sh clients
	testdata/check.sh tests
	testdata/check.sh promises
	testdata/check.sh pages
	@$(MAKE) --no-print-directory test-mips
	testdata/check.sh fuzz 10000x

.PHONY: fuzz
fuzz: ## fuzz every parser for a minute each (FUZZTIME=10m for longer)
	testdata/check.sh fuzz $(or $(FUZZTIME),1m)

.PHONY: mutate
mutate: ## change every line that decides, and see that a test notices; an hour or more (ONLY=pkgs/seal: some)
	@testdata/setup.sh test
	go run ./testdata/mutate $(if $(ONLY),-only '$(ONLY)')

# Packages that neither open sockets nor need a kernel of their own machine.
PURE := uci wire seal knock link store config door control daemon rate clock

.PHONY: bench
bench: ## compare with knockd, fwknopd and the kernel alone, in one run of two minutes (BENCH_N=50: more knocks)
	-@testdata/setup.sh bench
	@$(MAKE) --no-print-directory -s build
	go run ./testdata/bench

.PHONY: test-luci
test-luci: ## play the whole flow on a real router: make test-luci LUCI_URL=http://192.168.1.1 LUCI_PASSWORD=...
	@testdata/setup.sh test
	npm --prefix luci-app/tests ci --silent --no-audit --no-fund
	LUCI_URL='$(LUCI_URL)' LUCI_PASSWORD='$(LUCI_PASSWORD)' npm --prefix luci-app/tests run e2e

.PHONY: pot
pot: ## collect the texts of the LuCI pages for translators
	npm --prefix luci-app/tests run pot

.PHONY: page
page: ## make the knock page that the router serves of luci-app/page
	go test ./luci-app/page -update

.PHONY: site
site: site-parts ## make an app of the knock page, a folder for any https address, in dist/site
	go run ./cross/site

# What npm brings for it is compared with the SHA-512 in package-lock.json, and runs nothing while it is installed.
.PHONY: site-parts
site-parts:
	@testdata/setup.sh site
	npm --prefix luci-app/site ci --ignore-scripts --silent --no-audit --no-fund

.PHONY: test-mips
test-mips: ## run the tests of the pure packages on big-endian MIPS, under qemu-user
	@testdata/setup.sh test
	CGO_ENABLED=0 GOARCH=mips GOMIPS=softfloat go test -short -timeout 30m -exec qemu-mips-static $(PURE:%=./pkgs/%)

.PHONY: test-guest
test-guest: ## run latchkeyd on an emulated router with BusyBox's ntpd: three hours of its time take some minutes
	-@testdata/setup.sh guest && testdata/guest/parts.sh
	go run ./testdata/guest

.PHONY: ipk
ipk: ## build the OpenWrt packages of all architectures into dist/ (ARCH=mipsel_24kc: one)
	go run ./cross/ipk $(ARCH)

.PHONY: feed
feed: ## sign dist/ as an opkg feed: make feed KEY=FILE (go run ./cross/feed keygen FILE makes one)
	go run ./cross/feed dist --key $(or $(KEY),$(error make feed needs KEY=FILE))

.PHONY: apk
apk: ## build packages for OpenWrt 25.12 and newer, where an apk-tools 3 is at hand
	go run ./cross/apk

.PHONY: size
size: ## show what the router's program weighs on each architecture, and what costs how much
	go run ./cross/size

.PHONY: screenshots
screenshots: ## write pictures of the knock page at phone size to build/screenshots
	@testdata/setup.sh test
	node testdata/browser/screenshots.mjs

.PHONY: clean
clean: ## remove what was built
	rm -rf build dist
