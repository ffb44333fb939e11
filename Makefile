# The commands of this repository. What takes more than a line is a script in .ci/.
.PHONY: help run test audit bench dist fuzz

help: ## says what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

run: ## builds everything and serves it on this machine, in front of a mock provider
	@python3 .ci/serve.py

test: ## installs what the tests need and runs every one
	@python3 .ci/test.py

audit: ## looks for known vulnerabilities in the dependencies
	@.ci/deny advisories

dist: ## builds the programs as they are shipped, with a profile of their work
	@python3 .ci/dist.py

bench: ## measures the gateway beside bare Pingora on this machine
	@benches/run.sh

fuzz: ## fuzzes every reader for a minute each, or for SECONDS_EACH
	@python3 .ci/fuzz.py
