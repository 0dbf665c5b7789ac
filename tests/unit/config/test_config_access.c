// SPDX-License-Identifier: MIT
// allow, deny and their files: what is refused, each mistake at its own line, and what a
// configuration that is right means (R1, R2, R3).

#include <arpa/inet.h>

#include "access/explain.h"
#include "config_wants.h"

#define ECHO "service \"e\" { handler = \"echo\"\n"

static const struct {
    const char *name, *text; // '@' is the directory
    struct want wants[WANTS_MAX];
} bad[] = {
    {"host bits",
     ECHO "deny = {\"10.0.0.1/8\"} }\n",
     {{"main.conf:2: ", "deny = \"10.0.0.1/8\" has bits set behind its length; write 10.0.0.0/8"}}},
    {"a length beyond", ECHO "deny = {\"10.0.0.0/33\"} }\n", {{"main.conf:2: ", "0 to 32"}}},
    {"a length beyond, IPv6", ECHO "deny = {\"::/129\"} }\n", {{"main.conf:2: ", "0 to 128"}}},
    {"three numbers", ECHO "deny = {\"10.0.0\"} }\n", {{"main.conf:2: ", "all four numbers"}}},
    {"octal", ECHO "deny = {\"010.0.0.0/8\"} }\n", {{"main.conf:2: ", "leading zero"}}},
    {"an interface", ECHO "deny = {\"fe80::%eth0/10\"} }\n", {{"main.conf:2: ", "interface"}}},
    {"a name",
     ECHO "allow = {\"example.org\"} }\n",
     {{"main.conf:2: ", "allow = \"example.org\" is not a prefix"}}},
    {"brackets", ECHO "deny = {\"[::1]\"} }\n", {{"main.conf:2: ", "brackets"}}},
    {"a word with a length", ECHO "deny = {\"any/8\"} }\n", {{"main.conf:2: ", "no length"}}},
    {"an empty text", ECHO "deny = {\"\"} }\n", {{"main.conf:2: ", "is empty"}}},
    {"nobody",
     ECHO "\nallow = {} }\n",
     {{"main.conf:3: ", "nobody could connect; to mean that, write deny = {any}"}}},
    {"three of five",
     ECHO "deny = {\"10.0.0.0/8\",\n\"10.0.0.1/8\",\n\"x\",\n\"::1\",\n\"::/129\"} }\n",
     {{"main.conf:3: ", "10.0.0.0/8"}, {"main.conf:4: ", "\"x\""}, {"main.conf:6: ", "128"}}},
    {"both lists",
     ECHO "allow = {\"10.0.0.0/8\"}\ndeny = {\"::ffff:10.0.0.0/104\"} }\n",
     {{"main.conf:3: ",
       "deny = \"10.0.0.0/8\" contradicts allow = \"10.0.0.0/8\" at @/main.conf:2"}}},
    {"twice in one list",
     ECHO "deny = {\"any\",\n\"::/0\"} }\n",
     {{"main.conf:3: ", "deny = \"::/0\" stands twice; the first is at @/main.conf:2"}}},
    {"a relative file",
     ECHO "deny = {\"file:list\"} }\n",
     {{"main.conf:2: ", "deny = \"file:list\" is not an absolute path; write file:/PATH"}}},
    {"no file",
     ECHO "deny = {\"file:@/none\"} }\n",
     {{"main.conf:2: ", "deny = \"file:@/none\" cannot be read: No such file"}}},
    {"a directory", ECHO "deny = {\"file:@\"} }\n", {{"main.conf:2: ", "Is a directory"}}},
    {"a device", ECHO "deny = {\"file:/dev/null\"} }\n", {{"main.conf:2: ", "not a regular file"}}},
    {"a FIFO", ECHO "deny = {\"file:@/fifo\"} }\n", {{"main.conf:2: ", "not a regular file"}}},
    {"100 MB", ECHO "deny = {\"file:@/huge\"} }\n", {{"main.conf:2: ", "longer than 4 MiB"}}},
    {"mistakes in a file",
     ECHO "deny = {\"::1\", \"file:@/wrong\"} }\n",
     {{"wrong:2: ", "\"10.0.0.1/8\" has bits set"}, {"wrong:5: ", "\"10.1.0.0/16 all\""}}},
    {"NUL in a file", ECHO "deny = {\"file:@/nul\"} }\n", {{"nul:2: ", "a NUL is no part"}}},
    {"a file against the other list",
     ECHO "allow = {\"192.0.2.7\"}\ndeny = {\"file:@/right\"} }\n",
     {{"right:3: ", "deny = \"192.0.2.7\" contradicts allow = \"192.0.2.7\" at @/main.conf:2"}}},
    {"a file without a prefix",
     ECHO "allow = {\"file:@/blank\"} }\n",
     {{"main.conf:2: ", "no prefix in any of its files: nobody could connect"}}},
    {"65,537 prefixes",
     ECHO "deny = {\"file:@/many\"} }\n",
     {{"main.conf:2: ", "deny of service \"e\" has more than 65536 prefixes"}}},
    {"a refusal_text of 1001 bytes",
     ECHO "refusal_text = \"@1001\" }\n",
     {{"main.conf:2: ", "refusal_text of service \"e\" has 1001 bytes; 1 to 1000 are allowed"}}},
    {"an empty refusal_text",
     ECHO "refusal_text = \"\" }\n",
     {{"main.conf:2: ", "has 0 bytes; 1 to 1000"}}},
    {"log_refusals", "log_refusals = some\n" ECHO "}\n", {{"main.conf:1: ", "none, first, all"}}},
    {"a filter of nobody",
     ECHO "unit_filter = yes }\n",
     {{"main.conf:2: ", "unit_filter of service \"e\" needs allow, deny, or proxy_protocol"}}},
    {"a filter of both lists",
     ECHO "deny = {\"10.0.0.0/8\"}\nunit_filter = yes\nallow = {\"10.1.0.0/16\"} }\n",
     {{"main.conf:3: ", "needs allow or deny alone: for a socket unit allow beats deny"}}},
    {"a filter with some proxies",
     ECHO "deny = {\"::1\"}\nunit_filter = yes\nproxy_protocol = trusted\n"
          "proxy_trusted = {\"10.0.0.5\"} }\n",
     {{"main.conf:3: ", "needs proxy_protocol = required or off"}}},
    {"a filter for a program that accepts by itself",
     "service \"p\" { handler = \"program\" program = {\"/bin/true\"} program_mode = listener\n"
     "unit_filter = yes }\n",
     {{"main.conf:2: ", "there is no allow nor deny"}}},
    {"a program that accepts by itself",
     "service \"p\" { handler = \"program\" program = {\"/bin/true\"} program_mode = listener\n"
     "allow = {\"any\"}\ndeny = {\"::1\"}\nrefusal_text = \"no\" }\n",
     {{"main.conf:2: ", "allow"}, {"main.conf:3: ", "deny"}, {"main.conf:4: ", "refusal_text"}}},
    {"a program that waits",
     "service \"p\" { handler = \"program\" program = {\"/bin/true\"} program_mode = wait\n"
     "deny = {\"::1\"} }\n",
     {{"main.conf:2: ", "takes its clients by itself"}}},
};

// The text with the directory in it; "@1001" is as many letters. In a buffer that is overwritten.
static const char *fill_in(const char *text, char *room, size_t size)
{
    size_t used = 0;

    for (; *text != '\0' && used + 1100 < size; text++)
        if (strncmp(text, "@1001", 5) == 0) {
            memset(room + used, 'x', 1001);
            used += 1001;
            text += 4;
        } else if (*text == '@') {
            used += (size_t)snprintf(room + used, size - used, "%s", config_dir);
        } else {
            room[used++] = *text;
        }
    room[used] = '\0';
    return room;
}

static void write_text(const char *name, const char *text)
{
    char room[4096];

    (void)fill_in(text, room, sizeof(room));
    config_dir_write(name, room, strlen(room));
}

static void write_files(void)
{
    static const char nul[] = "10.0.0.0/8\n10.1.0.0\0/16\n";
    char *many = calloc(70000, 20);
    size_t used = 0;

    assert_non_null(many);
    for (unsigned i = 0; i < 65537; i++)
        used += (size_t)sprintf(many + used, "10.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255);
    config_dir_write("many", many, used);
    free(many);
    write_text("wrong", "# a list\n 10.0.0.1/8\n\n10.2.0.0/16 # good\n10.1.0.0/16 all\n");
    write_text("right", "# a list\r\n\r\n\t192.0.2.7 # one\r\n2001:db8::/32\nlocalhost");
    write_text("blank", "\n# nothing\n");
    config_dir_write("nul", nul, sizeof(nul) - 1);
    config_dir_write("huge", "", 0);
    assert_int_equal(truncate(config_dir_path("huge"), 100000000), 0);
    assert_int_equal(mkfifo(config_dir_path("fifo"), 0600), 0);
}

static void test_bad(void **state)
{
    size_t n_wrong = 0;

    (void)state;
    write_files();
    for (size_t i = 0; i < ELEMENTS(bad); i++) {
        struct want wants[WANTS_MAX] = {{0}};
        char rooms[WANTS_MAX][2048];

        for (size_t k = 0; k < WANTS_MAX && bad[i].wants[k].where; k++)
            wants[k] = (struct want){bad[i].wants[k].where,
                                     fill_in(bad[i].wants[k].what, rooms[k], sizeof(rooms[k]))};
        write_text("main.conf", bad[i].text);
        n_wrong += !config_refused(bad[i].name, wants);
    }
    check_number("rows that fail", n_wrong, 0);
}

static const struct {
    const char *client;
    const char *place, *rule; // that decides, "": none
    bool is_served;
    const char *near; // that does not have it, but nearly; NULL: none
} judged[] = {
    {"192.0.2.7", "right:3", "allow 192.0.2.7", true, NULL},
    {"192.0.2.8", "main.conf:3", "deny 192.0.2.0/24", false, "allow 192.0.2.7"},
    {"192.0.3.1", "", "not in allow", false, "deny 192.0.2.0/24"},
    {"2001:db8:4::1", "right:4", "allow 2001:db8::/32", true, "deny 2001:db8:5::/48"},
    {"::2", "", "not in allow", false, "allow ::1"},
    {"::ffff:192.0.2.7", "right:3", "allow 192.0.2.7", true, NULL}, // R2
    {"::ffff:192.0.2.8", "main.conf:3", "deny 192.0.2.0/24", false, "allow 192.0.2.7"},
    {"2001:db8::1", "right:4", "allow 2001:db8::/32", true, "deny 2001:db8:5::/48"},
    {"2001:db8:5::1", "main.conf:4", "deny 2001:db8:5::/48", false, NULL},
    {"127.0.0.1", "right:5", "allow 127.0.0.0/8", true, NULL},
    {"::1", "right:5", "allow ::1", true, NULL},
    {"198.51.100.1", "", "not in allow", false, NULL},
    {"2001:db9::", "", "not in allow", false, "allow 2001:db8::/32"},
};

// In whichever order the lists are written, and with += (R3).
static const char *const orders[] = {
    ECHO "\ndeny = {\"192.0.2.0/24\",\n\"2001:db8:5::/48\"} allow = {\"file:@/right\"} }\n",
    ECHO "allow = {\"file:@/right\"}\ndeny = {\"192.0.2.0/24\"}\ndeny += {\"2001:db8:5::/48\"} }\n",
};

static void check_order(const char *order)
{
    struct problems problems = {0};
    struct config *config;

    write_text("main.conf", order);
    config = config_load(config_dir_path("main.conf"), handlers, &problems);
    check_text(order, problems.n > 0 ? problems.texts[0] : NULL, NULL);
    for (size_t i = 0; i < ELEMENTS(judged); i++) {
        const struct access *access = &config->services[0].access;
        struct sockaddr_storage client;
        struct access_question question = {.peer = (const struct sockaddr *)&client};
        struct access_verdict verdict;
        char rule[ACCESS_RULE_MAX], place[300] = "";

        check_true(judged[i].client, explain_parse(judged[i].client, &client));
        verdict = access_judge(access, &question);
        check_number(judged[i].client, verdict.refusal == REFUSAL_NONE, judged[i].is_served);
        check_text(judged[i].client, access_rule_text(access, &verdict, rule, sizeof(rule)),
                   judged[i].rule);
        if (verdict.rule) {
            struct place where = rule_place(verdict.list, verdict.rule);

            (void)problems_place(where.file + strlen(config_dir) + 1, where.line, place,
                                 sizeof(place));
        }
        check_text(judged[i].client, place, judged[i].place);
        check_text(judged[i].client,
                   access_nearest(access, &question, &verdict)
                       ? access_rule_text(access, &verdict, rule, sizeof(rule))
                       : NULL,
                   judged[i].near);
    }
    (void)config_unref(config);
    problems_done(&problems);
}

static void test_judged(void **state)
{
    (void)state;
    write_files();
    for (size_t i = 0; i < ELEMENTS(orders); i++)
        check_order(orders[i]);
}

// Without a rule nobody is asked; with deny alone who is in none may connect; of unix sockets
// nobody is.
static void test_no_rule(void **state)
{
    static const char text[] = ECHO "}\nservice \"f\" { handler = \"echo\" deny = {\"::1\"} }\n"
                                    "service \"g\" { handler = \"echo\" deny = {} }\n";
    const struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    const struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr local = {.sa_family = AF_UNIX};
    const struct access_question v4 = {.peer = (const struct sockaddr *)&in},
                                 v6 = {.peer = (const struct sockaddr *)&in6},
                                 path = {.peer = &local};
    struct problems problems = {0};
    struct config *config;
    const struct access *access;

    (void)state;
    config_dir_write("main.conf", text, strlen(text));
    config = config_load(config_dir_path("main.conf"), handlers, &problems);
    check_text("problems", problems.n > 0 ? problems.texts[0] : NULL, NULL);
    check_true("no rule", config->services[0].access.ranges == NULL);
    check_true("no rule", config->services[2].access.ranges == NULL);
    access = &config->services[1].access;
    check_number("IPv4", access_judge(access, &v4).refusal, REFUSAL_NONE);
    check_number("IPv6", access_judge(access, &v6).refusal, REFUSAL_RULE);
    check_number("unix", access_judge(access, &path).refusal, REFUSAL_NONE);
    (void)config_unref(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_judged, config_dir_make, config_dir_remove),
        cmocka_unit_test_setup_teardown(test_no_rule, config_dir_make, config_dir_remove),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
