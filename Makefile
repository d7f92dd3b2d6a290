# nearside: `make run` starts it, `make test` tests it; `make help` lists the rest.

GO      ?= go
RELEASE ?= 0.1.0
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -s -w -funcalign=16 -X main.release=$(RELEASE) -X main.commit=$(COMMIT)
TAGS    := sqlite_omit_load_extension,osusergo,netgo
TOOLS   := -modfile=build/tools/go.mod
CLIENTS := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/nearside/clients
NODE    := $(CLIENTS)-node
EVAL_DATA ?= ../shared/eval

export CGO_ENABLED = 1
export CGO_CFLAGS = -O2 -fno-asynchronous-unwind-tables

.PHONY: help setup build engine run demo test check arm64 lint unit race clients node-clients system bench eval gate soak rehearsal fuzz clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: build ## engine, model and bin/, each verified and cached
	@python3 build/engine/setup.py

build: ## stripped bin/nearside and bin/fakecloud
	@mkdir -p bin build/out
	$(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o build/out/ ./cmd/nearside ./cmd/fakecloud
	@for program in nearside fakecloud; do \
		cmp -s build/out/$$program bin/$$program || { cp build/out/$$program bin/$$program.new && mv -f bin/$$program.new bin/$$program; }; done # as an install does: pages fresh from the linker are mapped in larger pieces, 3 MB more resident

engine: ## llama-server built from the pinned source (JOBS=N), which setup uses from then on
	@command -v g++ >/dev/null && command -v cmake >/dev/null && command -v ninja >/dev/null || { \
		echo "installing g++, cmake and ninja-build"; apt-get update -qq && apt-get install -y -qq --no-install-recommends g++ cmake ninja-build; }
	@python3 build/engine/setup.py --build $(if $(JOBS),--jobs $(JOBS))

run: setup ## set everything up and start the daemon
	@NEARSIDE_WELCOME=1 bin/nearside serve

demo: setup ## a tour of the road, with a fake cloud that fails on demand
	@build/demo/demo.sh

test: lint system unit race ## set everything up and pass all tests

check: lint race arm64 ## gofmt, vet, staticcheck, the Go tests with -race, and both programs for arm64

arm64: ## bin/arm64/nearside and fakecloud, built on another machine than they run on
	@command -v aarch64-linux-gnu-gcc >/dev/null || { \
		echo "installing the compiler for arm64"; apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross; }
	@mkdir -p bin/arm64
	CC=aarch64-linux-gnu-gcc GOOS=linux GOARCH=arm64 $(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o bin/arm64/ ./cmd/nearside ./cmd/fakecloud
	@for program in nearside fakecloud; do \
		aarch64-linux-gnu-readelf -h bin/arm64/$$program | grep -q AArch64 && $(GO) version -m bin/arm64/$$program | grep -q GOARCH=arm64 || \
			{ echo "bin/arm64/$$program is not for arm64"; exit 1; }; done
	@! command -v qemu-aarch64-static >/dev/null || qemu-aarch64-static -L /usr/aarch64-linux-gnu bin/arm64/nearside version

lint:
	@test -z "$$(gofmt -l .)" || { echo "gofmt:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool $(TOOLS) staticcheck ./...

system: # what the tests need of the machine: ip(8) for network namespaces, promtool to judge the metrics, other hands that sign
	@command -v ssh-agent >/dev/null && command -v openssl >/dev/null || { echo "installing openssh-client and openssl"; apt-get update -qq && apt-get install -y -qq --no-install-recommends openssh-client openssl; }
	@command -v ip >/dev/null || { echo "installing iproute2"; apt-get update -qq && apt-get install -y -qq iproute2; }
	@command -v promtool >/dev/null || { echo "installing prometheus for promtool"; apt-get update -qq && apt-get install -y -qq --no-install-recommends prometheus; }
	@command -v mosquitto >/dev/null || test -x /usr/sbin/mosquitto || { \
		echo "installing mosquitto"; apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq --no-install-recommends mosquitto && \
		{ systemctl disable --now mosquitto 2>/dev/null || service mosquitto stop >/dev/null 2>&1 || true; }; } # the tests start their own

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
	$(GO) test -race -timeout 40m ./... # a busy machine takes 25 minutes for cmd/nearside alone

bench: setup ## figures of speed and size, as lines `bench NAME VALUE UNIT`
	@$(GO) build -trimpath -ldflags '-s -w' -o build/out/bareproxy ./build/bench/proxy && cp build/out/bareproxy build/out/proxy # a copy, as bin/nearside is
	@$(GO) run ./build/bench

eval: ## how well it decides on recorded data (EVAL_DATA=FOLDER), as lines `eval NAME VALUE`
	@test -d "$(EVAL_DATA)" || { echo "there is no recorded data in $(EVAL_DATA); name its folder: make eval EVAL_DATA=FOLDER"; exit 1; }
	@$(GO) run ./build/eval -data "$(EVAL_DATA)"

gate: ## the built-in gates, trained again from the phrases of this project
	$(GO) run ./cmd/nearside gate train --seed 1 --data policy/gate/testdata/car.jsonl --out agent/config/gates/car.gate

soak: setup ## an hour of bad days (SOAKTIME), as lines `soak NAME VALUE UNIT`
	@$(GO) run ./build/soak -for $(or $(SOAKTIME),1h)

rehearsal: build system ## a rollout to DEVICES=2000 simulated devices on a real broker, and a bad one that aborts itself
	@$(GO) run ./build/rehearsal -devices $(or $(DEVICES),2000) -svg $(or $(SVG),build/out/rehearsal.svg)

fuzz: # every fuzz target for FUZZTIME (10m); lines `fuzz PACKAGE TARGET TIME EXECS RESULT`
	@build/fuzz/fuzz.sh

clean: ## remove what was built; the cache of engine and model stays
	rm -rf bin build/out
