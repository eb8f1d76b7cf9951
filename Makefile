# A thin front for Meson.  Everything real is in meson.build, scripts/, lab/ and tests/.
BUILD ?= build

.PHONY: all deps run test bench lint fmt fuzz install clean

all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --buildtype=release -Db_ndebug=false

deps:
	@scripts/deps

run: deps all
	@lab/run $(if $(ONCE),--once)

test: deps all
	@scripts/test

bench: deps all
	@bench/run

lint:
	@scripts/lint

fmt:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

fuzz: deps
	@scripts/fuzz

install: all
	@meson install -C $(BUILD) --no-rebuild

clean:
	@rm -rf $(BUILD)
