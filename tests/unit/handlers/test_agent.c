// SPDX-License-Identifier: MIT
// agent: each answer by table, which service a line names, and a session of each kind.

#include "board/node_page.h"
#include "handlers/agent_answer.h"
#include "serve.h"

#define FACT(its_name, its_state, its_weight, its_max, its_second, its_why) \
    {                                                                       \
        .service = its_name, .news = {                                      \
            .state = its_state,                                             \
            .weight = its_weight,                                           \
            .max = its_max,                                                 \
            .second = its_second,                                           \
            .why = its_why                                                  \
        }                                                                   \
    }
#define WEB(state, weight, max, second)          FACT("web", state, weight, max, second, "")
#define WEB_WHY(state, weight, max, second, why) FACT("web", state, weight, max, second, why)
#define MAIL(state, weight, max, second)         FACT("mail", state, weight, max, second, "")

#define REASON "12345678901234567890123456789012345678901234567890123456789012345678901234567890"
#define NAME   "1234567890123456789012345678901234567890123456789012345678901234"

// state, weight, max, second.
static const struct {
    const char *name;
    struct agent_fact facts[2];
    size_t n;
    struct agent_terms terms;
    const char *want;
} answers[] = {
    {"serving", {WEB(NODE_SERVING, 40, 256, 100)}, 1, {AGENT_FIXED, 0, 100}, "up 100%\n"},
    {"by its load", {WEB(NODE_SERVING, 40, 256, 100)}, 1, {AGENT_LOAD, 0, 100}, "up 40%\n"},
    {"for two balancers",
     {WEB(NODE_SERVING, 40, 256, 100)},
     1,
     {AGENT_FIXED, 2, 100},
     "up 100% maxconn:128\n"},
    {"rounded down",
     {WEB(NODE_SERVING, 10, 8, 100)},
     1,
     {AGENT_LOAD, 3, 100},
     "up 10% maxconn:2\n"},
    {"one at least",
     {WEB(NODE_SERVING, 10, 2, 100)},
     1,
     {AGENT_LOAD, 3, 100},
     "up 10% maxconn:1\n"},
    {"the busier one counts",
     {WEB(NODE_SERVING, 90, 256, 100), MAIL(NODE_SERVING, 30, 8, 100)},
     2,
     {AGENT_LOAD, 1, 100},
     "up 30% maxconn:8\n"},
    {"draining", {WEB(NODE_DRAINING, 40, 256, 100)}, 1, {AGENT_LOAD, 2, 100}, "up 0%\n"},
    {"one of two drains",
     {WEB(NODE_SERVING, 90, 256, 100), MAIL(NODE_DRAINING, 30, 8, 100)},
     2,
     {AGENT_FIXED, 0, 100},
     "up 0%\n"},
    {"maintenance",
     {WEB_WHY(NODE_MAINTENANCE, 90, 256, 100, "by root: a new disk")},
     1,
     {AGENT_FIXED, 2, 100},
     "stopped 0% #maintenance by root: a new disk\n"},
    {"the longest reason",
     {WEB_WHY(NODE_MAINTENANCE, 90, 256, 100, "by user 4294967294: " REASON)},
     1,
     {AGENT_FIXED, 2, 100},
     "stopped 0% #maintenance by user 4294967294: " REASON "\n"},
    {"failing",
     {WEB(NODE_FAILING, 10, 256, 100)},
     1,
     {AGENT_FIXED, 2, 100},
     "fail 0% #web: its workers die at once\n"},
    {"the longest name",
     {{.service = NAME, .news = {NODE_FAILING, 10, 256, 100, ""}}},
     1,
     {AGENT_FIXED, 0, 100},
     "fail 0% #" NAME ": its workers die at once\n"},
    {"failing is worse than draining",
     {WEB(NODE_DRAINING, 10, 256, 100), MAIL(NODE_FAILING, 10, 8, 100)},
     2,
     {AGENT_FIXED, 0, 100},
     "fail 0% #mail: its workers die at once\n"},
    {"what people say is worse than failing",
     {WEB_WHY(NODE_MAINTENANCE, 10, 256, 100, "by root: x"), MAIL(NODE_FAILING, 10, 8, 100)},
     2,
     {AGENT_FIXED, 0, 100},
     "stopped 0% #maintenance by root: x\n"},
    {"not there",
     {WEB(NODE_ABSENT, 0, 0, 0)},
     1,
     {AGENT_FIXED, 0, 100},
     "fail 0% #web: not served here\n"},
    {"ten seconds ago", {WEB(NODE_SERVING, 40, 9, 90)}, 1, {AGENT_FIXED, 0, 100}, "up 100%\n"},
    {"longer ago",
     {WEB(NODE_SERVING, 40, 9, 89)},
     1,
     {AGENT_FIXED, 0, 100},
     "fail 0% #web: the master does not answer\n"},
    {"a drain that is old",
     {WEB(NODE_DRAINING, 40, 9, 89)},
     1,
     {AGENT_FIXED, 0, 100},
     "fail 0% #web: the master does not answer\n"},
    {"a second ahead", {WEB(NODE_SERVING, 40, 9, 101)}, 1, {AGENT_FIXED, 0, 100}, "up 100%\n"},
    {"seconds that have come round",
     {WEB(NODE_SERVING, 40, 9, UINT32_MAX)},
     1,
     {AGENT_FIXED, 0, 1},
     "up 100%\n"},
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < ELEMENTS(answers); i++) {
        char text[AGENT_ANSWER_MAX + 8] = "";
        size_t n = agent_answer(answers[i].facts, answers[i].n, &answers[i].terms, text);

        check_text(answers[i].name, text, answers[i].want);
        check_number(answers[i].name, n, strlen(text));
    }
}

#define LINE(text) text, sizeof(text) - 1

static const struct {
    const char *name, *line;
    size_t size, want;
} lines[] = {
    {"the first", LINE("web\n"), 0},
    {"the second, with CRLF", LINE("mail\r\n"), 1},
    {"without an end", LINE("mail"), 1},
    {"what stands behind it", LINE("web\nmail\n"), 0},
    {"nothing", LINE(""), 2},
    {"an empty line", LINE("\nweb\n"), 2},
    {"a part", LINE("we\n"), 2},
    {"more", LINE("web1\n"), 2},
    {"a space", LINE("web \n"), 2},
    {"upper case", LINE("WEB\n"), 2},
    {"a NUL", LINE("web\0\n"), 2},
    {"a CR alone", LINE("\r"), 2},
};

static void test_lines(void **state)
{
    static const struct agent_fact facts[] = {{.service = "web"}, {.service = "mail"}};

    (void)state;
    for (size_t i = 0; i < ELEMENTS(lines); i++)
        check_number(lines[i].name,
                     agent_line_find((const uint8_t *)lines[i].line, lines[i].size, facts, 2),
                     lines[i].want);
}

static void publish(const char *name, enum node_state what)
{
    const struct node_news news = {.state = what,
                                   .weight = 70,
                                   .max = 64,
                                   .second = (uint32_t)(base_now_usec() / USEC_PER_SEC)};

    node_page_write(node_page_assign(name), &news);
}

static const struct {
    const char *name, *reads, *text, *want;
    bool half_close;
} sessions[] = {
    {"at once", "no", "", "up 0%\n", false},
    {"whatever is sent", "no", "pouet", "up 0%\n", false},
    {"a service", "yes", "web\n", "up 100%\n", false},
    {"another one", "yes", "mail\r\n", "up 0%\n", false},
    {"an unknown one", "yes", "pouet\n", "up 0%\n", false},
    {"the end instead", "yes", "web", "up 100%\n", true},
    {"nothing", "yes", "", "up 0%\n", true},
    {"64 bytes are enough", "yes",
     "1234567890123456789012345678901234567890123456789012345678901234", "up 0%\n", false},
};

static void test_sessions(void **state)
{
    (void)state;
    assert_int_equal(node_page_open(), 0);
    publish("web", NODE_SERVING);
    publish("mail", NODE_DRAINING);
    for (int kind = 0; kind < PAIR_KINDS; kind++)
        for (size_t i = 0; i < ELEMENTS(sessions); i++) {
            const char *const settings[] = {"agent_send", sessions[i].reads, NULL};
            struct service service = service_make("agent", settings);
            struct text_list *services = service.options; // its first field
            struct peer peer = {.text = sessions[i].text,
                                .n_text = strlen(sessions[i].text),
                                .half_close = sessions[i].half_close};
            struct tcpd_session session;

            text_list_add(services, "web");
            text_list_add(services, "mail");
            session = serve_peer((enum pair_kind)kind, &service, &peer);
            check_served(sessions[i].name, &session, &peer, SESSION_OK, sessions[i].want,
                         strlen(sessions[i].want));
            free(peer.got);
            config_service_done(&service);
        }
}

// Who sends nothing is answered after a second all the same.
static void test_silence(void **state)
{
    static const char *const settings[] = {"agent_send", "yes", NULL};
    struct service service = service_make("agent", settings);
    struct peer peer = {.text = "web", .n_text = 3};
    struct tcpd_session session;
    uint64_t begin_usec = base_now_usec();

    (void)state;
    assert_int_equal(node_page_open(), 0);
    publish("web", NODE_SERVING);
    text_list_add(service.options, "web");
    session = serve_peer((enum pair_kind)0, &service, &peer);
    check_served("silence", &session, &peer, SESSION_OK, "up 100%\n", 8);
    check_true("after a second", is_in_time(begin_usec, 1000, 1000 + LOOSE_MS));
    free(peer.got);
    config_service_done(&service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_silence),
    };

    return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
