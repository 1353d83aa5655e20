# Two commands are all a newcomer needs: `make run` and `make test`.
# Both set up what is missing and are quick the second time.

.DEFAULT_GOAL := help
.PHONY: help run test build e2e soak fuzz fmt clean-data

help: ## this list
	@echo 'make TARGET:'
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

run: ## build and start the branch with demo accounts; ARGS='…' goes to `vbranch serve`
	@scripts/run.sh $(ARGS)

test: ## every check: formats, lints, licences, unit tests, whole visits in a browser
	@scripts/test.sh

e2e: ## only the browser tests (after a build)
	@scripts/test.sh setup web build models e2e

soak: ## after `make test`: MINUTES=30 of recorded calls with LOSS=10 percent lost, then every recording checked
	@scripts/soak.sh $(or $(MINUTES),30) $(or $(LOSS),10)

build: ## the optimised binary, as it is deployed: target/release/vbranch
	@scripts/setup.sh run
	@scripts/build-web.sh
	cargo build --release --locked --bin vbranch

fuzz: ## look for inputs that break a parser, guided by coverage; SECONDS=60 for each, TARGETS='stun rtp …'
	@scripts/fuzz.sh $(or $(SECONDS),60) $(TARGETS)

fmt: ## format everything
	cargo fmt --all
	npm run --silent --prefix web-client format
	npm run --silent --prefix web-client/e2e format

clean-data: ## remove all visits, recordings and keys of the local demo under ./data
	find data -mindepth 1 -maxdepth 1 ! -name models -exec rm -rf {} +
