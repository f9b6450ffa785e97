# SPDX-License-Identifier: Apache-2.0
#
# make help lists what can be made. CI runs `make check`.

VERSION := $(shell sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -n 1)
BUILD   := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
STATIC  := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2

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
	@$(MAKE) --no-print-directory -s build
	go test ./...

# check is what CI runs: the README's test command is `make test`, and here it may skip nothing.
.PHONY: check
check: ## what CI runs: format, vet, staticcheck, tests, short fuzzing, shell
	@testdata/setup.sh test
	@$(MAKE) --no-print-directory -s build
	testdata/check.sh format
	go vet ./...
	$(STATIC) ./...
	shellcheck testdata/*.sh testdata/demo/*.sh
	testdata/check.sh clients
	testdata/check.sh tests
	testdata/check.sh fuzz 3s

.PHONY: fuzz
fuzz: ## fuzz every parser for a minute each (FUZZTIME=10m for longer)
	testdata/check.sh fuzz $(or $(FUZZTIME),1m)

.PHONY: clean
clean: ## remove what was built
	rm -rf build dist
