# carillon: make run · make cluster · make million · make growth · make soak · make test · make bench · make lint · make build
SHELL := /bin/bash
GO ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 20s
BENCHTIME ?= 1s
COUNTS ?= 1000,10000,100000,1000000

.PHONY: run cluster million growth soak gc pgo build test race lint fuzz bench microbench docs setup clean

## run: build and serve on port 18001 with the embedded default
run: build
	./bin/carillon serve

## cluster: two gateways on ports 18001 and 18002, over a Redis and a RabbitMQ started for them
cluster: build
	$(GO) build -o bin/localcluster ./cluster/services/cmd/localcluster
	@bin/localcluster

## build: the binary, in bin/
build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=auto -ldflags "-s -w -X main.version=$(VERSION)" -o bin/carillon ./cmd/carillon

## million: COUNT connections (a million) on this machine, both ends, in one real cluster; takes minutes
million: build
	$(GO) build -o bin/million ./cluster/services/cmd/million
	@bin/million --count $(or $(COUNT),1000000)

## growth: what a connection costs at COUNTS (1,000 to a million), into DIR/growth.svg (docs); EVERY=25s has each send a heartbeat so often
growth: build
	$(GO) build -o bin/growth ./bench/growth
	@bin/growth --counts $(COUNTS) --dir $(or $(DIR),docs) --every $(or $(EVERY),0s)

## soak: a gateway under heartbeats of CONNS connections (10,000) for DURATION (1h), after SETTLE (20m) of the same; fails when memory grows or somebody is lost
soak: build
	$(GO) build -o bin/soak ./bench/soak
	@bin/soak --connections $(or $(CONNS),10000) --duration $(or $(DURATION),1h) --settle $(or $(SETTLE),20m)

## gc: what settings of the collector of garbage cost, beside each other; ROUNDS=1 makes it quick
gc: build
	$(GO) build -o bin/gc ./bench/gc
	@bin/gc --rounds $(or $(ROUNDS),3)

## pgo: a profile of the gateway under a mix of loads, which go build takes into account when it is there
pgo: build
	$(GO) build -o bin/pgo ./bench/pgo
	rm -rf bin/profiles
	bin/pgo --dir bin/profiles
	$(GO) tool pprof -proto -output cmd/carillon/default.pgo bin/profiles/*.pb.gz

# Packages whose tests watch the clock or small CPU times, and want the machine to themselves.
CLOCKS := $(addprefix carillon/bench/,engine fleet growth live watch internal/await internal/faulty)
# Of the others one more at once than there are processors, since they wait more than they compute, and from the end of
# the list, where the longest are.
OTHERS = -p $$(( $$(getconf _NPROCESSORS_ONLN) + 1 )) $$($(GO) list ./... | grep -vxF $(addprefix -e ,$(CLOCKS)) | sort -r)
# Packages with tests that the race detector falsifies.
COUNTING = $$(git grep -lE '^func Test.*(Alloc|Size)' -- '*_test.go' ':!bench/peers' | xargs -n 1 dirname | sort -u | sed 's,^,./,')

## test: everything, installing what is missing; lint has vetted it all
test: setup lint
	$(GO) test -race -vet=off -shuffle=on -timeout 15m $(OTHERS)
	$(GO) test -race -vet=off -shuffle=on -timeout 15m -p 1 $(CLOCKS)
	$(GO) test -vet=off -timeout 5m -run 'Alloc|Size' $(COUNTING)
	cd bench/peers && $(GO) vet ./... && $(GO) test -vet=off -timeout 10m ./...

## race: the tests alone, as often as COUNT says
race:
	$(GO) test -race -shuffle=on -count=$(or $(COUNT),1) -timeout 30m ./...

## lint: gofmt, go vet for Linux and macOS, staticcheck
lint:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not gofmt-ed:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

## fuzz: every fuzz target for FUZZTIME each
fuzz:
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$pkg; \
	  done; done

## bench: the gateway beside its peers and its goals, in half an hour; ROUNDS=1 WINDOW=3s SERVERS=c,carillon makes it quick, and
## PAGE=docs/performance.md puts the tables there
bench: build
	bench/peers/install.sh
	cd bench/peers && $(GO) build -o bin/table ./table
	cd bench/peers && bin/table --carillon $(CURDIR)/bin/carillon --rounds $(or $(ROUNDS),3) --window $(or $(WINDOW),6s) \
	  --fanout $(or $(FANOUT),8) --servers "$(SERVERS)" --steps "$(STEPS)" --markdown "$(if $(PAGE),$(abspath $(PAGE)))"

## microbench: what each step costs, with allocations; the reactor beside plain C; one node beside ten
microbench:
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 60m ./codec ./netpoll ./server/... ./cluster/... ./bench/...

## docs: the pages that are made from the code
docs:
	$(GO) run ./cmd/carillon config --markdown > docs/configuration.md
	$(GO) test ./bench/plan -run TestReferencePage -update
	$(GO) test ./bench/scaling -run TestPage -update

## setup: the packages and client libraries that the tests use
setup:
	@.ci/setup

clean:
	rm -rf bin
