// SPDX-License-Identifier: MIT
// program_environment.c: exactly the variables there should be, for each kind of connection.

#include <netinet/in.h>
#include <sys/un.h>

#include "pair.h"
#include "program/program_environment.h"

// Whether the environment has the entry; one that ends in '=' stands for any value.
static bool has(char *const *environment, const char *wanted)
{
    size_t n = strlen(wanted);
    bool any = wanted[n - 1] == '=';

    for (; *environment; environment++)
        if (any ? strncmp(*environment, wanted, n) == 0 : strcmp(*environment, wanted) == 0)
            return true;
    return false;
}

// Checks that it has these entries, and no others.
static void check(const char *row, char *const *environment, const char *const *wants)
{
    size_t n = 0, n_wants = 0;

    while (environment[n])
        n++;
    for (; wants[n_wants]; n_wants++)
        if (!has(environment, wants[n_wants]))
            fail_msg("%s: no %s", row, wants[n_wants]);
    for (size_t i = 0; n != n_wants && i < n; i++)
        print_error("    %s\n", environment[i]);
    check_number(row, n, n_wants);
}

static char *given_items[] = {(char[]){"A=b"}, (char[]){"LANG=xx"}, (char[]){"A=c"}, NULL};
static char *login_items[] = {(char[]){"HOME=/home/me"}, (char[]){"USER=me"}, NULL};
static const struct program_options given = {.variables = {.items = given_items, .n = 3}};

static void test_common(void **state)
{
    static const char *const plain[] = {"PATH=/bin", "TZ=UTC", NULL};
    static const char *const with[] = {"PATH=/bin", "TZ=UTC", "LANG=xx", "A=c", NULL};
    static const char *const bare[] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    static const char *const listener[] = {
        "PATH=/bin",          "TZ=UTC", "LISTEN_FDS=1", "LISTEN_PID=", "LISTEN_FDNAMES=web",
        "JOURNAL_STREAM=1:2", NULL};
    const struct program_options none = {0};
    struct environment environment;

    (void)state;
    check_number("clear", clearenv(), 0);
    check_number("open", environment_open(&environment, &none), 0);
    check("without any", environment_for(&environment, NULL), bare);
    free(environment.entries);
    (void)setenv("PATH", "/bin", 1);
    (void)setenv("TZ", "UTC", 1);
    (void)setenv("HOME", "/root", 1);
    (void)setenv("LISTEN_FDS", "5", 1);
    (void)setenv("NOTIFY_SOCKET", "/x", 1);
    check_number("open", environment_open(&environment, &none), 0);
    check("of tcpd's own", environment_for(&environment, NULL), plain);
    check("of a listener", environment_for_listener(&environment, "web", "1:2"), listener);
    check("the session's go", environment_for(&environment, NULL), plain);
    free(environment.entries);
    check_number("open", environment_open(&environment, &given), 0);
    check("given", environment_for(&environment, NULL), with);
    free(environment.entries);
}

// Whose HOME it is, and what of tcpd's own environment is handed on.
static void test_own(void **state)
{
    static const char *const own[] = {"PATH=/bin", "TZ=UTC", "HOME=/home/me", "USER=me", NULL};
    static const char *const callers[] = {"PATH=/bin", "TZ=UTC", "HOME=/root", "USER=me",
                                          "DB_URL=x",  "EMPTY=", "LISTEN=1",   NULL};
    static const char *const users[] = {"PATH=/bin", "TZ=UTC", "HOME=/home/me", "USER=me",
                                        "DB_URL=x",  "EMPTY=", "LISTEN=1",      NULL};
    static const char *const of_others[] = {
        "LISTEN_FDS",    "LISTEN_PIDFDID", "NOTIFY_SOCKET",         "INVOCATION_ID", "PROTO",
        "WATCHDOG_USEC", "JOURNAL_STREAM", "MEMORY_PRESSURE_WATCH", "TCPREMOTEIP"};
    struct program_options options = {.identity.login = {.items = login_items, .n = 2}};
    struct environment environment;

    (void)state;
    check_number("clear", clearenv(), 0);
    (void)setenv("PATH", "/bin", 1);
    (void)setenv("TZ", "UTC", 1);
    (void)setenv("HOME", "/root", 1);
    (void)setenv("DB_URL", "x", 1);
    (void)setenv("EMPTY", "", 1);
    (void)setenv("LISTEN", "1", 1);
    for (size_t i = 0; i < ELEMENTS(of_others); i++)
        (void)setenv(of_others[i], "1", 1);
    check_number("open", environment_open(&environment, &options), 0);
    check("of tcpd's own user", environment_for(&environment, NULL), own);
    free(environment.entries);
    options.inherits_environment = true;
    check_number("open", environment_open(&environment, &options), 0);
    check("the caller's", environment_for(&environment, NULL), callers);
    free(environment.entries);
    options.identity.user = (char[]){"me"};
    check_number("open", environment_open(&environment, &options), 0);
    check("of another user", environment_for(&environment, NULL), users);
    free(environment.entries);
    check_number("clear", clearenv(), 0);
    (void)setenv("PATH", "/bin", 1);
    (void)setenv("TZ", "UTC", 1);
}

static void test_unix(void **state)
{
    static const char *const want[] = {
        "PATH=/bin",       "TZ=UTC",          "LANG=xx",        "A=c",        "PROTO=UNIX",
        "UNIXREMOTEEUID=", "UNIXREMOTEEGID=", "UNIXREMOTEPID=", "SO_COOKIE=", NULL};
    struct pair pair = pair_open(PAIR_UNIX);
    struct service service = {0};
    struct tcpd_session session = {.peer.any.sa_family = AF_UNIX};
    struct environment environment;

    (void)state;
    session_init(&session, pair.server, &service);
    check_number("open", environment_open(&environment, &given), 0);
    check("unix", environment_for(&environment, &session), want);
    free(environment.entries);
    (void)close(pair.client);
    (void)close(pair.server);
}

static int listen_any(int family, struct sockaddr_storage *address, socklen_t *length)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int fd = socket(family, SOCK_STREAM, 0), no = 0;

    if (*length == 1) { // for both, as "*" is
        in6.sin6_addr = in6addr_any;
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
    }
    check_number("bind",
                 family == AF_INET ? bind(fd, (struct sockaddr *)&in, sizeof(in))
                                   : bind(fd, (struct sockaddr *)&in6, sizeof(in6)),
                 0);
    check_number("listen", listen(fd, 1), 0);
    *length = sizeof(*address);
    check_number("name", getsockname(fd, (struct sockaddr *)address, length), 0);
    return fd;
}

// A connection from a client of `family` to a listener of `listening`; `mapped`: by IPv4 to IPv6.
static void check_internet(const char *row, int listening, bool mapped, const char *ip)
{
    struct sockaddr_storage address;
    socklen_t length = mapped ? 1 : 0;
    int listener = listen_any(listening, &address, &length);
    in_port_t port = ((struct sockaddr_in *)&address)->sin_port; // where IPv6 has it, too
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(mapped ? AF_INET : listening, SOCK_STREAM, 0);
    struct tcpd_session session = {.peer_length = sizeof(session.peer)};
    struct service service = {0};
    struct environment environment;
    struct sockaddr_storage near = {0};
    socklen_t near_length = sizeof(near);
    char wants[8][80];
    const char *want[] = {"PATH=/bin", "TZ=UTC",     "LANG=xx", "A=c",    "PROTO=TCP",
                          wants[0],    wants[1],     wants[2],  wants[3], wants[4],
                          wants[5],    "SO_COOKIE=", NULL};
    unsigned near_port;

    check_number(row,
                 mapped ? connect(client, (struct sockaddr *)&in, sizeof(in))
                        : connect(client, (struct sockaddr *)&address, length),
                 0);
    session_init(&session, accept(listener, &session.peer.any, &session.peer_length), &service);
    (void)getsockname(client, (struct sockaddr *)&near, &near_length);
    near_port = ntohs(((struct sockaddr_in *)&near)->sin_port);
    (void)snprintf(wants[0], sizeof(wants[0]), "TCPLOCALIP=%s", ip);
    (void)snprintf(wants[1], sizeof(wants[1]), "TCPLOCALPORT=%u", ntohs(port));
    (void)snprintf(wants[2], sizeof(wants[2]), "TCPREMOTEIP=%s", ip);
    (void)snprintf(wants[3], sizeof(wants[3]), "TCPREMOTEPORT=%u", near_port);
    (void)snprintf(wants[4], sizeof(wants[4]), "REMOTE_ADDR=%s", ip);
    (void)snprintf(wants[5], sizeof(wants[5]), "REMOTE_PORT=%u", near_port);
    check_number("open", environment_open(&environment, &given), 0);
    check(row, environment_for(&environment, &session), want);
    free(environment.entries);
    (void)close(session.fd);
    (void)close(client);
    (void)close(listener);
}

static void test_internet(void **state)
{
    (void)state;
    check_internet("IPv4", AF_INET, false, "127.0.0.1");
    check_internet("IPv6", AF_INET6, false, "::1");
    check_internet("IPv4 through IPv6", AF_INET6, true, "127.0.0.1");
}

static void test_names(void **state)
{
    static const struct {
        const char *name;
        bool ours, of_peer;
    } names[] = {
        {"PROTO", true, true},
        {"TCPREMOTEIP", true, true},
        {"TCPREMOTEINFO", true, true},
        {"TCPLOCALHOST", true, true},
        {"UNIXREMOTEPID", true, true},
        {"REMOTE_ADDR", true, true},
        {"SO_COOKIE", true, true},
        {"LISTEN_FDS", true, false},
        {"NOTIFY_SOCKET", true, false},
        {"WATCHDOG_PID", true, false},
        {"JOURNAL_STREAM", true, false},
        {"PATH", false, false},
        {"PROTOTYPE", false, false},
        {"PROT", false, false},
        {"REMOTE_ADDRESS", false, false},
        {"TCP", false, false},
        {"", false, false},
    };

    (void)state;
    for (size_t i = 0; i < ELEMENTS(names); i++) {
        size_t n = strlen(names[i].name);

        check_number(names[i].name, environment_is_ours(names[i].name, n), names[i].ours);
        check_number(names[i].name, environment_is_of_peer(names[i].name, n), names[i].of_peer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common),   cmocka_unit_test(test_own),   cmocka_unit_test(test_unix),
        cmocka_unit_test(test_internet), cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
