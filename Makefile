.DEFAULT_GOAL := help
SHELL := /bin/sh
GO ?= go
LINT := .tools/bin/golangci-lint
VERSION ?= dev
# The race detector looks at everything but SQLite itself, a translation of C in which one statement would take up to 60 times as long.
RACE := -race -gcflags=modernc.org/sqlite/lib=-race=false

UNITS = $$(scripts/units)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the binary ./agentos
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X github.com/agentos/agentos/internal/app.version=$(VERSION)" -o agentos .

.PHONY: demo
demo: ## serve the example fleet
	$(GO) run . demo

.PHONY: cluster
cluster: ## start Postgres, Redis, 3 servers and 2 workers with the example fleet
	@$(GO) run ./test/cluster/run

.PHONY: dev
dev: setup ## serve the example fleet beside a hot-reloading frontend
	(cd ui && npm run dev) & trap 'kill $$!' EXIT; $(GO) run . demo

.PHONY: setup
setup: ## install what the tests need
	@scripts/setup

.PHONY: test
test: setup ## everything that continuous integration checks, with the time that each part took
	@MAKE="$(MAKE)" scripts/test

.PHONY: check
check: setup ## what to run while you work, in three minutes: compile, vet, lint what changed, unit tests of Go without the race detector and of the frontend
	@scripts/check

.PHONY: unit
unit: ## Go tests with the race detector, in random order
	$(GO) test $(RACE) -vet off -p 4 -shuffle on -timeout 20m $(UNITS)

.PHONY: soak-short
soak-short: ## a server of its own and an attached one, with viewers, for ten minutes: the live heap may not grow
	$(GO) test $(RACE) -count=1 -v -timeout 20m ./test/soak

.PHONY: hotpath
hotpath: ## what the hot path may cost beside a bare server, and that it allocates nothing: without the race detector, with nothing else at work
	$(GO) test ./internal/server -run 'TestDocument(CostsHardlyMoreThanItsBytes|AllocatesNothing)$$' -count=1 -v

.PHONY: deploy-check
deploy-check: ## what runs it in production: images, units, manifests, proxies, alerts
	@scripts/check-deploy

.PHONY: lint
lint: ## static checks of Go (what go vet checks among them), of the shell scripts and of the words used
	GOOS=darwin $(GO) vet ./...
	$(LINT) run ./...
	shellcheck -s sh scripts/* .ci/run
	scripts/words
	cd examples/agents && shellcheck -x -s sh *.sh

.PHONY: ui-test
ui-test: ## checks, unit tests and page tests of the frontend
	cd ui && npm run check && npm run lint && npm test && npm run size && npm run test:pages

.PHONY: e2e
e2e: build ## the real binary in a real browser
	cd ui && npm run e2e

.PHONY: verify
verify: ## what is generated equals what is committed
	cd ui && npm run verify
	@$(GO) mod tidy -diff || { echo "go.mod is not tidy: run go mod tidy" >&2; exit 1; }
	@$(GO) run . openapi | diff - openapi.yaml >/dev/null || { echo "openapi.yaml is out of date: run make generate" >&2; exit 1; }
	@$(GO) test ./internal/document/generate -run TestWhatIsGeneratedIsCommitted -count=1

.PHONY: generate
generate: ## generate openapi.yaml, the document's JSON Schema, the TypeScript types of both and ui/dist
	$(GO) run ./internal/document/generate
	$(GO) run . openapi > openapi.yaml.new && mv openapi.yaml.new openapi.yaml
	cd ui && npm run generate && npm run build

.PHONY: faults
faults: ## break the real binary, and a cluster of it, in every way we know (long)
	$(GO) test ./test/faults -count=1 -v -timeout 240m

.PHONY: faults-short
faults-short: ## the same faults, fewer repetitions, several at a time
	$(GO) test ./test/faults -count=1 -short -shuffle on -parallel 5 -v -timeout 65m

DURATION ?= 1h
.PHONY: soak
soak: ## a cluster with a fault every minute for DURATION: nothing may pile up
	AGENTOS_SOAK=$(DURATION) $(GO) test ./test/faults -run TestClusterSoak -count=1 -v -timeout 0

.PHONY: soak-memory
soak-memory: ## a server of its own and an attached one, with viewers, for DURATION: the live heap may not grow
	AGENTOS_SOAK=$(DURATION) $(GO) test ./test/soak -count=1 -v -timeout 0

.PHONY: bench
SIZES ?=
PARTS ?= a b c d e
bench: setup-bench ## measure everything beside what it replaces and its peers, and write the report in docs (hours)
	$(GO) run ./bench -parts "$(PARTS)" -sizes "$(SIZES)"

.PHONY: bench-short
bench-short: setup-bench ## the same with tiny sizes, into a file of its own (minutes)
	$(GO) run ./bench -short -parts "$(PARTS)" -sizes "$(SIZES)"

.PHONY: bench-go
bench-go: ## Go benchmarks of the hot path and below, six times each, for benchstat
	$(GO) test -run '^$$' -bench . -benchmem -count 6 ./snapshot ./internal/server ./internal/auth

.PHONY: setup-bench
setup-bench: setup
	@scripts/setup-bench

.PHONY: fuzz
FUZZTIME ?= 10m
fuzz: ## fuzz each parser for FUZZTIME
	scripts/fuzz $(FUZZTIME)
