# make alone lists the targets.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export CGO_ENABLED := 1

.PHONY: help build demo test check spec bench bench-json bench-full bench-peers services soak infra accuracy anomalies

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

build: ## bin/caudal
	go build -trimpath -o bin/caudal .

demo: build ## everything embedded, real data, a page on 127.0.0.1:8080
	./bin/caudal demo

# the time limit of each package's tests; .ci/run, which asks for the long ones too, sets more
TEST_TIMEOUT ?= 10m

test: ## the whole suite
	@rm -f .services/skipped
	@go test -count=1 -timeout $(TEST_TIMEOUT) ./...; status=$$?; \
		if [ -s .services/skipped ]; then echo; echo "Not tested, as a real service is missing:"; sort -u .services/skipped; fi; exit $$status

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

check: ## formatting, vet, static analysis, imports
	@files=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$files" ]; then echo "not gofmt-ed: $$files"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...
	go test ./internal

spec: ## the specification of the seam and its mutants (docs/spec)
	docs/spec/run.sh

bench: ## all paths, memory and growth beside this machine's own limit for that work (docs/performance.md)
	go run ./benchmarks

bench-json: ## the same as JSON
	go run ./benchmarks -json

bench-full: ## the same with 100 million rows, 5 million live cells and a day at rest
	go run ./benchmarks -full

EVENTS ?= 3000000
bench-peers: ## caudal, Flink, Spark, DuckDB and polars over the same EVENTS= events, and their answers compared
	benchmarks/peers/install.sh
	go run ./benchmarks -peers -events $(EVENTS)

SEEDS ?= 1000
accuracy: ## the sketches over SEEDS= seeds: promised bound, measured error
	@set -o pipefail; CAUDAL_ACCURACY_SEEDS=$(SEEDS) go test -count=1 -timeout 20m -run '^TestSketchesKeepTheirPromises$$' -v ./internal/algebra \
		| grep -vE '^ *(=== |--- PASS|PASS|ok )'

anomalies: ## precision and recall of the rules of examples/anomalies against what people have labelled
	@set -o pipefail; go test -count=1 -run TheAnomaliesAreFound -v . | grep -E "^ +[a-z_]+\.go:[0-9]+: \||FAIL"

infra: ## the descriptions in infra/, each checked by what is made for it, and the Iceberg metadata, read by Spark and Trino
	cd infra && go vet ./... && go test -count=1 ./...
	cd infra/iceberg && go vet -mod=mod ./... && go test -mod=mod -count=1 ./...

services: ## install the real services that the tests start (Kafka, Redis), and what checks infra/
	internal/testservices/install.sh

SEED ?=
MINUTES ?= 10
soak: ## random plans of crashes and faults, each answer compared with a naive fold: SEED= MINUTES=
	@set -o pipefail; CAUDAL_SOAK_SEED=$(SEED) CAUDAL_SOAK_MINUTES=$(MINUTES) go test -count=1 -timeout 0 -run '^TestSoak$$' -v ./internal/seamtest \
		| grep -vE '^ *(=== |--- PASS|PASS|ok )'
