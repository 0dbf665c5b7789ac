// SPDX-License-Identifier: MIT
// config.c, good files: every option arrives, defaults where nothing is said, the ways to write
// values, ${ENV}, and what stays of a configuration that two hold.

#include "config_wants.h"
#include "handlers/handlers.h"

#define ECHO "service \"e\" { handler = \"echo\" "

// The configuration, NULL after saying what is wrong with it.
static struct config *try_load(const char *row, const char *text)
{
    static const struct want nothing[WANTS_MAX];
    struct problems problems = {0};
    struct config *config;

    config_dir_write("main.conf", text, strlen(text));
    config = config_load(config_dir_path("main.conf"), handlers, &problems);
    (void)config_wants(row, &problems, nothing);
    problems_done(&problems);
    return config;
}

static struct config *load(const char *row, const char *text)
{
    struct config *config = try_load(row, text);

    check_true(row, config != NULL);
    return config;
}

static const char everything[] =
    "stop_timeout = \"1min 30s\"\n"
    "log_sessions = all log_sessions_form = lines\n"
    "log_addresses = \"masked\"\n"
    "service \"first\" {\n"
    "    handler = \"echo\"\n"
    "    listen = {\"127.0.0.1:7007\", \"[::1]:7007\",\n"
    "              \"unix:/run/x\"}\n"
    "    backlog = 100\n"
    "    min_workers = 2   max_workers = 20   spare_workers = 3\n"
    "    max_sessions_per_worker = 1000   max_worker_age = 2h\n"
    "    first_byte_timeout = 10s   idle_timeout = 1500ms\n"
    "    send_timeout = 5   session_timeout = \"1min 5s\"   slow_session = 7s\n"
    "    socket_mode = 0600\n"
    "    socket_user = \"root\"   socket_group = 'nogroup'\n"
    "}\n"
    "service second { handler = daytime format = iso8601 }\n";

static void check_first(const struct service *service)
{
    check_text("name", service->name, "first");
    check_true("handler", service->handler == &handler_echo);
    check_number("listen", service->listen.n, 3);
    check_text("listen", service->listen.items[0].text, "127.0.0.1:7007");
    check_text("listen", service->listen.items[0].spec.host, "127.0.0.1");
    check_number("listen, line", service->listen.items[0].line, 6);
    check_text("listen", service->listen.items[1].text, "[::1]:7007");
    check_text("listen", service->listen.items[2].spec.path, "/run/x");
    check_number("listen, line", service->listen.items[2].line, 7);
    check_text("listen, file", service->listen.items[2].file, config_dir_path("main.conf"));
    check_number("backlog", service->backlog, 100);
    check_number("min_workers", service->min_workers, 2);
    check_number("max_workers", service->max_workers, 20);
    check_number("spare_workers", service->spare_workers, 3);
    check_number("max_sessions_per_worker", service->max_sessions_per_worker, 1000);
    check_number("max_worker_age", service->max_worker_age_usec, 7200 * USEC_PER_SEC);
    check_number("first_byte_timeout", service->deadlines.first_byte_usec, 10 * USEC_PER_SEC);
    check_number("idle_timeout", service->deadlines.idle_usec, 1500 * USEC_PER_MSEC);
    check_number("send_timeout", service->deadlines.send_usec, 5 * USEC_PER_SEC);
    check_number("session_timeout", service->deadlines.session_usec, 65 * USEC_PER_SEC);
    check_number("slow_session", service->slow_usec, 7 * USEC_PER_SEC);
    check_number("socket_mode", service->socket_mode, 0600);
    check_text("socket_user", service->socket_user, "root");
    check_text("socket_group", service->socket_group, "nogroup");
    check_text("file", service->file, config_dir_path("main.conf"));
    check_number("line", service->line, 15);
}

static void test_everything(void **state)
{
    struct config *config = load("everything", everything);

    (void)state;
    check_number("stop_timeout", config->stop_timeout_usec, 90 * USEC_PER_SEC);
    check_number("log_sessions", config->log_sessions, LOG_SESSIONS_ALL);
    check_number("log_sessions_form", config->log_sessions_form, LOG_SESSIONS_LINES);
    check_number("log_addresses", config->log_addresses, LOG_ADDRESSES_MASKED);
    check_number("services", config->n_services, 2);
    check_first(&config->services[0]);
    check_text("second", config->services[1].name, "second");
    check_true("second, handler", config->services[1].handler == &handler_daytime);
    check_number("nothing of the first stays", config->services[1].listen.n, 0);
    check_number("nothing of the first stays", config->services[1].backlog, 4096);
    check_number("nothing of the first stays", config->services[1].min_workers, 4);
    check_text("nothing of the first stays", config->services[1].socket_user, NULL);
    (void)config_unref(config);
}

static void test_defaults(void **state)
{
    struct config *config = load("defaults", ECHO "}\n");
    const struct service *service = &config->services[0];

    (void)state;
    check_number("stop_timeout", config->stop_timeout_usec, 30 * USEC_PER_SEC);
    check_number("log_sessions", config->log_sessions, LOG_SESSIONS_ERRORS);
    check_number("log_sessions_form", config->log_sessions_form, LOG_SESSIONS_ENTRIES);
    check_number("log_addresses", config->log_addresses, LOG_ADDRESSES_FULL);
    check_number("listen", service->listen.n, 0); // handed over by systemd
    check_number("backlog", service->backlog, 4096);
    check_number("min_workers", service->min_workers, 4);
    check_number("max_workers", service->max_workers, 256);
    check_number("spare_workers", service->spare_workers, 4);
    check_number("max_sessions_per_worker", service->max_sessions_per_worker, 0);
    check_number("max_worker_age", service->max_worker_age_usec, 0);
    check_number("first_byte_timeout", service->deadlines.first_byte_usec, 30 * USEC_PER_SEC);
    check_number("idle_timeout", service->deadlines.idle_usec, 60 * USEC_PER_SEC);
    check_number("send_timeout", service->deadlines.send_usec, 30 * USEC_PER_SEC);
    check_number("session_timeout", service->deadlines.session_usec, 0);
    check_number("slow_session", service->slow_usec, 0);
    check_number("socket_mode", service->socket_mode, 0666);
    check_text("socket_user", service->socket_user, NULL);
    (void)config_unref(config);
}

// Ways of writing one option's value.
static const struct {
    const char *name, *text, *message;
} texts[] = {
    {"double quotes", "\"a b\"", "a b"},
    {"single quotes", "'a b'", "a b"},
    {"no quotes", "ab", "ab"},
    {"no quotes, slashes", "http://x//a/", "http://x//a/"},
    {"no quotes, a comment behind", "ab# c", "ab"},
    {"a quote of the other kind", "\"it's # no comment\"", "it's # no comment"},
    {"an escaped quote before a comment's beginning", "'a\\' # b'", "a' # b"},
    {"empty", "\"\"", ""},
    {"a newline", "\"a\\nb\"", "a\nb"},
    {"a quote", "\"a\\\"b\"", "a\"b"},
    {"a backslash", "\"a\\\\b\"", "a\\b"},
    {"a byte", "\"a\\x41b\"", "aAb"},
    {"a comment's beginning", "\"a # b // c /* d\"", "a # b // c /* d"},
    {"percent", "\"%s%n\"", "%s%n"},
    {"UTF-8", "\"caf\xc3\xa9\"", "caf\xc3\xa9"},
    {"a closing brace", "\"}\"", "}"},
    {"the environment", "\"<${TCPD_TEST}>\"", "<from outside>"},
    {"the environment twice", "\"${TCPD_TEST}${TCPD_TEST}\"", "from outsidefrom outside"},
    {"the environment has none", "\"<${TCPD_TEST_NONE}>\"", "<>"},
    {"the environment has none, a default", "\"<${TCPD_TEST_NONE:-x}>\"", "<x>"},
    {"not in single quotes", "'${TCPD_TEST}'", "${TCPD_TEST}"},
    {"a dollar", "\"5$\"", "5$"},
};

static void test_texts(void **state)
{
    (void)state;
    assert_int_equal(setenv("TCPD_TEST", "from outside", 1), 0);
    for (size_t i = 0; i < ELEMENTS(texts); i++) {
        struct config *config;
        char text[256];

        (void)snprintf(text, sizeof(text), "service g { handler = echo\n socket_user = %s\n}\n",
                       texts[i].text);
        config = load(texts[i].name, text);
        check_text(texts[i].name, config->services[0].socket_user, texts[i].message);
        (void)config_unref(config);
    }
    assert_int_equal(unsetenv("TCPD_TEST"), 0);
}

static void test_environment_elsewhere(void **state)
{
    struct config *config;

    (void)state;
    assert_int_equal(setenv("TCPD_TEST", "7", 1), 0);
    config = load("in a list and a number", ECHO "listen = {\"h:${TCPD_TEST}\", \"g:1\"}\n"
                                                 "backlog = \"${TCPD_TEST}00\" }\n");
    check_text("in a list", config->services[0].listen.items[0].text, "h:7");
    check_text("in a list", config->services[0].listen.items[1].text, "g:1");
    check_number("in a number", config->services[0].backlog, 700);
    (void)config_unref(config);
    assert_int_equal(unsetenv("TCPD_TEST"), 0);
}

// Files that are unusual and right.
static const struct {
    const char *name, *text;
    size_t n_services, n_listen; // the latter of the first service
} unusual[] = {
    {"on one line", ECHO "listen={\"h:1\",\"h:2\"}backlog=5}", 1, 2},
    {"CRLF", "stop_timeout = 5s\r\n" ECHO "\r\n listen = {\"h:1\"}\r\n}\r\n", 1, 1},
    {"comments", "# a\n// b\n/* c\n d */ " ECHO " /* e */ listen = {\"h:1\"} # f\n}# g", 1, 1},
    {"comments in a list", ECHO "listen = { # a\n \"h:1\", # b\n \"h:2\" /* c */ } }", 1, 2},
    {"a comment before a value", ECHO "backlog = # a\n 5 }", 1, 0},
    {"a comment before a brace", "service e # a\n { handler = echo }", 1, 0},
    {"an empty list", ECHO "listen = {} }", 1, 0},
    {"one address without braces", ECHO "listen = \"h:1\" }", 1, 1},
    {"a comma at the end of a list", ECHO "listen = {\"h:1\",} }", 1, 1},
    {"a list that goes on", ECHO "listen = {\"h:1\"} listen += {\"h:2\", \"h:3\"} }", 1, 3},
    {"port 0 twice", ECHO "listen = {\"h:0\", \"h:0\"} }", 1, 2},
    {"the same port elsewhere", ECHO "listen = {\"h:1\", \"g:1\", \"[::]:1\"} }", 1, 3},
    {"options before the handler", "service x { backlog = 5 message = y handler = greeting }", 1,
     0},
    {"max below the default min", ECHO "max_workers = 1 }", 1, 0},
    {"min is max", ECHO "min_workers = 5 max_workers = 5 spare_workers = 5 }", 1, 0},
    {"names that differ in case", ECHO "}\nservice \"E\" { handler = \"time\" }", 2, 0},
    {"a service that looks like an option", "service backlog { handler = echo }", 1, 0},
};

static void test_unusual(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(unusual); i++) {
        struct config *config = try_load(unusual[i].name, unusual[i].text);

        if (!config) {
            n_wrong++;
            continue;
        }
        check_number(unusual[i].name, config->n_services, unusual[i].n_services);
        check_number(unusual[i].name, config->services[0].listen.n, unusual[i].n_listen);
        check_true(unusual[i].name,
                   config->services[0].min_workers <= config->services[0].max_workers);
        check_true(unusual[i].name,
                   config->services[0].spare_workers <= config->services[0].max_workers);
        (void)config_unref(config);
    }
    check_number("rows that are refused", n_wrong, 0);
}

static void test_many_services(void **state)
{
    static char text[200 * 1024];
    struct config *config;
    size_t n = 0;

    (void)state;
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "service s%d { handler = echo listen = {\"127.0.0.1:%d\"} "
                              "backlog = %d }\n",
                              i, 10000 + i, 1 + i);
    config = load("many", text);
    check_number("many", config->n_services, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "s%u", i);
        check_text("many", config->services[i].name, name);
        check_number(name, config->services[i].backlog, 1 + i);
        check_number(name, config->services[i].listen.n, 1);
    }
    (void)config_unref(config);
}

static void test_references(void **state)
{
    struct config *config = load("references", ECHO "}\n");

    (void)state;
    check_true("one more", config_ref(config) == config);
    check_true("one fewer", config_unref(config) == NULL);
    check_text("still there", config->services[0].name, "e");
    check_true("the last", config_unref(config) == NULL);
    check_true("none", config_unref(NULL) == NULL);
}

// One reading leaves nothing behind for the next.
static void test_again(void **state)
{
    static const struct want wants[WANTS_MAX] = {{"main.conf:1: ", "a } is missing"}};

    (void)state;
    for (int i = 0; i < 20; i++) {
        struct config *config = load("again", everything);

        check_number("again", config->n_services, 2);
        (void)config_unref(config);
        config_dir_write("main.conf", ECHO, strlen(ECHO));
        check_true("wrong in between", config_refused("wrong in between", wants));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_texts),      cmocka_unit_test(test_environment_elsewhere),
        cmocka_unit_test(test_unusual),    cmocka_unit_test(test_many_services),
        cmocka_unit_test(test_references), cmocka_unit_test(test_again),
    };

    return cmocka_run_group_tests(tests, config_dir_make, config_dir_remove);
}
