# SPDX-License-Identifier: GPL-3.0-or-later
# A thin front for Meson.  Everything real is in meson.build, scripts/, lab/ and tests/.
#   make test FILTER=sim     one family of tests (unit, fuzz, sim, lab)
#   make test-transitions ROUNDS=1000  random commands and kills; all has to agree after each
#   make scale               a mesh of 10,000 members in one process: docs/scale.md
#   make test-failover ROUNDS=20  how long a dead or hung node holds up a download and a call
#   make test-degrade ROUNDS=5  how soon a bad relay is left, and used again when it is well
#   make test SANITIZE=1     with ASan and UBSan, in build-asan (so is any other target)
ifdef SANITIZE
BUILD ?= build-asan
SETUP = --buildtype=debug -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false
else
BUILD ?= build
SETUP = --buildtype=release -Db_ndebug=false
endif
export BUILD FILTER ROUNDS SEED
export MACRO_BUILD = $(abspath $(BUILD))

.PHONY: all deps run-deps run test test-degrade test-failover test-leaks test-transitions threads scale bench lint fmt fuzz install uninstall clean
.NOTPARALLEL:

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) $(SETUP)

deps:
	@scripts/deps

run-deps:
	@scripts/deps run

run: run-deps $(BUILD)/build.ninja
	@ninja -C $(BUILD) programs
	@lab/run $(if $(ONCE),--once)

test: deps all
	@scripts/test

# What several threads do at once, under ThreadSanitizer; builds only what that needs.
threads: deps
	@[ -d build-tsan ] || meson setup build-tsan --buildtype=debug -Doptimization=1 \
		-Db_sanitize=thread -Db_lundef=false
	@TSAN_OPTIONS=halt_on_error=1 meson test -C build-tsan --suite threads </dev/null

# What leaves a client's physical interface while its kill switch is off, on, or always on.
test-leaks: deps all
	@python3 tests/lab/test_leaks.py
	@python3 tests/lab/test_dns.py

# A client's state, firewall, rules, routes and names, after each of many random commands and kills.
test-transitions: deps all
	@ROUNDS=$(or $(ROUNDS),1000) python3 tests/lab/test_transitions.py

# How long a dead or hung node holds up a download and a call.
test-failover: deps all
	@tests/lab/test_failover.py

# How soon a slow, lossy or thin relay is named and left, and used again when it is well.
test-degrade: deps all
	@ROUNDS=$(or $(ROUNDS),2) tests/lab/test_degrade.py

# How the view of the mesh behaves at scale: docs/scale.md; half an hour or more.
scale: deps all
	@$(BUILD)/tests/sim/directory/sim_directory 1000 10 | sed -n 's/^# //p'
	@$(BUILD)/tests/sim/directory/sim_directory 10000 50 old | sed -n 's/^# //p'
	@$(BUILD)/tests/unit/app/test_app_view_cache 100000 | sed -n 's/^# //p'

bench: deps all
	@bench/run

lint: deps
	@scripts/lint

fmt:
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

fuzz: deps
	@scripts/fuzz

install: all
	@meson install -C $(BUILD) --no-rebuild

# Frees the machine first: nothing of ours may block it when nothing of ours is left to ask.
uninstall:
	@systemctl disable --now macrod.service macrod-lock.service 2>/dev/null || true
	@$(BUILD)/macro unlock
	@ninja -C $(BUILD) uninstall

clean:
	@rm -rf $(BUILD)
