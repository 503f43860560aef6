.PHONY: help setup build lab-image demo demo-down engines test test-long test-kill check bench clean

help: ## what can be made (default)
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r target text; do printf '%-18s %s\n' "$$target" "$$text"; done

setup: ## install what this machine lacks; asks first, unless CI=true or YES=1
	@scripts/setup.sh

build: setup ## compile to dist/ and bundle the workflows
	@scripts/build.sh

lab-image: ## the image of the lab's container hosts; needs docker, and root where no base image can be pulled
	@scripts/lab-image.sh

demo: build ## six hosts on this machine, and a Redis Cluster on them as a durable operation
	@scripts/demo.sh

demo-down: ## take all of the demo away
	@scripts/demo-down.sh

engines: build ## fetch Redis 7.0, 8.0, 8.6 and Valkey 8.1, 9.1 into .tools/engines, for the lab and the tests
	@bin/redisforge lab engines

test: build ## all checks and tests
	@scripts/test.sh

test-long: build ## minutes each: hosts that come, go and die under a ledger of writes; not a part of make test
	@LONG=true node_modules/.bin/vitest run --project long

KILLS ?= 200
RESHAPE_KILLS ?= 60
SEED ?=
test-kill: build ## kill workers, Temporal, SSH connections and nodes 260 times in live steps (KILLS=N RESHAPE_KILLS=N SEED=N)
	@[ $(KILLS) -eq 0 ] || node_modules/.bin/tsx test/kill/run.ts --kills $(KILLS) $(if $(SEED),--seed $(SEED))
	@[ $(RESHAPE_KILLS) -eq 0 ] || node_modules/.bin/tsx test/kill/run-reshape.ts --kills $(RESHAPE_KILLS) $(if $(SEED),--seed $(SEED))

check: build ## types, lint, format, walls and unused code only
	@scripts/test.sh --checks-only

bench: build ## compare with redis-cli --cluster; results go to bench/results
	@scripts/bench.sh

clean: demo-down ## remove what was built; keeps .tools and node_modules
	@rm -rf dist .vitest-results
