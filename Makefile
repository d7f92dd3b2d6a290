# nearside: `make run` starts it, `make test` tests it; `make help` lists the rest.

GO      ?= go
RELEASE ?= 0.1.0
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.release=$(RELEASE) -X main.commit=$(COMMIT)
TAGS    := sqlite_omit_load_extension,osusergo,netgo
TOOLS   := -modfile=build/tools/go.mod
CLIENTS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nearside/clients
NODE    := $(CLIENTS)-node

export CGO_ENABLED = 1

.PHONY: help setup build run demo test check lint unit race clients node-clients system bench soak fuzz clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: build ## engine, model and bin/, each verified and cached
	@python3 build/engine/setup.py

build: ## stripped bin/nearside and bin/fakecloud
	@mkdir -p bin
	$(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/ ./cmd/nearside ./cmd/fakecloud

run: setup ## set everything up and start the daemon
	@NEARSIDE_WELCOME=1 bin/nearside serve

demo: setup ## a tour of the road, with a fake cloud that fails on demand
	@build/demo/demo.sh

test: lint system unit race ## set everything up and pass all tests

check: lint race ## gofmt, vet, staticcheck and the Go tests with -race

lint:
	@test -z "$$(gofmt -l .)" || { echo "gofmt:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool $(TOOLS) staticcheck ./...

system: # what the tests need of the machine: ip(8) for network namespaces, promtool to judge the metrics
	@command -v ip >/dev/null || { echo "installing iproute2"; apt-get update -qq && apt-get install -y -qq iproute2; }
	@command -v promtool >/dev/null || { echo "installing prometheus for promtool"; apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus; }

unit: setup # the set-up's own tests
	cd build/engine && python3 -m unittest -q

clients: node-clients # clients of others, which the tests call us with
	@cmp -s build/clients/requirements.txt "$(CLIENTS)/requirements.txt" && "$(CLIENTS)/bin/python" -c '' || { \
		echo "installing the OpenAI client for Python" && rm -rf "$(CLIENTS)" && \
		python3 -m venv --without-pip "$(CLIENTS)" && \
		python3 -m pip --python "$(CLIENTS)" install --quiet --no-input --disable-pip-version-check --root-user-action ignore \
			--only-binary :all: --require-hashes --requirement build/clients/requirements.txt && \
		cp build/clients/requirements.txt "$(CLIENTS)/"; }

node-clients: # Node itself comes by its Debian name
	@command -v node >/dev/null && command -v npm >/dev/null || { \
		echo "installing nodejs and npm" && apt-get update -qq && apt-get install -y -qq --no-install-recommends nodejs npm; }
	@cmp -s build/conformance/package-lock.json "$(NODE)/installed" || { \
		echo "installing clients for Node" && rm -rf "$(NODE)" && mkdir -p "$(NODE)" && \
		cp build/conformance/package.json build/conformance/package-lock.json build/conformance/.npmrc "$(NODE)/" && \
		(cd "$(NODE)" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error) && \
		cp build/conformance/package-lock.json "$(NODE)/installed"; }

race: setup system clients
	$(GO) test -race -timeout 15m ./...

bench: setup ## figures of speed and size, as lines `bench NAME VALUE UNIT`
	@$(GO) run ./build/bench

soak: setup ## an hour of bad days (SOAKTIME), as lines `soak NAME VALUE UNIT`
	@$(GO) run ./build/soak -for $(or $(SOAKTIME),1h)

fuzz: # every fuzz target for FUZZTIME (10m); lines `fuzz PACKAGE TARGET TIME EXECS RESULT`
	@build/fuzz/fuzz.sh

clean: ## remove what was built; the cache of engine and model stays
	rm -rf bin build/out
