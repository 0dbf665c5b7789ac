// SPDX-License-Identifier: MIT
// run.c, run_config.c: a command line becomes settings and a configuration, or is refused with
// words; the same command line does so again at each reload.

#include <fcntl.h>
#include <sysexits.h>

#include "handlers/handlers.h"
#include "run/run.h"
#include "unit.h"

#define WORDS_MAX 12

// As main() has them; they are not changed.
static char **arguments(const char *const *words)
{
    return (char **)(uintptr_t)words;
}

static void test_arguments(void **state)
{
    static char daemon[] = "/usr/libexec/tcpd/tcpd", link[] = "/usr/bin/tcpd-run",
                bare[] = "tcpd-run", run[] = "run", other[] = "-t", near[] = "runs";
    static const struct {
        const char *name;
        char *argv[3];
        int first; // -1: means something else
    } rows[] = {
        {"run", {daemon, run}, 1},
        {"the link", {link}, 0},
        {"the link, run", {link, run}, 0},
        {"a name without folder", {bare, other}, 0},
        {"the daemon", {daemon}, -1},
        {"another option", {daemon, other, NULL}, -1},
        {"a longer word", {daemon, near}, -1},
        {"nothing at all", {NULL}, -1},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        char **argv = (char **)(uintptr_t)rows[i].argv;

        check_true(rows[i].name,
                   run_arguments(argv) == (rows[i].first < 0 ? NULL : argv + rows[i].first));
    }
}

static void test_texts(void **state)
{
    static const struct {
        const char *text, *address, *name;
    } rows[] = {
        {"7000", "127.0.0.1:7000", "7000"},
        {"", "", "program"},
        {"*:7000", "*:7000", "--7000"},
        {"/usr/bin/cat", "/usr/bin/cat", "cat"},
        {"./a b+c.py", "./a b+c.py", "a-b-c.py"},
        {"bin/", "bin/", "program"},
        {"1234567890123456789012345678901234567890123456789012345678901234567",
         "127.0.0.1:1234567890123456789012345678901234567890123456789012345678901234567",
         "1234567890123456789012345678901234567890123456789012345678901234"},
        {"unix:/run/x", "unix:/run/x", "x"},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        cleanup_free char *address = run_address(rows[i].text);
        cleanup_free char *name = run_name(rows[i].text);

        check_text(rows[i].text, address, rows[i].address);
        check_text(rows[i].text, name, rows[i].name);
    }
}

// Standard error is what is expected of wrong usage, and not for the test's own.
static int parse_quietly(char **words, struct run *run)
{
    int status, kept = dup(STDERR_FILENO), none = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)dup2(none, STDERR_FILENO);
    status = run_parse(words, run);
    (void)fflush(stderr);
    (void)dup2(kept, STDERR_FILENO);
    (void)close(kept);
    (void)close(none);
    return status;
}

static const struct {
    const char *name;
    const char *words[WORDS_MAX];
    int status;
    const char *settings; // "name=text" with spaces between, NULL: of no interest
} lines[] = {
    {"a program",
     {"run", "cat", "-n", "--help"},
     -1,
     "handler=program program=cat program=-n program=--help listen=127.0.0.1:0 "
     "environment=inherit"},
    {"after --",
     {"run", "--", "-odd"},
     -1,
     "handler=program program=-odd listen=127.0.0.1:0 environment=inherit"},
    {"addresses",
     {"run", "-l", "1", "-l", "*:2", "--listen=[::1]:3", "x"},
     -1,
     "listen=127.0.0.1:1 listen=*:2 listen=[::1]:3 handler=program program=x "
     "environment=inherit"},
    {"at most",
     {"run", "-n5", "x"},
     -1,
     "handler=program program=x max_workers=5 listen=127.0.0.1:0 environment=inherit"},
    {"so many listeners",
     {"run", "-n5", "--listener", "x"},
     -1,
     "program_mode=listener handler=program program=x min_workers=5 listen=127.0.0.1:0 "
     "environment=inherit"},
    {"prestart",
     {"run", "--prestart", "-l7", "x"},
     -1,
     "program_mode=prestart listen=127.0.0.1:7 handler=program program=x environment=inherit"},
    {"built in", {"run", "-l7", "--handler", "echo"}, -1, "listen=127.0.0.1:7 handler=echo"},
    {"a module",
     {"run", "-l7", "--handler", "./m.so", "a=b", "c"},
     -1,
     "listen=127.0.0.1:7 handler=module module=./m.so module_options=a=b module_options=c"},
    {"options",
     {"run", "-o", "environment=A=b=c", "-oidle_timeout=", "-vl7", "x"},
     -1,
     "environment=A=b=c idle_timeout= listen=127.0.0.1:7 handler=program program=x "
     "environment=inherit log_sessions=all"},
    {"without the caller's",
     {"run", "-o", "environment=clean", "-l7", "x"},
     -1,
     "environment=clean listen=127.0.0.1:7 handler=program program=x"},
    {"verbose but for sessions",
     {"run", "-v", "-l7", "-o", "log_sessions=none", "x"},
     -1,
     "listen=127.0.0.1:7 log_sessions=none handler=program program=x environment=inherit"},
    {"all as options",
     {"run", "-o", "program=cat", "-o", "listen=*:7"},
     -1,
     "program=cat listen=*:7 handler=program environment=inherit"},
    {"websocket",
     {"run", "-l7", "--websocket", "-l", "*:8", "-lunix:/w", "-l", "ws:[::1]:9", "-lwss:*:10", "x"},
     -1,
     "listen=ws:127.0.0.1:7 listen=ws:*:8 listen=ws:unix:/w listen=ws:[::1]:9 listen=wss:*:10 "
     "handler=program program=x environment=inherit"},
    {"websocket anywhere",
     {"run", "--websocket", "--handler", "echo"},
     -1,
     "handler=echo listen=ws:127.0.0.1:0"},
    {"websocket as an option",
     {"run", "--websocket", "--handler=echo", "-o", "listen=*:7", "-o", "ws_page=yes"},
     -1,
     "handler=echo listen=ws:*:7 ws_page=yes"},
    {"websocket where it cannot be",
     {"run", "--websocket", "--handler=echo", "-l7x", "-ludp:*:7"},
     -1,
     "handler=echo listen=7x listen=ws:udp:*:7"},
    {"nothing", {"run"}, EX_USAGE, NULL},
    {"no program", {"run", "-l", "7"}, EX_USAGE, NULL},
    {"no address", {"run", "-l"}, EX_USAGE, NULL},
    {"an unknown option", {"run", "--colour", "x"}, EX_USAGE, NULL},
    {"not an assignment", {"run", "-o", "idle_timeout", "x"}, EX_USAGE, NULL},
    {"an assignment to nothing", {"run", "-o", "=5s", "x"}, EX_USAGE, NULL},
    {"arguments of a built-in", {"run", "--handler", "echo", "x"}, EX_USAGE, NULL},
};

static void join(const struct run *run, char *text, size_t size)
{
    size_t used = 0;

    text[0] = '\0';
    for (size_t i = 0; i < run->n_settings && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s=%s", i > 0 ? " " : "",
                                 run->settings[i].name, run->settings[i].text);
}

static void test_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++) {
        struct run run;
        char text[512];

        check_number(lines[i].name, parse_quietly(arguments(lines[i].words), &run),
                     lines[i].status);
        join(&run, text, sizeof(text));
        if (lines[i].settings)
            check_text(lines[i].name, text, lines[i].settings);
        run_done(&run);
    }
}

// Only a socket for this very process is a place to listen.
static void test_handed_over(void **state)
{
    static const char *words[] = {"run", "--handler", "echo", NULL};
    char pid[24];

    (void)state;
    for (int own = 0; own < 2; own++) {
        struct run run;

        (void)snprintf(pid, sizeof(pid), "%d", own ? getpid() : getppid());
        (void)setenv("LISTEN_PID", pid, 1);
        (void)setenv("LISTEN_FDS", "1", 1);
        check_number(pid, run_parse(arguments(words), &run), -1);
        check_true(pid, (run_find(&run, "listen") == NULL) == (own == 1));
        run_done(&run);
    }
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
}

static const struct {
    const char *name;
    const char *words[WORDS_MAX];
    const char *problem; // NULL: it is right
} values[] = {
    {"right", {"run", "--handler", "echo", "-l7", "-n", "2", "-o", "stop_timeout=1s"}, NULL},
    {"too many",
     {"run", "--handler", "echo", "-n", "30001"},
     "run: max_workers: \"30001\" is not allowed; a whole number from 1 to 30000"},
    {"a bad address",
     {"run", "--handler", "echo", "-l", "nowhere"},
     "run: listen: \"nowhere\": the port is missing: write ADDRESS:PORT"},
    {"an unknown option",
     {"run", "--handler", "echo", "-o", "colour=red"},
     "run: there is no option colour; tcpd.conf(5) lists all"},
    {"given twice",
     {"run", "--handler", "echo", "-n1", "-o", "max_workers=2"},
     "run: max_workers is given twice"},
    {"another handler's",
     {"run", "--handler", "echo", "-o", "message=hi"},
     "run: message belongs to handler \"greeting\", and service \"echo\" has handler \"echo\""},
    {"min above max",
     {"run", "--handler", "echo", "-n1", "-o", "min_workers=2"},
     "run: min_workers = 2 of service \"echo\" is above max_workers = 1"},
    {"one address twice",
     {"run", "--handler", "echo", "-l7", "-l7"},
     "run: listen = \"127.0.0.1:7\" is taken by service \"echo\""},
};

static void test_load(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(values); i++) {
        struct run run;

        check_number(values[i].name, run_parse(arguments(values[i].words), &run), -1);
        for (int reload = 0; reload < 2; reload++) {
            struct problems problems = {0};
            struct config *config = run.source.load(&run.source, &problems);

            check_text(values[i].name, problems.n > 0 ? problems.texts[0] : NULL,
                       values[i].problem);
            (void)config_unref(config);
            problems_done(&problems);
        }
        run_done(&run);
    }
}

static void test_loaded(void **state)
{
    static const char *words[] = {"run", "--handler",       "echo", "-l7", "-l", "*:8", "-n2",
                                  "-o",  "stop_timeout=1s", NULL};
    struct problems problems = {0};
    struct config *config;
    struct run run;

    (void)state;
    check_number("parse", run_parse(arguments(words), &run), -1);
    config = run.source.load(&run.source, &problems);
    check_number("services", config->n_services, 1);
    check_text("name", config->services[0].name, "echo");
    check_true("handler", config->services[0].handler == &handler_echo);
    check_number("addresses", config->services[0].listen.n, 2);
    check_text("first", config->services[0].listen.items[0].text, "127.0.0.1:7");
    check_number("max", config->services[0].max_workers, 2);
    check_number("min gives way", config->services[0].min_workers, 2);
    check_number("spare gives way", config->services[0].spare_workers, 2);
    check_number("default", config->services[0].deadlines.idle_usec, 60 * USEC_PER_SEC);
    check_number("of the file", config->stop_timeout_usec, USEC_PER_SEC);
    (void)config_unref(config);
    run_done(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arguments), cmocka_unit_test(test_texts),
        cmocka_unit_test(test_parse),     cmocka_unit_test(test_handed_over),
        cmocka_unit_test(test_load),      cmocka_unit_test(test_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
