// SPDX-License-Identifier: MIT
// proxy_protocol and its companions: what is refused, each mistake at its own line, and who is a
// sender, to be asked for a header, and who is judged by which rules (R18).

#include <arpa/inet.h>

#include "access/explain.h"
#include "config/config_check.h"
#include "config_wants.h"

#define ECHO   "service \"e\" { handler = \"echo\"\n"
#define SENDER "proxy_trusted = {\"10.0.0.5\"}\n"

static const struct {
    const char *name, *text;
    struct want wants[WANTS_MAX];
} bad[] = {
    {"no senders",
     ECHO "proxy_protocol = required }\n",
     {{"main.conf:2: ", "proxy_protocol of service \"e\" needs proxy_trusted"}}},
    {"no senders, trusted",
     ECHO "proxy_protocol = trusted }\n",
     {{"main.conf:2: ", "proxy_protocol of service \"e\" needs proxy_trusted"}}},
    {"no protocol",
     ECHO SENDER "proxy_timeout = 5s\nproxy_version = any\nproxy_unknown = accept }\n",
     {{"main.conf:2: ", "proxy_trusted of service \"e\" needs proxy_protocol"},
      {"main.conf:3: ", "proxy_timeout"},
      {"main.conf:4: ", "proxy_version"},
      {"main.conf:5: ", "proxy_unknown"}}},
    {"an empty list",
     ECHO "proxy_protocol = required\nproxy_trusted = {} }\n",
     {{"main.conf:2: ", "proxy_protocol of service \"e\" needs proxy_trusted"}}},
    {"short",
     ECHO SENDER "proxy_protocol = required\nproxy_timeout = 1s }\n",
     {{"main.conf:4: ", "proxy_timeout of service \"e\" must be between 3s and 60s"}}},
    {"endless",
     ECHO SENDER "proxy_protocol = required\nproxy_timeout = 0 }\n",
     {{"main.conf:4: ", "must be between 3s and 60s"}}},
    {"long",
     ECHO SENDER "proxy_protocol = required\nproxy_timeout = 61s }\n",
     {{"main.conf:4: ", "must be between 3s and 60s"}}},
    {"yes", ECHO SENDER "proxy_protocol = yes }\n", {{"main.conf:3: ", "off, trusted, required"}}},
    {"a version",
     ECHO SENDER "proxy_protocol = required\nproxy_version = 2 }\n",
     {{"main.conf:4: ", "any, v1, v2"}}},
    {"unknown",
     ECHO SENDER "proxy_protocol = required\nproxy_unknown = no }\n",
     {{"main.conf:4: ", "refuse, accept"}}},
    {"host bits",
     ECHO "proxy_protocol = required\nproxy_trusted = {\"10.0.0.5\", \"10.0.0.1/8\"} }\n",
     {{"main.conf:3: ", "proxy_trusted = \"10.0.0.1/8\" has bits set behind its length"}}},
    {"a name",
     ECHO "proxy_protocol = required\nproxy_trusted = {\"lb.example.org\"} }\n",
     {{"main.conf:3: ", "is not a prefix"}}},
    {"a file that is not there",
     ECHO "proxy_protocol = required\nproxy_trusted = {\"file:/none/x\"} }\n",
     {{"main.conf:3: ", "cannot be read"}}},
    {"UDP",
     ECHO SENDER "proxy_protocol = required\nlisten = {\"udp:127.0.0.1:7\"} }\n",
     {{"main.conf:4: ", "listen = \"udp:127.0.0.1:7\": proxy_protocol is for streams"}}},
    {"packets",
     ECHO SENDER "proxy_protocol = required\nlisten = {\"unix-seqpacket:/x\"} }\n",
     {{"main.conf:4: ", "proxy_protocol is for streams"}}},
    {"unix in allow", ECHO "allow = {\"unix\"} }\n", {{"main.conf:2: ", "is for proxy_trusted"}}},
    {"unix in deny",
     ECHO "deny = {\"::1\", \"unix\"} }\n",
     {{"main.conf:2: ", "is for proxy_trusted"}}},
    {"a program that accepts by itself",
     "service \"p\" { handler = \"program\" program = {\"/bin/true\"} program_mode = listener\n"
     "proxy_protocol = required\n" SENDER "}\n",
     {{"main.conf:2: ", "accepts its clients by itself"}, {"main.conf:3: ", "proxy_trusted"}}},
    {"a program that waits",
     "service \"p\" { handler = \"program\" program = {\"/bin/true\"} program_mode = wait\n"
     "proxy_protocol = required\n" SENDER "}\n",
     {{"main.conf:2: ", "takes its clients by itself"}, {"main.conf:3: ", "proxy_trusted"}}},
};

static void test_bad(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        config_dir_write("main.conf", bad[i].text, strlen(bad[i].text));
        n_wrong += !config_refused(bad[i].name, bad[i].wants);
    }
    check_number("rows that fail", n_wrong, 0);
}

// Of both kinds of services; "H": asked for a header, "S": refused as a sender, "R": by a rule, "":
// served.
static const struct {
    const char *name, *peer, *client; // peer "unix": of a unix socket; client NULL: nobody yet
    bool speaks_for_itself;
    const char *off, *trusted, *required;
} judged[] = {
    {"a sender", "10.0.0.5", NULL, false, "R", "H", "H"},
    {"a sender, mapped", "::ffff:10.0.0.5", NULL, false, "R", "H", "H"}, // V65
    {"a sender's neighbour", "10.0.0.4", NULL, false, "R", "R", "S"},
    {"one of a prefix", "2001:db8:5::1", NULL, false, "", "H", "H"},
    {"somebody", "192.0.2.1", NULL, false, "", "", "S"},
    {"a unix socket", "unix", NULL, false, "", "H", "H"},
    {"a client that may", "10.0.0.5", "192.0.2.1", false, "", "", ""},
    {"a client that may not", "10.0.0.5", "10.0.0.9", false, "R", "R", "R"},
    {"a client that may not, mapped", "10.0.0.5", "::ffff:10.0.0.9", false, "R", "R", "R"},
    {"itself, which may not", "10.0.0.5", NULL, true, "", "", ""},
    {"through a unix socket", "unix", "10.0.0.9", false, "R", "R", "R"},
};

static const struct sockaddr *address_of(const char *text, struct sockaddr_storage *room)
{
    if (!text)
        return NULL;
    *room = (struct sockaddr_storage){.ss_family = AF_UNIX};
    if (strcmp(text, "unix") != 0)
        check_true(text, explain_parse(text, room));
    return (const struct sockaddr *)room;
}

static const char *said(const struct access_verdict *verdict)
{
    if (verdict->needs_header)
        return "H";
    return verdict->refusal == REFUSAL_NONE ? "" : verdict->refusal == REFUSAL_SENDER ? "S" : "R";
}

static void test_judged(void **state)
{
#define SERVICE(name, mode)                                                                    \
    "service \"" name "\" { handler = \"echo\" deny = {\"10.0.0.0/8\"} proxy_protocol = " mode \
    " proxy_trusted = {\"10.0.0.5\", \"2001:db8:5::/48\", \"unix\", \"10.0.0.5/32\"} }\n"
    static const char text[] =
        "service \"off\" { handler = \"echo\" deny = {\"10.0.0.0/8\"} }\n" SERVICE(
            "trusted", "trusted") SERVICE("required", "required");
    struct problems problems = {0};
    struct config *config;

    (void)state;
    config_dir_write("main.conf", text, strlen(text));
    config = config_load(config_dir_path("main.conf"), handlers, &problems);
    check_text("problems", problems.n > 0 ? problems.texts[0] : NULL, NULL);
    for (size_t i = 0; i < ELEMENTS(judged); i++) {
        const char *wants[] = {judged[i].off, judged[i].trusted, judged[i].required};
        struct sockaddr_storage peer, client;
        const struct access_question question = {
            .peer = address_of(judged[i].peer, &peer),
            .client = address_of(judged[i].client, &client),
            .speaks_for_itself = judged[i].speaks_for_itself,
        };

        for (size_t k = 0; k < ELEMENTS(wants); k++) {
            struct access_verdict verdict = access_judge(&config->services[k].access, &question);

            check_text(judged[i].name, said(&verdict), wants[k]);
        }
    }
    (void)config_unref(config);
}

static void test_warning(void **state)
{
    static const char text[] = ECHO
        "proxy_protocol = required proxy_trusted = {\"10.0.0.5\", \"any\"} }\n"
        "service \"f\" { handler = \"echo\" proxy_protocol = required proxy_trusted = {\"unix\"} "
        "}\n"
        "service \"g\" { handler = \"echo\" proxy_protocol = off proxy_trusted = {\"any\"}\n"
        "proxy_timeout = 5s proxy_version = v1 proxy_unknown = refuse }\n"; // switched off
    struct problems problems = {0}, warnings = {0};
    struct config *config;

    (void)state;
    config_dir_write("main.conf", text, strlen(text));
    config = config_load(config_dir_path("main.conf"), handlers, &problems);
    check_number("problems", problems.n, 0);
    config_warn(config, &warnings);
    check_number("warnings", warnings.n, 1);
    check_true(warnings.texts[0], strstr(warnings.texts[0], "proxy_trusted of service \"e\" has "
                                                            "any") != NULL);
    (void)config_unref(config);
    problems_done(&warnings);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_judged, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_warning, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
