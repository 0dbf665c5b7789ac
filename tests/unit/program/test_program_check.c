// SPDX-License-Identifier: MIT
// program_check.c: what cannot be is refused where it stands, with the reason; what can be is
// taken.

#include <sys/stat.h>

#include "config_wants.h"
#include "program/program_check.h"

#define PROGRAM   "service \"p\" { handler = program\n"
#define CAT       "program = {\"/bin/cat\"}\n"
#define PRESTART  "program_mode = prestart\n"
#define WAIT      "program_mode = wait\n"
#define LISTENER  "program_mode = listener\n"
#define NO_BYTE   "with program_mode = connection the program has the socket"
#define NO_CLIENT "with program_mode = prestart the program runs before there is a client"
#define ACCEPTS   "with program_mode = listener the program accepts its clients by itself"
#define TAKES     "with program_mode = wait the program takes its clients by itself"
#define IS_ONE    "with program_mode = wait one worker waits at each listener"
#define COPIES    "with program_mode = listener there are min_workers copies"
#define LISTENERS "only a program that accepts by itself, program_mode = listener"
#define OURS      "of service \"p\": only tcpd sets this variable"
#define NAME      "write NAME=VALUE"

static const struct {
    const char *name, *text;
    struct want wants[WANTS_MAX];
} rows[] = {
    {"no program", PROGRAM "}", {{"main.conf:2: ", "needs program = {\"/PATH\""}}},
    {"a name alone",
     PROGRAM "program = {\"cat\"}\n}",
     {{"main.conf:2: ", "program = \"cat\" of service \"p\": write the absolute path"}}},
    {"not there",
     PROGRAM "\nprogram = {\"/no/such\"}\n}",
     {{"main.conf:3: ", "program = \"/no/such\" of service \"p\": No such file"}}},
    {"a directory", PROGRAM "program = {\"/etc\"}\n}", {{"main.conf:2: ", "is a directory"}}},
    {"a device", PROGRAM "program = {\"/dev/null\"}\n}", {{"main.conf:2: ", "not a regular"}}},
    {"not executable",
     PROGRAM "program = {\"/etc/passwd\"}\n}",
     {{"main.conf:2: ", "cannot be executed"}}},
    {"a name alone behind @",
     PROGRAM "program = {\"@/bin/cat\"}\n}",
     {{"main.conf:2: ", "after a path with @, the next entry must be the program's name"}}},
    {"of another handler",
     "service e { handler = echo\n program = {\"/bin/cat\"}\n}",
     {{"main.conf:2: ", "program belongs to handler \"program\""}}},
    {"twice", PROGRAM CAT CAT "}", {{"main.conf:3: ", "program is given twice"}}},

    {"directory that is not there",
     PROGRAM CAT "working_directory = /no/such\n}",
     {{"main.conf:3: ", "working_directory = \"/no/such\" of service \"p\": No such file"}}},
    {"directory that is none",
     PROGRAM CAT "working_directory = /etc/passwd\n}",
     {{"main.conf:3: ", "is not a directory"}}},
    {"relative directory",
     PROGRAM CAT "working_directory = etc\n}",
     {{"main.conf:3: ", "absolute path"}}},
    {"user that is not there",
     PROGRAM CAT "user = nosuchuser\n}",
     {{"main.conf:3: ", "user = \"nosuchuser\" of service \"p\": there is no such user"}}},
    {"group that is not there",
     PROGRAM CAT "group = nosuchgroup\n}",
     {{"main.conf:3: ", "group = \"nosuchgroup\" of service \"p\": there is no such group"}}},

    {"entries of the environment",
     PROGRAM CAT "environment = {\"PROTO=x\", \"TCPREMOTEHOST=x\", \"LISTEN_FDS=1\","
                 "\"A\", \"=b\", \"1A=b\", \"WATCHDOG_USEC=1\"} }",
     {{"main.conf:3: ", OURS},
      {"main.conf:3: ", OURS},
      {"main.conf:3: ", OURS},
      {"main.conf:3: ", NAME},
      {"main.conf:3: ", NAME},
      {"main.conf:3: ", NAME},
      {"main.conf:3: ", OURS}}},
    {"a peer's variable before there is one",
     PROGRAM CAT PRESTART "environment = {\"TCPREMOTEIP=1\"}\n}",
     {{"main.conf:4: ", NO_CLIENT}}},
    {"asked for by a shell",
     PROGRAM "program = {\"/bin/sh\", \"-c\", \"echo $TCPREMOTEIP\"}\n" PRESTART "}",
     {{"main.conf:2: ", NO_CLIENT}}},
    {"asked for by what takes its clients",
     PROGRAM "program = {\"/bin/sh\", \"-c\", 'echo $PROTO $TCPREMOTEIP'}\n" WAIT "}",
     {{"main.conf:2: ", TAKES}}},
    {"asked for in braces, by a listener",
     PROGRAM "program = {\"/bin/sh\", \"-c\", 'echo ${REMOTE_ADDR}'}\n" LISTENER "}",
     {{"main.conf:2: ", ACCEPTS}}},

    {"files of variables",
     PROGRAM CAT "environment_file = {\"/no/such\", \"-/no/such\", \"/etc\"} }",
     {{"main.conf:3: ", "environment_file = \"/no/such\" of service \"p\": No such file"},
      {"main.conf:3: ", "environment_file = \"/etc\" of service \"p\": Is a directory"}}},
    {"ends that are none",
     PROGRAM CAT
     "success_status = {\"1\", \"256\", \"-1\", \"SIGHUP\", \"HUP\", \"1x\", \"SIG\"} }",
     {{"main.conf:3: ", "success_status = \"256\" of service \"p\": write an exit status"},
      {"main.conf:3: ", "success_status = \"-1\""},
      {"main.conf:3: ", "success_status = \"1x\""},
      {"main.conf:3: ", "success_status = \"SIG\""}}},
    {"an argument in the program's entry",
     PROGRAM "program = {\"/bin/cat -n\"}\n}",
     {{"main.conf:2: ", "each argument is an entry of its own: {\"/bin/cat\", \"-n\"}"}}},

    {"deadlines of reading",
     PROGRAM CAT "first_byte_timeout = 1s\nidle_timeout = 1s }",
     {{"main.conf:3: ", NO_BYTE}, {"main.conf:4: ", NO_BYTE}}},
    {"what a listener decides by itself",
     PROGRAM CAT LISTENER "idle_timeout = 1s\nsend_timeout = 1s\nsession_timeout = 1s\n"
                          "program_timeout = 1s\nkill_mode = none\nkill_grace = 1s\n"
                          "max_sessions_per_worker = 1\nsuccess_status = 1\n}",
     {{"main.conf:4: ", ACCEPTS},
      {"main.conf:5: ", ACCEPTS},
      {"main.conf:6: ", ACCEPTS},
      {"main.conf:7: ", ACCEPTS},
      {"main.conf:8: ", "ended as one"},
      {"main.conf:9: ", "stop_timeout is the time"},
      {"main.conf:10: ", ACCEPTS},
      {"main.conf:11: ", ACCEPTS}}},
    {"what nobody sees of clients that it takes",
     PROGRAM CAT WAIT "first_byte_timeout = 1s\nidle_timeout = 1s\nsend_timeout = 1s\n"
                      "session_timeout = 1s\nready_time = 1s\n}",
     {{"main.conf:4: ", TAKES},
      {"main.conf:5: ", TAKES},
      {"main.conf:6: ", TAKES},
      {"main.conf:7: ", TAKES},
      {"main.conf:8: ", LISTENERS}}},
    {"how many wait",
     PROGRAM CAT WAIT "min_workers = 1\nmax_workers = 5\nspare_workers = 1\n}",
     {{"main.conf:4: ", IS_ONE}, {"main.conf:5: ", IS_ONE}, {"main.conf:6: ", IS_ONE}}},
    {"a trial of what is started for each client",
     PROGRAM CAT "ready_time = 1s\n}",
     {{"main.conf:3: ", LISTENERS}}},
    {"a trial of what waits for its client",
     PROGRAM CAT PRESTART "ready_time = 1s\n}",
     {{"main.conf:4: ", LISTENERS}}},
    {"how many a listener has",
     PROGRAM CAT LISTENER "min_workers = 2\nmax_workers = 5\nspare_workers = 1\n}",
     {{"main.conf:5: ", COPIES}, {"main.conf:6: ", COPIES}}},
};

static void test_refused(void **state)
{
    bool good = true;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(rows); i++) {
        config_dir_write("main.conf", rows[i].text, strlen(rows[i].text));
        good = config_refused(rows[i].name, rows[i].wants) && good;
    }
    assert_true(good);
}

// Files with a mode, a text, and what is wrong with them.
static void test_scripts(void **state)
{
    static const struct {
        const char *text, *more, *wrong;
        mode_t mode;
    } scripts[] = {
        {"#!/bin/sh\n", "", NULL, 0755},
        {"#! /bin/sh -e\n", "", NULL, 0755},
        {"\177ELF", "", NULL, 0755},
        {"#!/no/such/sh\n", "", "its interpreter /no/such/sh: No such file", 0755},
        {"echo hello\n", "", "does not begin with #!", 0755},
        {"#!/bin/sh\n", "", "cannot be executed", 0644},
        {"#!/bin/sh\r\n", "", "its interpreter is \"/bin/sh\\r\"", 0755},
        {"#!/usr/bin/env sh\r\n", "", "its interpreter is \"/usr/bin/env sh\\r\"", 0755},
        {"#!/bin/sh -e\r\n", "", NULL, 0755}, // an argument is the interpreter's business
        {"#!\n", "", "names no interpreter", 0755},
        {"#!/bin/sh\n", "user = nobody\n", "may not be read by the user that it runs as", 0711},
        {"\177ELF", "user = nobody\n", NULL, 0711},
        {"#!/bin/sh\n", "user = nobody\n", "by the user that it runs as", 0700},
        {"#!/bin/sh\n", "user = nobody\n", NULL, 0755},
    };

    (void)state;
    check_number("others may enter", chmod(config_dir_path(""), 0755), 0);
    for (size_t i = 0; i < ELEMENTS(scripts); i++) {
        struct problems problems = {0};
        struct config *config;
        char conf[512];

        if (scripts[i].more[0] && geteuid() != 0)
            continue;
        config_dir_write("script", scripts[i].text, strlen(scripts[i].text));
        check_number("chmod", chmod(config_dir_path("script"), scripts[i].mode), 0);
        (void)snprintf(conf, sizeof(conf), PROGRAM "program = {\"%s\"}\n%s}",
                       config_dir_path("script"), scripts[i].more);
        config_dir_write("main.conf", conf, strlen(conf));
        config = config_load(config_dir_path("main.conf"), handlers, &problems);
        if (scripts[i].wrong && (problems.n == 0 || !strstr(problems.texts[0], scripts[i].wrong)))
            fail_msg("%s: %s", scripts[i].text, problems.n ? problems.texts[0] : "taken");
        if (!scripts[i].wrong && !config)
            fail_msg("%s: %s", scripts[i].text, problems.texts[0]);
        (void)config_unref(config);
        problems_done(&problems);
    }
}

static const char *const taken[] = {
    PROGRAM CAT "}",
    PROGRAM CAT PRESTART "first_byte_timeout = 1s idle_timeout = 1s kill_grace = 0 }",
    PROGRAM "program = {\"/bin/sh\", \"-c\", \"echo $PROTO\"} " WAIT "}",
    PROGRAM CAT WAIT "program_timeout = 1s kill_mode = none kill_grace = 1s success_status = 1 "
                     "max_sessions_per_worker = 9 max_worker_age = 1d }",
    PROGRAM CAT LISTENER "min_workers = 300 max_worker_age = 1d ready_time = 0 }",
    PROGRAM CAT "send_timeout = 1s session_timeout = 1s program_timeout = 1s }",
    PROGRAM CAT "environment = {\"A=b\", \"_x1=\", \"PATH=/bin\", \"PROTOTYPE=x\"} }",
    PROGRAM "program = {\"/bin/sh\", \"-c\", \"echo $TCPREMOTEIP\"} }",
    PROGRAM "program = {\"/bin/sh\", \"-c\", \"echo $PROTOTYPE $$\"} " PRESTART "}",
    PROGRAM CAT "limit_nofile = 20 limit_cpu = 5s limit_core = 0 umask = 077 }",
    PROGRAM CAT "working_directory = / }",
    PROGRAM CAT "environment = {\"inherit\", \"A=b\", \"clean\"} }",
    PROGRAM CAT "success_status = {0, 255, SIGTERM, \"PIPE\"} environment_file = -/no/such }",
};

// What follows from the mode for the service.
static void check_mode(const char *row, const struct service *service)
{
    static const unsigned n_beside[PROGRAM_MODES][2] = {[PROGRAM_CONNECTION] = {0, 1},
                                                        [PROGRAM_PRESTART] = {1, 2},
                                                        [PROGRAM_WAIT] = {0, 1},
                                                        [PROGRAM_LISTENER] = {0, 0}};
    enum program_mode mode = program_options(service)->mode;

    check_number(row, service->n_idle_beside, n_beside[mode][0]);
    check_number(row, service->n_busy_beside, n_beside[mode][1]);
    check_number(row, service->accepts_itself, mode == PROGRAM_LISTENER);
    check_number(row, service->leaves_clients, mode == PROGRAM_LISTENER || mode == PROGRAM_WAIT);
    check_text(row, service->handler->runs(service), program_file(program_options(service)));
    if (!service->leaves_clients)
        return;
    check_number(row, service->min_workers, mode == PROGRAM_WAIT ? 1 : 300);
    check_number(row, service->max_workers, service->min_workers);
    check_number(row, service->spare_workers, 0);
}

static void test_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(taken); i++) {
        struct problems problems = {0};
        struct config *config;

        config_dir_write("main.conf", taken[i], strlen(taken[i]));
        config = config_load(config_dir_path("main.conf"), handlers, &problems);
        if (!config)
            fail_msg("%s: %s", taken[i], problems.texts[0]);
        check_mode(taken[i], &config->services[0]);
        (void)config_unref(config);
    }
}

// The one problem of a program with more in its section; NULL: there is none.
static char *load_with(const char *more)
{
    struct problems problems = {0};
    cleanup_free char *conf = NULL;
    char *text = NULL;
    struct config *config;

    check_true("memory", asprintf(&conf, PROGRAM CAT "%s\n}", more) > 0);
    config_dir_write("main.conf", conf, strlen(conf));
    config = config_load(config_dir_path("main.conf"), handlers, &problems);
    check_number("problems", problems.n, config ? 0 : 1);
    if (problems.n > 0)
        text = strdup(problems.texts[0]);
    (void)config_unref(config);
    problems_done(&problems);
    return text;
}

// What exec(2) refuses with E2BIG, to the byte for one text.
static void test_size(void **state)
{
    const size_t max = 32 * (size_t)sysconf(_SC_PAGESIZE);
    char *more = calloc(1, max + 100), *text;

    (void)state;
    check_true("memory", more != NULL);
    for (size_t extra = 0; extra < 2; extra++) {
        (void)snprintf(more, max, "environment = \"A=");
        memset(more + strlen(more), 'x', max - 3 + extra);
        strcat(more, "\"");
        text = load_with(more);
        if (extra == 0)
            check_text("fits", text, NULL);
        else
            check_true("one byte more", text && strstr(text, "\"A ...\" has 131072 bytes"));
        free(text);
        memset(more, 0, max + 100);
    }
    free(more);
}

// A folder on the way that is closed to the user is named.
static void test_closed_folder(void **state)
{
    char more[512], wanted[600], *text;

    (void)state;
    if (geteuid() != 0)
        return;
    check_number("others may enter", chmod(config_dir_path(""), 0755), 0);
    check_number("mkdir", mkdir(config_dir_path("closed"), 0700), 0);
    check_number("mkdir", mkdir(config_dir_path("closed/in"), 0755), 0);
    (void)snprintf(wanted, sizeof(wanted), "the directory %s is closed to the user",
                   config_dir_path("closed"));
    (void)snprintf(more, sizeof(more), "working_directory = \"%s\"", config_dir_path("closed/in"));
    text = load_with(more);
    check_text("as root", text, NULL);
    strcat(more, " user = nobody");
    text = load_with(more);
    check_true("as nobody", text && strstr(text, wanted));
    free(text);
    check_number("rmdir", rmdir(config_dir_path("closed/in")), 0);
    check_number("rmdir", rmdir(config_dir_path("closed")), 0);
    check_number("itself again", geteuid(), 0);
}

// As oneself there is nothing to change; as root everything can be.
static void test_user(void **state)
{
    struct identity own = {.user = (char[16]){0}}, other = {.user = (char[]){"nobody"}};
    const char *wrong;

    (void)state;
    (void)snprintf(own.user, 16, "%u", geteuid());
    wrong = program_find_user(&own);
    check_text("own", wrong, NULL);
    check_number("own", own.uid, geteuid());
    check_true("own", !own.changes || own.gid != getegid());
    wrong = program_find_user(&other);
    if (geteuid() == 0) {
        check_text("nobody", wrong, NULL);
        check_true("nobody", other.changes && other.uid != 0 && other.gid != 0);
        check_true("nobody", other.n_groups >= 1);
        for (size_t i = 0; i < other.n_groups; i++)
            check_true("nobody", other.groups[i] != 0);
    } else {
        check_true("nobody", wrong && strstr(wrong, "tcpd does not run as root"));
    }
    check_true("nobody", geteuid() != 0 || other.login.n >= 2);
    free(own.groups);
    free(other.groups);
    text_list_done(&own.login);
    text_list_done(&other.login);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_refused, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_scripts, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_taken, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_size, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_closed_folder, config_dir_make, config_dir_remove),
        cmocka_unit_test(test_user),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
