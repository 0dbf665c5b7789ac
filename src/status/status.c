// SPDX-License-Identifier: MIT
// status: how tcpd is, over HTTP: a page for people, figures for Prometheus, JSON, and whether
// clients should come here. It asks the master, over the control socket like anybody else and with
// no more rights, a connection for each request; it knows nothing by itself, and changes nothing.

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/base.h"
#include "base/escape.h"
#include "config/handler.h"
#include "session/serving.h"
#include "status/status_answer.h"
#include "status/status_look.h"
#include "status/status_request.h"
#include "view/metrics.h"
#include "view/page.h"
#include "view/sessions_json.h"

#define SAY_USEC (60 * USEC_PER_SEC)

struct status_settings {
    struct text_list hosts;
    int addresses; // enum log_addresses
};

static const struct setting settings[] = {
    {FIELD("status_hosts", LIST, struct status_settings, hosts)},
    {FIELD("status_addresses", CHOICE, struct status_settings, addresses), .initial = "masked",
     CHOICES(log_addresses_names)},
};

static const struct form form = FORM(struct status_settings, settings);

// As status_data.c has them, which the Makefile makes of page/.
extern const uint8_t page_status_js[], page_status_css[], page_status_svg[];
extern const size_t page_status_js_size, page_status_css_size, page_status_svg_size;

static const struct tcpd_worker *this_worker;
static uint64_t said_usec; // when the log was last told that the master cannot be asked; 0: never

static int open_worker(const struct tcpd_worker *worker)
{
    this_worker = worker;
    return 0;
}

// 200, or the status of an answer that refuses it; -1: there is nobody to answer.
static int read_request(struct tcpd_session *session, struct http_request *request)
{
    char *data = (char *)tcpd_buffer();
    size_t length = 0;
    int status = HTTP_MORE;

    tcpd_expect_message(session);
    while (status == HTTP_MORE) {
        ssize_t n = tcpd_read(session, data + length, HTTP_HEAD_MAX - length);

        if (n < 0 || (n == 0 && length == 0))
            return -1;
        if (n == 0) // it has ended in the middle
            return 400;
        length += (size_t)n;
        status = http_request_read(request, data, length);
    }
    return status == HTTP_WHOLE ? 200 : status;
}

// Whether there is no service of a name that is asked for; which one.
static bool lacks_service(const struct status_wish *wish, const struct counters *counters,
                          char name[HTTP_LINE_MAX])
{
    size_t at = 0;

    while (status_wish_next(wish, &at, name)) {
        size_t i = 0;

        while (i < counters->n && strcmp(counters->pools[i].service, name) != 0)
            i++;
        if (i == counters->n)
            return true;
    }
    return false;
}

// The pools that are asked for, in memory of their own.
static struct counters choose(const struct status_wish *wish, const struct counters *counters)
{
    struct counters chosen = {
        .daemon = counters->daemon,
        .pools = base_checked(calloc(counters->n + 1, sizeof(chosen.pools[0])))};

    for (size_t i = 0; i < counters->n; i++)
        if (status_wish_has(wish, counters->pools[i].service))
            chosen.pools[chosen.n++] = counters->pools[i];
    return chosen;
}

// The sessions of services that are asked for come first. How many there are.
static size_t choose_sessions(const struct status_wish *wish, const struct sessions *sessions)
{
    size_t n = 0;

    for (size_t i = 0; i < sessions->n; i++)
        if (status_wish_has(wish, sessions->rows[i].service))
            sessions->rows[n++] = sessions->rows[i];
    return n;
}

static void print_page(FILE *stream, const struct status_wish *wish, const struct status_look *look,
                       const struct counters *chosen)
{
    struct utsname machine = {0};
    struct page page = {.machine = machine.nodename,
                        .status = &look->status,
                        .findings = &look->findings,
                        .sessions = &look->sessions,
                        .n_sessions = choose_sessions(wish, &look->sessions),
                        .now = chosen};

    (void)uname(&machine);
    page.before = status_look_before(look, &page.usec);
    if (wish->what == STATUS_PAGE)
        page_print(stream, &page);
    else
        page_print_part(stream, &page);
}

// What is asked for as a text. 0 or -errno.
static int print(FILE *stream, const struct status_wish *wish, const struct status_look *look)
{
    struct counters chosen;

    if (wish->what == STATUS_JSON)
        return status_print_json(stream, look->status_reply);
    if (wish->what == STATUS_SESSIONS) {
        sessions_json_print(stream, &look->sessions, choose_sessions(wish, &look->sessions));
        return 0;
    }
    chosen = choose(wish, &look->counters);
    if (wish->what != STATUS_METRICS)
        print_page(stream, wish, look, &chosen);
    else if (wish->without_histograms)
        metrics_print_short(stream, wish->is_open ? METRICS_OPEN : METRICS_TEXT, &chosen);
    else
        metrics_print(stream, wish->is_open ? METRICS_OPEN : METRICS_TEXT, &chosen);
    counters_done(&chosen);
    return 0;
}

static const char *type_of(const struct status_wish *wish)
{
    switch (wish->what) {
    case STATUS_METRICS:
        return wish->is_open ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                             : "text/plain; version=0.0.4; charset=utf-8";
    case STATUS_JSON:
    case STATUS_SESSIONS:
        return "application/json";
    case STATUS_HEALTH:
        return "text/plain; charset=utf-8";
    case STATUS_SCRIPT:
        return "text/javascript; charset=utf-8";
    case STATUS_STYLE:
        return "text/css; charset=utf-8";
    case STATUS_ICON:
        return "image/svg+xml";
    default:
        return "text/html; charset=utf-8";
    }
}

// Which of the services are those for whose sake nobody comes.
static bool tells(const char *service, const void *data)
{
    const struct config *config = data;

    for (size_t i = 0; i < config->n_services; i++)
        if (strcmp(config->services[i].name, service) == 0)
            return handler_tells(config->services[i].handler);
    return false;
}

static void send_health(struct tcpd_session *session, const struct status_look *look, bool is_head)
{
    bool is_good = status_is_healthy(&look->status, tells, this_worker->config);
    struct status_answer answer = {.status = 200, .type = "text/plain; charset=utf-8"};

    if (!is_good) {
        (void)status_answer_refuse(
            session, 503, "tcpd is stopping, or its services are paused or drained", is_head);
        return;
    }
    answer.body = "ok\n";
    answer.length = strlen(answer.body);
    (void)status_answer_send(session, &answer, is_head);
}

static void refuse_service(struct tcpd_session *session, const char *name, bool is_head)
{
    char shown[4 * 40 + 1], why[sizeof(shown) + 32];

    (void)escape_bytes(name, strlen(name), shown, sizeof(shown));
    (void)snprintf(why, sizeof(why), "there is no service \"%s\"", shown);
    (void)status_answer_refuse(session, 404, why, is_head);
}

static void send_look(struct tcpd_session *session, const struct status_wish *wish,
                      const struct status_look *look, bool is_head)
{
    struct status_answer answer = {.status = 200, .type = type_of(wish)};
    char *text = NULL, name[HTTP_LINE_MAX];
    FILE *stream;
    int r;

    if (wish->has_services && lacks_service(wish, &look->counters, name)) {
        refuse_service(session, name, is_head);
        return;
    }
    stream = base_checked(open_memstream(&text, &answer.length));
    r = print(stream, wish, look);
    if (fclose(stream) != 0)
        base_out_of_memory();
    answer.body = text;
    if (r < 0)
        (void)status_answer_refuse(session, 500, "the answer of tcpd cannot be read", is_head);
    else
        (void)status_answer_send(session, &answer, is_head);
    free(text);
}

// Why the master cannot be asked: to the client without details, to the log with them.
static void send_failure(struct tcpd_session *session, int error, bool is_head)
{
    uint64_t now = base_now_usec();
    bool has_socket = error != -ENOENT;

    if (said_usec == 0 || now - said_usec >= SAY_USEC) {
        said_usec = now;
        tcpd_log(session, LOG_WARNING, "cannot ask the master: %s",
                 has_socket ? strerror(-error) : "tcpd has no control socket");
    }
    (void)status_answer_refuse(session, 503,
                               has_socket ? "tcpd does not answer"
                                          : "tcpd has no control socket; see control in "
                                            "tcpd.conf(5)",
                               is_head);
}

static bool send_file(struct tcpd_session *session, const struct status_wish *wish, bool is_head)
{
    const struct {
        const uint8_t *data;
        size_t size;
    } files[] = {
        [STATUS_SCRIPT] = {page_status_js, page_status_js_size},
        [STATUS_STYLE] = {page_status_css, page_status_css_size},
        [STATUS_ICON] = {page_status_svg, page_status_svg_size},
    };
    struct status_answer answer = {.status = 200, .type = type_of(wish)};

    if (!files[wish->what].data)
        return false;
    answer.body = (const char *)files[wish->what].data;
    answer.length = files[wish->what].size;
    (void)status_answer_send(session, &answer, is_head);
    return true;
}

static void answer(struct tcpd_session *session, const struct status_wish *wish, bool is_head)
{
    const struct status_settings *options = serving_options(this_worker);
    struct status_look look;
    int r;

    if (send_file(session, wish, is_head))
        return;
    r = status_look_open(&look, wish, (enum log_addresses)options->addresses);
    if (r < 0)
        send_failure(session, r, is_head);
    else if (wish->what == STATUS_HEALTH)
        send_health(session, &look, is_head);
    else
        send_look(session, wish, &look, is_head);
    status_look_close(&look);
}

static void serve(struct tcpd_session *session)
{
    const struct status_settings *options = serving_options(this_worker);
    struct http_request request = {.is_page = true};
    struct status_wish wish;
    const char *why = NULL;
    int status = read_request(session, &request);
    bool is_readable = status == 200;

    if (status < 0)
        return;
    if (is_readable)
        status = status_request_judge(&request, &options->hosts, &wish, &why);
    if (status == 200) {
        answer(session, &wish, request.is_head);
        return;
    }
    (void)status_answer_refuse(session, status, why, request.is_head);
    if (!is_readable)
        tcpd_refuse(session);
}

// A page and a scraper need few, and not for long; what is given counts.
static void set_defaults(struct service *service, const struct section *section)
{
    const struct {
        const char *name;
        unsigned *number, value;
    } numbers[] = {{"min_workers", &service->min_workers, 1},
                   {"spare_workers", &service->spare_workers, 1},
                   {"max_workers", &service->max_workers, 4}};
    const struct {
        const char *name;
        uint64_t *usec, value_sec;
    } spans[] = {{"first_byte_timeout", &service->deadlines.first_byte_usec, 5},
                 {"idle_timeout", &service->deadlines.idle_usec, 5},
                 {"session_timeout", &service->deadlines.session_usec, 15}};

    for (size_t i = 0; i < ELEMENTS(numbers); i++)
        if (section_line(section, numbers[i].name) == 0)
            *numbers[i].number = numbers[i].value;
    for (size_t i = 0; i < ELEMENTS(spans); i++)
        if (section_line(section, spans[i].name) == 0)
            *spans[i].usec = spans[i].value_sec * USEC_PER_SEC;
}

static void check_hosts(const struct service *service, const struct section *section,
                        struct problems *problems)
{
    const struct status_settings *given = service->options;

    for (size_t i = 0; i < given->hosts.n; i++)
        if (!status_host_is_name(given->hosts.items[i]))
            problems_add(problems, service->file, section_line(section, "status_hosts"),
                         "status_hosts of service \"%s\": \"%s\" is not a name as "
                         "\"status.example.org\", without a port",
                         service->name, given->hosts.items[i]);
}

static void prepare(struct service *service, const struct section *section,
                    struct problems *problems)
{
    set_defaults(service, section);
    check_hosts(service, section, problems);
    for (size_t i = 0; i < service->listen.n; i++) {
        const struct listen *entry = &service->listen.items[i];
        bool is_plain = entry->spec.speaks == SPEAKS_PLAIN || entry->spec.speaks == SPEAKS_TLS;

        if (!is_plain || entry->spec.type != SOCK_STREAM)
            problems_add(problems, entry->file, entry->line,
                         "listen = \"%s\": status is asked over TCP, TLS, or a unix stream socket",
                         entry->text);
    }
}

const struct handler handler_status = {
    .name = "status",
    .face = {.abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .kinds = TCPD_STREAMS},
    .form = &form,
    .prepare = prepare,
    .asks_master = true};
