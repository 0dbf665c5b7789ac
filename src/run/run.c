// SPDX-License-Identifier: MIT
// The command line of `tcpd run`, as settings, which run_config.c makes a configuration of. Wrong
// usage ends here; whether values are right is not looked at.

#include "run/run.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/address.h"
#include "base/base.h"
#include "control/control_socket.h"

#define ANYWHERE "127.0.0.1:0"
#define LOOPBACK "127.0.0.1:"

static const char help[] =
    "usage: tcpd run [-l ADDRESS]... [-n MAX] [--prestart | --wait | --listener]\n"
    "                [--websocket] [--certificate FILE [--key FILE]]\n"
    "                [--allow PREFIX]... [--deny PREFIX]... [--proxy PREFIX]...\n"
    "                [-o NAME=VALUE]... [--control PATH] [-v]\n"
    "                [--] PROGRAM [ARGUMENT...]\n"
    "       tcpd run ... --handler NAME\n"
    "       tcpd run ... --handler /PATH/MODULE.so [NAME=VALUE...]\n"
    "Serves one service in the foreground, without a configuration file, and prints where.\n"
    "\n"
    "  -l, --listen ADDRESS     127.0.0.1:7000, [::1]:7000, *:7000 (all addresses), unix:/PATH,\n"
    "                           unix-seqpacket:/PATH, udp:127.0.0.1:7000, unix-dgram:/PATH, or\n"
    "                           7000 for 127.0.0.1:7000; may be repeated. Default: a free port\n"
    "  -n, --max MAX            serve at most so many clients at once; with --listener: run so "
    "many\n"
    "      --prestart           have programs started before their clients come\n"
    "      --wait               as inetd's wait: when somebody comes, the program is started with\n"
    "                           the listening socket, or that for datagrams, as descriptor 0\n"
    "      --listener           the program accepts by itself, on descriptor 3\n"
    "      --websocket          speak WebSocket: ADDRESS is ws:127.0.0.1:7000 and so on\n"
    "      --certificate FILE   speak TLS, and show this: PEM, with those that have signed it\n"
    "      --key FILE           its private key, if it is not in the same file\n"
    "      --allow PREFIX       serve clients of 10.0.0.0/8, 2001:db8::7 and so on, and no others\n"
    "      --deny PREFIX        do not serve those; the longer prefix decides; both may be "
    "repeated\n"
    "      --proxy PREFIX       behind these proxies, which say by the PROXY protocol for whom "
    "they\n"
    "                           connect; nobody else is served; may be repeated\n"
    "      --handler NAME       a built-in service or a module instead of a program\n"
    "  -o, --option NAME=VALUE  any option of tcpd.conf(5); again for more, and for lists\n"
    "  -C, --control PATH       open a control socket there, for tcpdctl -s PATH\n"
    "  -v, --verbose            log more, sessions that end well among them\n"
    "  -V, --version            print the version\n"
    "  -h, --help               print this\n"
    "\n"
    "signals: TERM drains and stops, a second TERM, INT or QUIT stops at once; HUP: new workers\n"
    "exit status: 0 stopped, 64 usage, 68 address not available, 69 address in use,\n"
    "             71 system error, 74 output lost, 77 permission denied, 78 wrong value\n";

char **run_arguments(char **argv)
{
    if (argv[0] && strcmp(basename(argv[0]), "tcpd-run") == 0)
        return argv;
    return argv[0] && argv[1] && strcmp(argv[1], "run") == 0 ? argv + 1 : NULL;
}

char *run_address(const char *text)
{
    bool is_port = *text != '\0' && strspn(text, "0123456789") == strlen(text);
    char *address = NULL;

    if (asprintf(&address, "%s%s", is_port ? LOOPBACK : "", text) < 0)
        base_out_of_memory();
    return address;
}

// --- The command line ---

static void add(struct run *run, const char *name, size_t length, const char *text)
{
    run->settings = base_checked(
        reallocarray(run->settings, run->n_settings + 1, sizeof(run->settings[0])));
    run->settings[run->n_settings++] = (struct run_setting){
        .name = base_checked(strndup(name, length)), .text = base_checked(strdup(text))};
}

static void add_setting(struct run *run, const char *name, const char *text)
{
    add(run, name, strlen(name), text);
}

const char *run_find(const struct run *run, const char *name)
{
    for (size_t i = 0; i < run->n_settings; i++)
        if (strcmp(run->settings[i].name, name) == 0)
            return run->settings[i].text;
    return NULL;
}

static bool is(const struct run *run, const char *name, const char *text)
{
    const char *found = run_find(run, name);

    return found && strcmp(found, text) == 0;
}

static bool has(const struct run *run, const char *name, const char *text)
{
    for (size_t i = 0; i < run->n_settings; i++)
        if (strcmp(run->settings[i].name, name) == 0 && strcmp(run->settings[i].text, text) == 0)
            return true;
    return false;
}

static int complain_of(const char *what, const char *text)
{
    (void)fprintf(stderr, "tcpd run: %s%s; see tcpd run --help\n", what, text);
    return EX_USAGE;
}

static int add_assignment(struct run *run, const char *text)
{
    const char *equals = strchr(text, '=');

    if (!equals || equals == text)
        return complain_of("-o: write NAME=VALUE, not ", text);
    add(run, text, (size_t)(equals - text), equals + 1);
    return -1;
}

static void add_handler(struct run *run, const char *name)
{
    bool is_module = strchr(name, '/') != NULL;

    add_setting(run, "handler", is_module ? "module" : name);
    if (is_module)
        add_setting(run, "module", name);
}

static void add_control(struct run *run, const char *path)
{
    cleanup_free char *address = control_spell(path);

    add_setting(run, "control", address);
}

static void add_address(struct run *run, const char *text)
{
    cleanup_free char *address = run_address(text);

    add_setting(run, "listen", address);
}

// A certificate's, which has a section of its own.
static void add_file(struct run *run, const char *name, const char *path)
{
    add_setting(run, name, path);
    if (strcmp(name, "chain") == 0 && !run_find(run, "certificates"))
        add_setting(run, "certificates", RUN_CERTIFICATE);
}

static void add_proxy(struct run *run, const char *prefix)
{
    if (!run_find(run, "proxy_protocol"))
        add_setting(run, "proxy_protocol", "required");
    add_setting(run, "proxy_trusted", prefix);
}

static int add_mode(struct run *run, const char *mode)
{
    const char *before = run_find(run, "program_mode");

    if (before && strcmp(before, mode) != 0)
        return complain_of("--prestart, --wait and --listener exclude each other", "");
    add_setting(run, "program_mode", mode);
    return -1;
}

// One option; -1: go on, else an exit status.
static int take_option(struct run *run, int option, const char **max)
{
    switch (option) {
    case 'l':
        add_address(run, optarg);
        return -1;
    case 'n':
        *max = optarg;
        return -1;
    case 'p':
        return add_mode(run, "prestart");
    case 'W':
        return add_mode(run, "wait");
    case 'L':
        return add_mode(run, "listener");
    case 'w':
        run->speaks_websocket = true;
        return -1;
    case 'c':
        add_file(run, "chain", optarg);
        return -1;
    case 'k':
        add_file(run, "key", optarg);
        return -1;
    case 'a':
        add_setting(run, "allow", optarg);
        return -1;
    case 'd':
        add_setting(run, "deny", optarg);
        return -1;
    case 'x':
        add_proxy(run, optarg);
        return -1;
    case 'H':
        add_handler(run, optarg);
        return -1;
    case 'o':
        return add_assignment(run, optarg);
    case 'C':
        add_control(run, optarg);
        return -1;
    case 'v':
        run->verbose = true;
        return -1;
    case 'V':
        (void)printf("tcpd %s\n", TCPD_VERSION);
        return EX_OK;
    case 'h':
        (void)fputs(help, stdout);
        return EX_OK;
    default:
        (void)fputs("See tcpd run --help.\n", stderr); // getopt has said what is wrong
        return EX_USAGE;
    }
}

// What stands behind the options: a program and its arguments, or a module's options.
static int take_operands(struct run *run, char **operands)
{
    bool is_program, is_module;

    if (!run_find(run, "handler"))
        add_setting(run, "handler", "program");
    is_program = is(run, "handler", "program");
    is_module = is(run, "handler", "module");
    if (is_program && !*operands && !run_find(run, "program"))
        return complain_of("PROGRAM is missing", "");
    if (!is_program && !is_module && *operands)
        return complain_of("a built-in handler takes no arguments: ", *operands);
    for (; *operands; operands++)
        add_setting(run, is_program ? "program" : "module_options", *operands);
    return -1;
}

// Whether systemd hands sockets over, which are then where to listen.
static bool has_sockets(void)
{
    const char *pid = getenv("LISTEN_PID");

    return pid && getenv("LISTEN_FDS") && strtol(pid, NULL, 10) == (long)getpid();
}

// Puts it in front of addresses that say nothing of what is spoken there.
static void speak(struct run *run, const char *prefix)
{
    for (size_t i = 0; i < run->n_settings; i++) {
        struct run_setting *setting = &run->settings[i];
        struct address_spec spec;
        char *address;

        if (strcmp(setting->name, "listen") != 0 || address_parse(setting->text, &spec) != NULL ||
            spec.speaks != SPEAKS_PLAIN)
            continue;
        if (asprintf(&address, "%s%s", prefix, setting->text) < 0)
            base_out_of_memory();
        free(setting->text);
        setting->text = address;
    }
}

// What was not said.
static void add_defaults(struct run *run, const char *max)
{
    bool has_tls = run_find(run, "chain") != NULL;

    if (max)
        add_setting(run, is(run, "program_mode", "listener") ? "min_workers" : "max_workers", max);
    if (!run_find(run, "listen") && (run->speaks_websocket || has_tls || !has_sockets()))
        add_setting(run, "listen", ANYWHERE);
    if (run->speaks_websocket)
        speak(run, has_tls ? "wss:" : "ws:");
    else if (has_tls)
        speak(run, "tls:");
    if (is(run, "handler", "program") && !has(run, "environment", "clean"))
        add_setting(run, "environment", "inherit"); // as whoever types a command expects
    if (run->verbose && !run_find(run, "log_sessions"))
        add_setting(run, "log_sessions", "all");
}

int run_parse(char **arguments, struct run *ret)
{
    static const struct option names[] = {
        {"listen", required_argument, NULL, 'l'},
        {"max", required_argument, NULL, 'n'},
        {"prestart", no_argument, NULL, 'p'},
        {"wait", no_argument, NULL, 'W'},
        {"listener", no_argument, NULL, 'L'},
        {"websocket", no_argument, NULL, 'w'},
        {"certificate", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"allow", required_argument, NULL, 'a'},
        {"deny", required_argument, NULL, 'd'},
        {"proxy", required_argument, NULL, 'x'},
        {"handler", required_argument, NULL, 'H'},
        {"option", required_argument, NULL, 'o'},
        {"control", required_argument, NULL, 'C'},
        {"verbose", no_argument, NULL, 'v'},
        {"version", no_argument, NULL, 'V'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    static char name[] = "tcpd run";
    cleanup_free char **argv = NULL;
    const char *max = NULL;
    int argc = 0, option, status = -1;

    *ret = (struct run){.source = {.name = RUN_SOURCE, .load = run_load, .data = ret}};
    while (arguments[argc])
        argc++;
    argv = base_checked(calloc((size_t)argc + 1, sizeof(argv[0])));
    memcpy(argv, arguments, (size_t)argc * sizeof(argv[0]));
    argv[0] = name; // which getopt puts in front of what it says
    optind = 0;     // from the start, whatever was parsed before
    while (status < 0 && (option = getopt_long(argc, argv, "+l:n:o:C:vVh", names, NULL)) >= 0)
        status = take_option(ret, option, &max);
    if (status < 0)
        status = take_operands(ret, argv + optind);
    if (status < 0)
        add_defaults(ret, max);
    return status;
}

void run_done(struct run *run)
{
    for (size_t i = 0; i < run->n_settings; i++) {
        free(run->settings[i].name);
        free(run->settings[i].text);
    }
    free(run->settings);
    *run = (struct run){0};
}

void run_announce(const struct listener_set *set)
{
    for (size_t i = 0; i < set->n; i++)
        (void)printf("listening on %s\n", set->items[i].listener->address);
}
