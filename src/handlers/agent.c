// SPDX-License-Identifier: MIT
// agent: tells HAProxy's agent checks how this node is, by what the master publishes: a line, at
// once, whatever the client sends. With agent_send it waits for a line first, which may name one
// service. It tells nobody anything that could change what an operator has set in HAProxy.

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "board/node_page.h"
#include "handlers/agent_answer.h"
#include "handlers/handlers.h"
#include "session/serving.h"
#include "session/session.h"

#define LINE_USEC USEC_PER_SEC // how long a client may take to name a service
#define STAGE_MS  10           // a stage (only tests have any) may want something else than input

struct agent {
    struct text_list services; // empty: all that are no agents
    int weight;                // enum agent_weight
    unsigned n_balancers;
    int reads; // a line first
    int line;  // where the services are named
};

static const char *const weight_names[AGENT_WEIGHTS] = {
    [AGENT_FIXED] = "fixed", [AGENT_LOAD] = "load"};
static const char *const no_yes[] = {"no", "yes"};

static const struct setting settings[] = {
    {FIELD("agent_services", LIST, struct agent, services)},
    {FIELD("agent_weight", CHOICE, struct agent, weight), .initial = "fixed",
     CHOICES(weight_names)},
    {FIELD("agent_maxconn", COUNT, struct agent, n_balancers), .initial = "0", .max = 1000},
    {FIELD("agent_send", CHOICE, struct agent, reads), .initial = "no", CHOICES(no_yes)},
};

static const struct form form = FORM(struct agent, settings);

static const struct agent *options;
static struct agent_fact *facts; // of its services, for the life of the worker
static size_t n_facts;

static void add_fact(const char *service)
{
    facts[n_facts++] = (struct agent_fact){.service = service, .slot = node_page_find(service)};
}

static int open_worker(const struct tcpd_worker *worker)
{
    const struct config *config = worker->config;
    size_t n;

    options = serving_options(worker);
    n = options->services.n > 0 ? options->services.n : config->n_services + config->n_left_out;
    free(facts);
    n_facts = 0;
    facts = calloc(n, sizeof(*facts));
    if (!facts) {
        tcpd_log(NULL, LOG_ERR, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < options->services.n; i++)
        add_fact(options->services.items[i]);
    for (size_t i = 0; options->services.n == 0 && i < n; i++) {
        const struct service *service = &config->services[i];

        if (!service->handler || !service->handler->is_agent) // one is left out, and not served
            add_fact(service->name);
    }
    return 0;
}

// What has come of a line when it has ended, is too long, or its time is over.
static size_t read_line(struct tcpd_session *session, uint8_t line[AGENT_LINE_MAX])
{
    uint64_t now = base_now_usec(), end_usec = now + LINE_USEC;
    size_t size = 0;

    while (size < AGENT_LINE_MAX && !memchr(line, '\n', size) && now < end_usec) {
        struct pollfd input = {.fd = session->fd, .events = POLLIN};
        uint64_t rest_ms = (end_usec - now + USEC_PER_MSEC - 1) / USEC_PER_MSEC;
        ssize_t n;

        (void)poll(&input, 1, (int)(session->stage ? STAGE_MS : rest_ms));
        n = session_take_now(session, line + size, AGENT_LINE_MAX - size);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            break;
        size += n > 0 ? (size_t)n : 0;
        now = base_now_usec();
    }
    return size;
}

static void serve(struct tcpd_session *session)
{
    struct agent_terms terms = {.weight = options->weight, .n_balancers = options->n_balancers};
    char answer[AGENT_ANSWER_MAX];
    uint8_t line[AGENT_LINE_MAX];
    size_t first = 0, n = n_facts;

    if (options->reads) {
        first = agent_line_find(line, read_line(session, line), facts, n_facts);
        n = first < n_facts ? 1 : n_facts;
        first = first < n_facts ? first : 0;
    }
    for (size_t i = first; i < first + n; i++)
        facts[i].news = node_page_read(facts[i].slot, facts[i].service);
    terms.second = (uint32_t)(base_now_usec() / USEC_PER_SEC);
    n = agent_answer(&facts[first], n, &terms, answer);
    (void)tcpd_write(session, answer, n); // the session keeps the result
}

static void prepare(struct service *service, const struct section *section,
                    struct problems *problems)
{
    struct agent *given = service->options;

    given->line = section_line(section, "agent_services");
    for (size_t i = 0; i < service->listen.n; i++) {
        const struct listen *entry = &service->listen.items[i];

        if (entry->spec.speaks != SPEAKS_PLAIN || entry->spec.type == SOCK_SEQPACKET)
            problems_add(problems, entry->file, entry->line,
                         "listen = \"%s\": an agent is asked over plain TCP, or a unix stream "
                         "socket",
                         entry->text);
    }
}

static void check_name(const struct service *service, const struct config *config, const char *name,
                       struct problems *problems)
{
    const struct agent *given = service->options;
    int line = given->line != 0 ? given->line : service->line;

    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *other = &config->services[i];

        if (strcmp(other->name, name) != 0)
            continue;
        if (other->handler && other->handler->is_agent)
            problems_add(problems, service->file, line,
                         "agent_services of service \"%s\": \"%s\" is an agent itself",
                         service->name, name);
        return;
    }
    problems_add(problems, service->file, line,
                 "agent_services of service \"%s\": there is no service \"%s\"", service->name,
                 name);
}

// All services are read: whether there are those that it is to tell of.
static void check(const struct service *service, const struct config *config,
                  struct problems *problems)
{
    const struct agent *given = service->options;
    bool has_others = false;

    for (size_t i = 0; i < given->services.n; i++)
        check_name(service, config, given->services.items[i], problems);
    for (size_t i = 0; i < config->n_services; i++)
        has_others |= config->services[i].handler && !config->services[i].handler->is_agent;
    if (!has_others && given->services.n == 0)
        problems_add(problems, service->file, service->line,
                     "service \"%s\" has nothing to tell of: there is no service but agents",
                     service->name);
    if (service->access.senders.protocol != PROXY_OFF)
        problems_add(problems, service->file, config_service_line(service, "proxy_protocol"),
                     "proxy_protocol of service \"%s\": HAProxy sends no header to an agent",
                     service->name);
}

const struct handler handler_agent = {
    .name = "agent",
    .face = {.abi = TCPD_HANDLER_ABI, .open = open_worker, .serve = serve, .kinds = TCPD_STREAMS},
    .form = &form,
    .prepare = prepare,
    .check = check,
    .is_agent = true};
