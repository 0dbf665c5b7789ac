# tcpd: one Makefile, non-recursive. `make help` lists the targets.
# Variables: CC (gcc, clang), SANITIZE (address,undefined), PREFIX, DESTDIR, CFLAGS, WERROR=1.

VERSION   := 0.1.0
PREFIX    ?= /usr/local
CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
PYTHON    ?= /usr/bin/python3
comma     := ,

# Each compiler and sanitizer has objects of its own; the plain gcc build is build/ itself.
variant   := $(strip $(filter-out gcc,$(notdir $(CC))) $(subst $(comma),-,$(SANITIZE)))
BUILD     := build$(if $(variant),/$(subst $() ,-,$(variant)))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help all programs run check check-unit check-system soak bench lint format install uninstall deps clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; echo "  variables: CC=gcc|clang  SANITIZE=address,undefined  PREFIX=$(PREFIX)  DESTDIR="

# --- What Debian packages each job needs. tools/deps installs the missing ones or says how. ---
BUILD_DEPS := gcc libc6-dev pkg-config libsystemd-dev libconfuse-dev
RUN_DEPS   := netcat-openbsd
CHECK_DEPS := libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-pytest-timeout \
              iproute2 netbase nftables netcat-openbsd strace valgrind mandoc procps util-linux
LINT_DEPS  := clang clang-format clang-tidy cppcheck mandoc
CLANG_DEPS := $(if $(findstring clang,$(CC)),clang $(if $(SANITIZE),libclang-rt-14-dev))

deps: ## install what building, checking and linting need (apt)
	@tools/deps $(BUILD_DEPS) $(RUN_DEPS) $(CHECK_DEPS) $(LINT_DEPS) libclang-rt-14-dev

# --- Flags -------------------------------------------------------------------------------------
WARNINGS  := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wformat=2 -Wundef -Wvla \
             -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
             -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough -Wdate-time -Wfloat-equal \
             -Wnull-dereference -Wdouble-promotion $(if $(WERROR)$(CI),-Werror)
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE \
             $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
CFLAGS    ?= -O2 -g
LIBS      := libsystemd libconfuse
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DTCPD_VERSION='"$(VERSION)"' \
             -DTCPD_CONFIG='"/etc/tcpd/tcpd.conf"' -Isrc -MMD -MP $(WARNINGS) $(HARDENING) $(SANITIZER) \
             $(CPPFLAGS) $(CFLAGS)
ALL_LDFLAGS = -pie -Wl,-z,relro -Wl,-z,now -Wl,--as-needed $(SANITIZER) $(LDFLAGS)

# --- Sources -----------------------------------------------------------------------------------
DAEMON_SRC := $(wildcard src/*.c src/handlers/*.c)
SHARED_SRC := src/address.c src/timespan.c src/framing.c src/escape.c
CLIENT_SRC := $(wildcard src/client/*.c) $(SHARED_SRC)
CTL_SRC    := $(wildcard src/ctl/*.c) src/timespan.c
UNIT_SRC   := $(wildcard tests/unit/test_*.c)
BENCH_SRC  := $(wildcard tests/bench/*.c)
LIB_SRC    := $(filter-out src/main.c,$(DAEMON_SRC)) src/ctl/json.c

DAEMON_OBJ := $(DAEMON_SRC:%.c=$(BUILD)/%.o)
CLIENT_OBJ := $(CLIENT_SRC:%.c=$(BUILD)/%.o)
CTL_OBJ    := $(CTL_SRC:%.c=$(BUILD)/%.o)
LIB_OBJ    := $(LIB_SRC:%.c=$(BUILD)/%.o)
UNIT_BIN   := $(UNIT_SRC:%.c=$(BUILD)/%)
BENCH_BIN  := $(BENCH_SRC:%.c=$(BUILD)/%)

programs: all $(UNIT_BIN) $(BENCH_BIN) ## build these and what tests and benchmarks need

all: $(BUILD)/tcpd $(BUILD)/tcpc $(BUILD)/tcpdctl ## build the daemon, the client, the control tool

$(BUILD)/tcpd: $(DAEMON_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(LIBS))

$(BUILD)/tcpc: $(CLIENT_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^

$(BUILD)/tcpdctl: $(CTL_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs libsystemd)

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB_OBJ)
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(LIBS) cmocka)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(CC) $(ALL_LDFLAGS) -o $@ $^

.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# --- Run ---------------------------------------------------------------------------------------
run: ## install what is missing, build, serve etc/tcpd.conf on loopback
	@tools/deps $(BUILD_DEPS) $(RUN_DEPS)
	@$(MAKE) --no-print-directory all
	@tools/run $(BUILD)/tcpd etc/tcpd.conf

# --- Check -------------------------------------------------------------------------------------
check: ## install what is missing, build, pass every test
	@tools/deps $(BUILD_DEPS) $(CHECK_DEPS) $(CLANG_DEPS)
	@tools/check $(BUILD) $(PYTHON) $(MAKE)

check-unit: $(UNIT_BIN) ## the unit tests alone
	@tools/check-unit $(UNIT_BIN)

check-system: all $(BENCH_BIN) ## the system tests alone; ARGS="-k drain" selects some
	@tools/check-system $(BUILD) $(PYTHON) $(ARGS)

soak: all $(BENCH_BIN) ## the drain tests at full length: 5,000 stops, 300 reloads under load
	@TCPD_SOAK=full tools/check-system $(BUILD) $(PYTHON) -k soak $(ARGS)

bench: ## tcpd beside a bare prefork server, in pairs: medians, spread, ratios against targets
	@tools/deps $(BUILD_DEPS) python3
	@$(MAKE) --no-print-directory all $(BENCH_BIN)
	@$(PYTHON) tests/bench/bench.py $(BUILD) $(ARGS)

# --- Lint --------------------------------------------------------------------------------------
lint: ## formatting, limits on length, clang-tidy, cppcheck, man pages
	@tools/deps $(BUILD_DEPS) $(LINT_DEPS) libcmocka-dev
	@tools/lint

format: ## lay the sources out with clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

# --- Install -----------------------------------------------------------------------------------
MAN1 := src/client/tcpc.1 src/ctl/tcpdctl.1
MAN5 := src/tcpd.conf.5
MAN8 := src/tcpd.service.8

install: all ## install below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(BUILD)/tcpd $(DESTDIR)$(PREFIX)/libexec/tcpd/tcpd
	install -D -m 755 $(BUILD)/tcpc $(DESTDIR)$(PREFIX)/bin/tcpc
	install -D -m 755 $(BUILD)/tcpdctl $(DESTDIR)$(PREFIX)/bin/tcpdctl
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(MAN1)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 $(MAN5)
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 $(MAN8)
	[ -e $(DESTDIR)/etc/tcpd/tcpd.conf ] || install -D -m 644 etc/tcpd.conf $(DESTDIR)/etc/tcpd/tcpd.conf

uninstall: ## remove what install put there; the configuration stays
	rm -f $(DESTDIR)$(PREFIX)/libexec/tcpd/tcpd $(addprefix $(DESTDIR)$(PREFIX)/bin/,tcpc tcpdctl)
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/man/man1/,$(notdir $(MAN1)))
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/man/man5/,$(notdir $(MAN5)))
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/share/man/man8/,$(notdir $(MAN8)))
	-rmdir $(DESTDIR)$(PREFIX)/libexec/tcpd

clean: ## remove build/
	rm -rf build
