# tcpd: one Makefile, non-recursive. `make help` lists the targets.
# Variables: CC (gcc, clang), SANITIZE (address,undefined), STAGE (xor), PREFIX, CONFDIR, DESTDIR, CFLAGS,
# WERROR=1, V=1.

VERSION   := 0.1.0
PREFIX    ?= /usr/local
CC        := $(if $(filter default,$(origin CC)),gcc,$(CC))
PYTHON    ?= /usr/bin/python3
comma     := ,

# Each compiler and sanitizer has objects of its own; the plain gcc build is build/ itself.
variant   := $(strip $(filter-out gcc,$(notdir $(CC))) $(subst $(comma),-,$(SANITIZE)) $(STAGE))
BUILD     := build$(if $(variant),/$(subst $() ,-,$(variant)))

# $(call quiet,WHAT,FILE)COMMAND: one short line for each thing that is made, or with V=1 the command.
silent     = $(findstring s,$(firstword -$(MAKEFLAGS)))
quiet      = $(if $(filter-out 0,$(V)),,@$(if $(silent),,printf '  %-4s %s\n' '$(1)' '$(2)'; ))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help all programs examples run check check-unit check-models check-system check-nodes check-systemd check-faults check-browser screenshots check-tls-scanners rootfs soak bench bench-quick bench-scale bench-against bench-programs \
        fuzz lint format units \
        install install-server install-user install-system install-dev uninstall deb check-deb deps clean FORCE

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo; echo "  variables: CC=gcc|clang  SANITIZE=address,undefined  V=1 (print commands)  PREFIX=$(PREFIX)  CONFDIR=$(CONFDIR)  DESTDIR="

# --- What Debian packages each job needs. tools/deps installs the missing ones or says how. ---
# The libraries stand in packaging/debian/control alone, where `make deb` finds all that it needs.
BUILD_DEPS := gcc libc6-dev $(shell sed -nE '/^Build-Depends/,/^[^ ]/s/^ (pkgconf|lib.*-dev),?$$/\1/p' packaging/debian/control 2>/dev/null)
RUN_DEPS   := netcat-openbsd
CHECK_DEPS := libcmocka-dev python3 python3-pytest python3-pytest-xdist python3-pytest-timeout \
              iproute2 curl netbase haproxy nftables netcat-openbsd strace valgrind mandoc procps util-linux \
              systemd-container mmdebstrap debian-archive-keyring \
              python3-uvicorn python3-websockets ruby-webrick puma libnet-server-perl nodejs node-ws openssl gnutls-bin spin \
              python3-prometheus-client python3-jsonschema $(if $(CI),prometheus) # of which promtool; the package starts a server
LINT_DEPS  := clang clang-format clang-tidy cppcheck mandoc groff-base man-db
BENCH_DEPS := perl openssl procps util-linux netbase systemd-container mmdebstrap debian-archive-keyring
BROWSER_DEPS := chromium chromium-driver
SCANNER_DEPS := testssl.sh sslscan
CLANG_DEPS := $(if $(findstring clang,$(CC)),clang $(if $(SANITIZE),libclang-rt-14-dev))

deps: ## install what building, checking and linting need (apt)
	@tools/deps $(BUILD_DEPS) $(RUN_DEPS) $(CHECK_DEPS) $(LINT_DEPS) libclang-rt-14-dev

# --- Flags -------------------------------------------------------------------------------------
WARNINGS  := -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wformat=2 -Wundef -Wvla \
             -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
             -Wcast-qual -Wwrite-strings -Wimplicit-fallthrough -Wdate-time -Wfloat-equal \
             -Wnull-dereference -Wdouble-promotion $(if $(WERROR)$(CI),-Werror)
HARDENING := -fstack-protector-strong -fstack-clash-protection -fcf-protection -fPIE -fdata-sections \
             $(if $(SANITIZE),,-D_FORTIFY_SOURCE=2)
SANITIZER := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
# valgrind 3.19 cannot read clang's DWARF 5.
CFLAGS    ?= -O2 $(if $(findstring clang,$(CC)),-gdwarf-4,-g)
LIBS      := libsystemd libconfuse libseccomp
CTL_LIBS  := libsystemd ncursesw # of which the daemon has no use for the latter
WEBSOCKET_LIBS = $(shell pkg-config --libs libmd) # of websocket.so alone
TLS_LIBS  = $(shell pkg-config --libs openssl) # of tls.so, and of programs of the benchmark
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DTCPD_VERSION='"$(VERSION)"' \
             $(PATH_CFLAGS) -Isrc $(EXTRA_INCLUDES) -MMD -MP $(WARNINGS) $(HARDENING) $(SANITIZER) \
             $(CPPFLAGS) $(CFLAGS)
PATH_CFLAGS = -DTCPD_CONFIG_DIR='"$(CONFDIR)"' -DTCPD_CONFIG='"$(CONFDIR)/tcpd.conf"' -DTCPD_RUN_DIR='"$(RUNDIR)"' \
              -DTCPD_SYSTEMCTL='"$(SYSTEMCTL)"'
# Small variables lie together, apart from buffers of whole pages: a worker copies what it writes to.
PACKING   := -Wl,--sort-section=alignment
ALL_LDFLAGS = -pie -Wl,-z,relro -Wl,-z,now -Wl,--as-needed $(PACKING) $(SANITIZER) $(LDFLAGS)

# --- Sources -----------------------------------------------------------------------------------
# The storeys of the daemon, from the ground up: docs/architecture.md.
STOREYS    := base view log board access config sandbox process listen transport session program module status handlers worker \
              pool master control run
BASE_SRC   := $(wildcard src/base/*.c)
DAEMON_SRC := src/main.c $(wildcard $(STOREYS:%=src/%/*.c))
ifdef STAGE # test stages between each session and its socket: tests/stage/plain.c
DAEMON_SRC := $(patsubst src/transport/plain.c,tests/stage/plain.c,$(DAEMON_SRC))
endif
CLIENT_SRC := $(wildcard src/client/*.c) $(BASE_SRC)
VIEW_SRC   := $(wildcard src/view/*.c)
CTL_SRC    := $(wildcard src/ctl/*.c src/access/*.c) $(VIEW_SRC) src/board/refusals.c src/board/log_quota.c $(BASE_SRC)
IMPORT_SRC := $(wildcard src/import/*.c) $(BASE_SRC)
UNIT_SRC   := $(wildcard tests/unit/*/test_*.c)
BENCH_SRC  := $(addprefix tests/bench/,load.c ref.c ref_tls.c seven.c) # programs; their parts are NAME_*.c
BENCH_MOD  := tests/modules/echo.c
WEBSOCKET_SRC := $(wildcard src/transport/websocket/*.c) src/transport/http_request.c src/transport/http_host.c
TLS_SRC    := $(wildcard src/transport/tls/*.c)
FUZZ_BIN   := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
GENERATOR_SRC := $(wildcard src/generator/*.c)
IMPORT_LIB := $(filter-out %/tcpd_import.c %/options.c,$(wildcard src/import/*.c))
LIB_SRC    := $(filter-out src/main.c %/tcpd_generator.c,$(DAEMON_SRC) $(GENERATOR_SRC)) $(addprefix src/ctl/,diag.c kernel.c log_filter.c session_options.c sockets_units.c steer_options.c top_grid.c top_sessions.c top_state.c top_table.c top_text.c) $(IMPORT_LIB)
FUZZ_SRC   := $(sort $(LIB_SRC) $(WEBSOCKET_SRC) $(TLS_SRC) $(filter-out %/tcpc.c,$(CLIENT_SRC)))

CLIENT_OBJ := $(CLIENT_SRC:%.c=$(BUILD)/%.o)
CTL_OBJ    := $(CTL_SRC:%.c=$(BUILD)/%.o)
IMPORT_OBJ := $(IMPORT_SRC:%.c=$(BUILD)/%.o)
DAEMON_OBJ := $(DAEMON_SRC:%.c=$(BUILD)/%.o) $(BUILD)/status_data.o
LIB_OBJ    := $(LIB_SRC:%.c=$(BUILD)/%.o) $(BUILD)/status_data.o
WEBSOCKET_OBJ := $(WEBSOCKET_SRC:%.c=$(BUILD)/pic/%.o) $(BUILD)/pic/page_data.o
TLS_OBJ    := $(TLS_SRC:%.c=$(BUILD)/pic/%.o)
UNIT_BIN   := $(UNIT_SRC:%.c=$(BUILD)/%)
BENCH_BIN  := $(BENCH_SRC:%.c=$(BUILD)/%) $(BENCH_MOD:%.c=$(BUILD)/%.so)
EXAMPLE_SO := $(patsubst %.c,$(BUILD)/%.so,$(wildcard examples/modules/*.c))
MODULES    := $(EXAMPLE_SO) $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/modules/*.c))
# Attacks, in a module and in a program.
HOSTILE_OBJ := $(patsubst %.c,$(BUILD)/pic/%.o,$(filter-out %/program.c,$(wildcard tests/hostile/*.c)))
HOSTILE_BIN := $(BUILD)/tests/hostile/program

LIB        := $(BUILD)/libtcpd.a

programs: all $(UNIT_BIN) $(BENCH_BIN) $(MODULES) $(HOSTILE_BIN) ## build these and what tests and benchmarks need

all: $(addprefix $(BUILD)/,tcpd tcpc tcpdctl tcpd-generator tcpd-import private/websocket.so private/tls.so) ## build the daemon, its tools, the client

examples: $(EXAMPLE_SO) ## build the example modules

# Modules call the tcpd_*() functions of the program that loads them.
$(BUILD)/tcpd: $(DAEMON_OBJ)
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -Wl,--export-dynamic-symbol='tcpd_*' -o $@ $^ $(shell pkg-config --libs $(LIBS))

$(BUILD)/tcpc: $(CLIENT_OBJ)
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(BUILD)/tcpd-generator: $(BUILD)/src/generator/tcpd_generator.o $(LIB)
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(LIBS))

$(LIB): $(LIB_OBJ)
	$(call quiet,AR,$@)rm -f $@ && ar rcs $@ $^

# What these need is their own: they call nothing of the program that loads them.
$(BUILD)/private/websocket.so: $(WEBSOCKET_OBJ)
$(BUILD)/private/websocket.so: OBJECT_LIBS = $(WEBSOCKET_LIBS)
$(BUILD)/private/tls.so: $(TLS_OBJ)
$(BUILD)/private/tls.so: OBJECT_LIBS = $(TLS_LIBS)
$(BUILD)/private/%.so:
	@mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(filter-out -pie,$(ALL_LDFLAGS)) -shared $(if $(SANITIZE),,-Wl,-z,defs) -o $@ $^ $(OBJECT_LIBS)

$(BUILD)/libwebsocket.a: $(WEBSOCKET_OBJ)
	$(call quiet,AR,$@)rm -f $@ && ar rcs $@ $^

$(BUILD)/tcpdctl: $(CTL_OBJ)
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(CTL_LIBS))

$(BUILD)/tcpd-import: $(IMPORT_OBJ)
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC,$(@:$(BUILD)/%=%))$(CC) $(ALL_CFLAGS) -c -o $@ $<

# What has paths of this installation compiled in is made anew when they change.
$(BUILD)/paths: FORCE
	@mkdir -p $(@D)
	@echo '$(CONFDIR) $(RUNDIR) $(SYSTEMCTL)' | cmp -s - $@ || echo '$(CONFDIR) $(RUNDIR) $(SYSTEMCTL)' >$@

$(patsubst %.c,$(BUILD)/%.o,$(shell grep -rlE --include='*.c' 'TCPD_(CONFIG|CONFIG_DIR|RUN_DIR|SYSTEMCTL)\>' src)): $(BUILD)/paths

$(BUILD)/pic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC,$(@:$(BUILD)/%=%))$(CC) $(ALL_CFLAGS) -fPIC -c -o $@ $<

# Files of pages as arrays: page_index_html[], page_index_html_size ...
define embed
@mkdir -p $(@D)
$(call quiet,GEN,$@){ printf '#include <stddef.h>\n#include <stdint.h>\n'; \
  for file in $(filter-out Makefile,$^); do \
      name=page_$$(basename $$file | tr . _); \
      printf 'extern const uint8_t %s[];\nextern const size_t %s_size;\n' $$name $$name; \
      printf 'const uint8_t %s[] = {' $$name; \
      od -An -v -tx1 $$file | sed 's/ \(..\)/0x\1,/g'; \
      printf '};\nconst size_t %s_size = sizeof(%s);\n' $$name $$name; \
  done; } >$@
endef

$(BUILD)/page_data.c: $(wildcard src/transport/websocket/page/*) Makefile
	$(embed)

$(BUILD)/status_data.c: $(wildcard src/status/page/*) Makefile
	$(embed)

$(BUILD)/pic/page_data.o: $(BUILD)/page_data.c
	@mkdir -p $(@D)
	$(call quiet,CC,$(@:$(BUILD)/%=%))$(CC) $(ALL_CFLAGS) -fPIC -c -o $@ $<

$(BUILD)/status_data.o: $(BUILD)/status_data.c
	$(call quiet,CC,$(@:$(BUILD)/%=%))$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/%.so: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(ALL_CFLAGS) -fPIC -shared $(SANITIZER) $(LDFLAGS) -o $@ $(filter %.c %.o,$^)

$(BUILD)/tests/modules/hostile.so: $(HOSTILE_OBJ)

$(HOSTILE_BIN): $(BUILD)/tests/hostile/program.o $(HOSTILE_OBJ)
	@mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs libsystemd)

$(BUILD)/tests/unit/%.o: EXTRA_INCLUDES = -Itests/unit

$(BUILD)/tests/unit/transport/%: UNIT_LIBS = $(WEBSOCKET_LIBS)
$(filter $(BUILD)/tests/unit/transport/%,$(UNIT_BIN)): $(BUILD)/libwebsocket.a

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(LIB)
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(UNIT_LIBS) $(shell pkg-config --libs $(LIBS) cmocka)

$(BUILD)/tests/bench/ref: $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/ref_tls.c,$(wildcard tests/bench/ref_*.c)) \
    src/sandbox/sandbox_filter.c src/sandbox/sandbox_list.c)
$(BUILD)/tests/bench/ref: BENCH_LIBS = $(shell pkg-config --libs libseccomp)
$(BUILD)/tests/bench/load $(BUILD)/tests/bench/ref_tls: BENCH_LIBS = $(TLS_LIBS)

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(BENCH_LIBS)

.SECONDARY:
-include $(shell find $(BUILD) \( -path $(BUILD)/rootfs -o -name against \) -prune -o -type f -name '*.d' -print 2>/dev/null)

# --- Run ---------------------------------------------------------------------------------------
run: ## install what is missing, build, serve etc/tcpd.conf on loopback
	@tools/deps $(BUILD_DEPS) $(RUN_DEPS)
	@$(MAKE) --no-print-directory all
	@tools/run $(BUILD)/tcpd etc/tcpd.conf $(BUILD)/control

# --- Check -------------------------------------------------------------------------------------
check: ## install what is missing, build, pass every test; as root in containers, too (1.8 GB in build/)
	@tools/deps $(BUILD_DEPS) $(CHECK_DEPS) $(CLANG_DEPS)
	@tools/check $(BUILD) $(PYTHON) $(MAKE)

check-unit: $(UNIT_BIN) ## the unit tests alone
	@tools/check-unit $(UNIT_BIN)

check-system: all $(BENCH_BIN) $(MODULES) $(HOSTILE_BIN) ## the system tests alone; ARGS="-k drain" selects some
	@tools/check-system $(BUILD) $(PYTHON) $(ARGS)

check-nodes: all ## the tests of nodes behind HAProxy at full length: 20 rolling restarts under load, half an hour
	@tools/deps $(BUILD_DEPS) $(CHECK_DEPS)
	@TCPD_NODES=full tools/check-system $(BUILD) $(PYTHON) -n 0 -k test_nodes $(ARGS)

check-systemd: ## the tests in containers that boot systemd 252 and 257; ARGS as above
	@tools/deps $(CHECK_DEPS)
	@tools/check-systemd $(BUILD) $(PYTHON) $(ARGS)

check-faults: all $(MODULES) ## each system call that tcpd makes fails once, in a row, always; ARGS="--quick", "--only REGEX"
	@tools/deps $(BUILD_DEPS) $(CHECK_DEPS)
	@tools/check-faults $(BUILD) $(PYTHON) $(ARGS)

check-models: ## the model of what workers and master share, with Debian's spin, where it is installed
	@tools/check-models $(BUILD)

check-browser: all ## a real browser at WebSocket services and the status page: Debian's chromium, where it can be had
	@tools/deps $(BUILD_DEPS) $(CHECK_DEPS)
	@tools/deps $(BROWSER_DEPS) || echo "check-browser: these cannot be installed here"
	@tools/check-browser $(BUILD) $(PYTHON) $(ARGS)

screenshots: all ## the pictures in docs/ of the status page and of tcpdctl top anew, under a staged load
	@tools/deps $(BUILD_DEPS) $(CHECK_DEPS) $(BROWSER_DEPS)
	@TCPD_SCREENSHOTS=docs tools/check-browser $(BUILD) $(PYTHON) -k test_screenshots

check-tls-scanners: all ## testssl.sh and sslscan at services behind TLS: a minute or two
	@tools/deps $(BUILD_DEPS) $(CHECK_DEPS)
	@tools/deps $(SCANNER_DEPS) || echo "check-tls-scanners: these cannot be installed here"
	@tools/check-tls-scanners $(BUILD) $(PYTHON) $(ARGS)

rootfs: ## the root file systems of Debian 12 and 13 that tests and packages need
	@tools/deps $(CHECK_DEPS)
	@tools/rootfs

soak: all $(BENCH_BIN) $(MODULES) $(HOSTILE_BIN) ## the drain tests at full length: 5,000 stops, 300 reloads under load
	@TCPD_SOAK=full tools/check-system $(BUILD) $(PYTHON) -k soak $(ARGS)

# Bursts come first, but where one part is asked for.
bursts = $(if $(filter --only%,$(ARGS)),bursts=0,$(PYTHON) tests/bench/scale.py $(BUILD) --part burst $(1); bursts=$$?)

bench: bench-programs ## tcpd beside a bare server, Apache, xinetd and others: ratios against targets; ARGS="--only tls"
	@$(call bursts); \
	    $(PYTHON) tests/bench/bench.py $(BUILD) $(ARGS) && exit $$bursts

bench-quick: bench-programs ## the same within two minutes, and coarser
	@$(call bursts,--quick); \
	    $(PYTHON) tests/bench/bench.py $(BUILD) --quick $(ARGS) && exit $$bursts

bench-scale: bench-programs ## ten thousand workers: start, reload, stop, held sessions, replacement
	@$(PYTHON) tests/bench/scale.py $(BUILD) --part scale $(ARGS)

REV ?= HEAD~1
bench-against: all $(BENCH_BIN) ## tcpd beside that of commit REV (HEAD~1), in pairs: is a row worse? 5 minutes
	@$(PYTHON) tests/bench/against.py $(BUILD) '$(REV)' $(ARGS)

# Other servers are not installed: tests/bench/packages.py unpacks them below $(BUILD)/bench/peers.
bench-programs:
	@tools/deps $(BUILD_DEPS) python3
	@tools/deps $(BENCH_DEPS) || echo "bench: what needs these is left out"
	@$(MAKE) --no-print-directory all $(BENCH_BIN)

# --- Fuzz --------------------------------------------------------------------------------------
FUZZ_DEPS := clang libclang-rt-14-dev # of Debian 12
TIME      ?= 60s

# Objects of their own, with clang, whatever CC is.
FUZZ_CC   = clang -std=gnu17 -D_GNU_SOURCE -DTCPD_VERSION='"$(VERSION)"' $(PATH_CFLAGS) -Isrc -Itests/unit/transport -Itests/unit/view \
            -DWS_BUFFER_SIZE=300 -MMD -MP -Wall -Wextra $(if $(WERROR),-Werror) -O2 -gdwarf-4
FUZZ_LIBS = $(shell pkg-config --libs $(LIBS)) $(WEBSOCKET_LIBS)
FUZZ_SANITIZER := address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

$(BUILD)/fuzz/obj/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call quiet,CC,$(@:$(BUILD)/%=%))$(FUZZ_CC) -fsanitize=fuzzer-no-link,$(FUZZ_SANITIZER) -c -o $@ $<

# Names are looked for in tables of a hundred: a dictionary helps more than each comparison does.
$(BUILD)/fuzz/obj/src/config/%.o $(BUILD)/fuzz/obj/src/base/spelling.o: FUZZ_CC += -fno-sanitize-coverage=trace-cmp

$(BUILD)/fuzz/obj/%_data.o: $(BUILD)/%_data.c
	@mkdir -p $(@D)
	$(call quiet,CC,$(@:$(BUILD)/%=%))$(FUZZ_CC) -c -o $@ $<

$(BUILD)/fuzz/libtcpd.a: $(FUZZ_SRC:%.c=$(BUILD)/fuzz/obj/%.o) $(addprefix $(BUILD)/fuzz/obj/,page_data.o status_data.o)
	$(call quiet,AR,$@)rm -f $@ && ar rcs $@ $^

$(BUILD)/fuzz/%: $(BUILD)/fuzz/obj/tests/fuzz/fuzz_%.o $(BUILD)/fuzz/libtcpd.a
	$(call quiet,LD,$@)clang -fsanitize=fuzzer,$(FUZZ_SANITIZER) -o $@ $^ $(FUZZ_LIBS)

$(addprefix $(BUILD)/fuzz/,tls_certificate tls_segments ticket_page): FUZZ_LIBS += $(TLS_LIBS)

# Without sanitizers, for valgrind.
$(BUILD)/fuzz/replay/%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(LIB)
	@mkdir -p $(@D)
	$(call quiet,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(shell pkg-config --libs $(LIBS))

fuzz: ## feed invented input to what reads that of others; TIME=60s for each target
	@tools/deps $(BUILD_DEPS)
	@if tools/deps $(FUZZ_DEPS); then \
	    $(MAKE) --no-print-directory $(FUZZ_BIN) $(BUILD)/fuzz/replay/config && tools/fuzz $(BUILD) $(TIME) $(notdir $(FUZZ_BIN)); \
	else \
	    echo "fuzz: left out, as clang's libFuzzer is not there"; \
	    echo "0 passed, 0 failed, $(words $(FUZZ_BIN)) skipped"; \
	fi

# --- Lint --------------------------------------------------------------------------------------
lint: ## formatting, limits on length, clang-tidy, cppcheck, man pages
	@tools/deps $(BUILD_DEPS) $(LINT_DEPS) libcmocka-dev
	@tools/lint

format: ## lay the sources out with clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

# --- Install -----------------------------------------------------------------------------------
# Below a home folder everything is for that user alone, and systemd's user manager runs it; else it is
# for the system. Below /usr/local systemd looks in the same folders as below /usr, whose names it tells
# itself.
home       := $(filter-out /,$(HOME))
SCOPE      ?= $(if $(and $(home),$(filter $(home)/%,$(abspath $(PREFIX)))),user,system)
IN_SCOPE    = $(if $(filter user,$(SCOPE)),$(1),$(2))
CONFDIR    ?= $(call IN_SCOPE,$(or $(XDG_CONFIG_HOME),$(HOME)/.config)/tcpd,/etc/tcpd)
RUNDIR     ?= $(call IN_SCOPE,$(or $(XDG_RUNTIME_DIR),/run/user/$(shell id -u))/tcpd,/run/tcpd)
SYSTEMCTL   = $(call IN_SCOPE,systemctl --user,systemctl)
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/tcpd
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/tcpd-server
MODULEDIR  ?= $(PREFIX)/lib/tcpd
# Where tcpd looks for objects of its own: src/base/own_object.c.
PRIVATEDIR := $(abspath $(LIBEXECDIR)/../../lib/tcpd/private)
INCLUDEDIR ?= $(PREFIX)/include
PCDIR      ?= $(PREFIX)/share/pkgconfig
COMPLETION ?= $(PREFIX)/share/bash-completion/completions
systemd     = $(or $(if $(filter /usr,$(PREFIX)),$(shell pkg-config --variable=$(1) systemd 2>/dev/null)),$(2))
PRIVATETMP ?= $(if $(shell pkg-config --atleast-version=257 libsystemd && echo 1),disconnected,yes)
USERUNITS   = $(or $(XDG_DATA_HOME),$(HOME)/.local/share)/systemd/user
UNITDIR    ?= $(call IN_SCOPE,$(USERUNITS),$(call systemd,systemdsystemunitdir,$(PREFIX)/lib/systemd/system))
GENDIR     ?= $(call systemd,systemdsystemgeneratordir,$(PREFIX)/lib/systemd/system-generators)
CATALOGDIR ?= $(call systemd,catalogdir,$(PREFIX)/lib/systemd/catalog)
SYSUSERDIR ?= $(call systemd,sysusersdir,$(PREFIX)/lib/sysusers.d)

MAN       = $(filter-out %.3 $(call IN_SCOPE,src/generator/%),$(wildcard $(foreach section,1 5 7 8,src/*/*.$(section))))
DEV_MAN  := $(wildcard src/*/*.3)
UNITS    := tcpd.socket tcpd.service tcpd@.socket tcpd@.service
UNIT_FILES = $(UNITS:%=$(BUILD)/systemd/$(call IN_SCOPE,user/)%)
EXAMPLES  = $(call IN_SCOPE,,$(wildcard systemd/examples/*.conf) examples/certbot-deploy-hook) $(wildcard examples/*.py)

# Pages and the like have the paths of Debian's package; these are of this installation.
PATHS     = -e 's|/etc/tcpd|$(CONFDIR)|g' -e 's|/run/tcpd|$(RUNDIR)|g' -e 's|/usr/libexec/tcpd|$(LIBEXECDIR)|g' \
            -e 's|/usr/lib/tcpd/private|$(PRIVATEDIR)|g' -e 's|/usr/lib/tcpd|$(MODULEDIR)|g' \
            $(if $(filter-out /usr,$(PREFIX)),-e 's|/usr/share/doc/tcpd-server\(-dev\)*|$(DOCDIR)|g')

# $(call put,MODE,FOLDER,FILES)
put = $(call quiet,INST,$(DESTDIR)$(2))install -d '$(DESTDIR)$(2)' && install -m $(1) -t '$(DESTDIR)$(2)' $(3)
# The same with the paths of this installation, for texts.
put_text = $(call quiet,INST,$(DESTDIR)$(1))install -d '$(DESTDIR)$(1)' && \
    for file in $(2); do sed $(PATHS) $$file | install -m 644 /dev/stdin '$(DESTDIR)$(1)'/$${file\#\#*/} || exit; done
# $(call man,SECTION)
man = $(call put_text,$(MANDIR)/man$(1),$(filter %.$(1),$(MAN) $(DEV_MAN)))

# A unit is its file, with the parts that several share put in and the paths of this installation. A
# user's manager has of the sandbox what is before its first restriction, User=.
$(BUILD)/systemd/%.socket: systemd/%.socket FORCE
	@mkdir -p $(@D)
	$(call quiet,GEN,$@)sed $(PATHS) $< >$@

$(BUILD)/systemd/%.service: systemd/%.service.in $(wildcard systemd/*.inc) FORCE
	@mkdir -p $(@D)
	$(call quiet,GEN,$@)sed $(if $(findstring /user/,$<),-e '/^User=/$(comma)$$d',-e '') systemd/sandbox.inc >$@.inc
	@sed -e '/^@START_LIMIT@$$/{r systemd/start-limit.inc' -e 'd}' \
	    -e '/^@SANDBOX@$$/{r $@.inc' -e 'd}' $< | \
	    sed $(PATHS) -e 's:@BINDIR@:$(BINDIR):g' -e 's:@LIBEXECDIR@:$(LIBEXECDIR):g' \
	        -e 's:@PRIVATEDIR@:$(PRIVATEDIR):g' -e 's:@PRIVATETMP@:$(PRIVATETMP):' >$@
	@rm $@.inc

$(BUILD)/tcpd.pc: tcpd.pc.in FORCE
	@mkdir -p $(@D)
	$(call quiet,GEN,$@)sed -e 's:@PREFIX@:$(PREFIX):' -e 's:@MODULEDIR@:$(MODULEDIR):' -e 's:@VERSION@:$(VERSION):' $< >$@

FORCE:

units: $(UNIT_FILES) ## the units, for the paths of this installation

install: install-server install-dev ## install below PREFIX; below your home folder as an ordinary user

install-server: all units install-$(SCOPE) ## the daemon, its tools and units
	$(call put,755,$(LIBEXECDIR),$(BUILD)/tcpd)
	$(call put,644,$(PRIVATEDIR),$(BUILD)/private/websocket.so $(BUILD)/private/tls.so)
	$(call put,755,$(BINDIR),$(BUILD)/tcpc $(BUILD)/tcpdctl $(BUILD)/tcpd-import)
	@ln -srf '$(DESTDIR)$(LIBEXECDIR)/tcpd' '$(DESTDIR)$(BINDIR)/tcpd-run'
	$(call put,644,$(UNITDIR),$(UNIT_FILES))
	$(call put_text,$(COMPLETION),$(wildcard completions/*))
	$(call man,1)
	$(call man,5)
	$(call man,7)
	$(call man,8)
	$(call put,644,$(DOCDIR),README.md CONTRIBUTING.md)
	$(call put,644,$(DOCDIR)/docs,$(wildcard docs/*))
	$(call put_text,$(DOCDIR)/examples,$(EXAMPLES))
	$(call put,644,$(DOCDIR)/examples/prometheus,$(wildcard examples/prometheus/*))
	@install -d '$(DESTDIR)$(MODULEDIR)'
	@[ -e '$(DESTDIR)$(CONFDIR)/tcpd.conf' ] || \
	    sed $(PATHS) $(call IN_SCOPE,-e 's/^#socket_units = yes/socket_units = no/') etc/tcpd.conf | \
	    install -D -m 644 /dev/stdin '$(DESTDIR)$(CONFDIR)/tcpd.conf'

# What only the system's manager and journal have.
install-user:
install-system: all
	$(call put,755,$(GENDIR),$(BUILD)/tcpd-generator)
	$(call put_text,$(CATALOGDIR),systemd/tcpd.catalog)
	$(call quiet,INST,$(DESTDIR)$(SYSUSERDIR))install -D -m 644 systemd/sysusers.conf '$(DESTDIR)$(SYSUSERDIR)/tcpd.conf'

install-dev: $(BUILD)/tcpd.pc ## what modules are written and built with
	$(call put,644,$(INCLUDEDIR)/tcpd,src/tcpd/handler.h)
	$(call put,644,$(PCDIR),$(BUILD)/tcpd.pc)
	$(call man,3)
	$(call put,644,$(DOCDIR)/examples/modules,$(wildcard examples/modules/*.c) examples/modules/Makefile)

uninstall: ## remove what install put there; the configuration stays
	rm -rf '$(DESTDIR)$(LIBEXECDIR)' '$(DESTDIR)$(PRIVATEDIR)' '$(DESTDIR)$(DOCDIR)'
	rm -rf '$(DESTDIR)$(INCLUDEDIR)/tcpd'
	rmdir '$(DESTDIR)$(MODULEDIR)' 2>/dev/null || : # somebody's modules stay
	rm -f $(DESTDIR)$(PCDIR)/tcpd.pc $(addprefix $(DESTDIR)$(BINDIR)/,tcpc tcpdctl tcpd-import tcpd-run) $(DESTDIR)$(GENDIR)/tcpd-generator \
	    $(addprefix $(DESTDIR)$(UNITDIR)/,$(UNITS)) $(DESTDIR)$(CATALOGDIR)/tcpd.catalog \
	    $(DESTDIR)$(SYSUSERDIR)/tcpd.conf \
	    $(addprefix $(DESTDIR)$(COMPLETION)/,$(notdir $(wildcard completions/*))) \
	    $(foreach page,$(MAN) $(DEV_MAN),$(DESTDIR)$(MANDIR)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))

# --- Debian package ----------------------------------------------------------------------------
RELEASES ?= bookworm trixie

deb: ## the Debian package for this machine's release, into build/deb/host
	@tools/deps ./packaging
	@tools/deb host build/deb/host

check-deb: ## build and check the package for RELEASES (bookworm trixie); needs root
	@[ "$$(id -u)" != 0 ] || tools/deps mmdebstrap debian-archive-keyring piuparts util-linux
	@tools/check-deb $(RELEASES)

clean: ## remove build/
	rm -rf build
