// SPDX-License-Identifier: MIT
#include "control/control_page.h"

#include <netinet/in.h>
#include <string.h>
#include <time.h>

#include "base/base.h"
#include "base/escape.h"
#include "control/control_status.h"
#include "session/session_log.h"

#define LOOK_USEC (2 * USEC_PER_MSEC) // of one call
#define SET_USEC  (10 * USEC_PER_MSEC)
#define LOOKS     64 // between looks at the clock

bool control_has_service(const struct master *master, const char *service)
{
    for (const struct pool *pool = master->pools.first; pool; pool = pool->next)
        if (strcmp(pool->service->name, service) == 0)
            return true;
    return service[0] == '\0';
}

int control_no_service(const char *name, sd_bus_error *error)
{
    char text[CONTROL_NAME_MAX];

    (void)control_make_text(name, text, sizeof(text));
    return sd_bus_error_setf(error, "tcpd.Error.NotFound", "there is no service \"%s\"", text);
}

int control_no_address(const char *words, const char *more, sd_bus_error *error)
{
    char shown[64];

    escape_text(words, shown, sizeof(shown));
    return sd_bus_error_setf(error, "tcpd.Error.Usage",
                             "\"%s\" is no address; write it as a number: 192.0.2.7, 2001:db8::7%s",
                             shown, more);
}

enum log_addresses control_addresses_for(const struct control_connection *connection)
{
    return connection->uid == 0 ? LOG_ADDRESSES_FULL
                                : connection->control->master->config->log_addresses;
}

// What the clock is ahead of base_now_usec(). Two looks differ by as much as passes between its two
// reads; more than that means that it was set.
static uint64_t look_at_clock(struct control *control)
{
    struct timespec now;
    uint64_t ahead, before;

    (void)clock_gettime(CLOCK_REALTIME, &now); // cannot fail with this clock
    ahead = (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000 - base_now_usec();
    before = control->clock_ahead_usec;
    if (ahead + SET_USEC < before || ahead > before + SET_USEC)
        control->clock_ahead_usec = ahead;
    return control->clock_ahead_usec;
}

int control_page_begin(struct control_page *page, sd_bus_message *message,
                       const struct control_connection *connection, sd_bus_error *error)
{
    int r;

    *page = (struct control_page){
        .master = connection->control->master,
        .addresses = control_addresses_for(connection),
        .now_usec = base_now_usec(),
    };
    page->now_realtime_usec = page->now_usec + look_at_clock(connection->control);
    r = sd_bus_message_read(message, "stu", &page->service, &page->next, &page->limit);
    if (r < 0)
        return r;
    if (page->limit == 0 || page->limit > CONTROL_ROWS)
        page->limit = CONTROL_ROWS;
    if (!control_has_service(page->master, page->service))
        return control_no_service(page->service, error);
    return 0;
}

static bool is_wanted(const struct control_page *page, const struct worker *worker)
{
    return page->service[0] == '\0' || strcmp(worker->pool->service->name, page->service) == 0;
}

static int look(struct control_page *page, control_row *row, const void *wanted)
{
    uint64_t slot = page->next, until = base_now_usec() + LOOK_USEC;
    const struct worker *worker;
    unsigned n = 0;

    page->next = 0;
    while (slot < SCOREBOARD_SLOTS &&
           (worker = slots_next(page->master->pools.slots, (unsigned)slot)) != NULL) {
        int r;

        slot = worker->slot;
        if (page->n_rows >= page->limit || (++n % LOOKS == 0 && base_now_usec() >= until)) {
            page->next = slot;
            return 0;
        }
        r = is_wanted(page, worker) ? row(page, worker, wanted) : 0;
        if (r < 0)
            return r;
        page->n_rows += (uint32_t)r;
        slot++;
    }
    return 0;
}

int control_page_answer(struct control_page *page, sd_bus_message *message, const char *contents,
                        control_row *row, const void *wanted)
{
    int r = sd_bus_message_new_method_return(message, &page->reply);

    if (r >= 0)
        r = sd_bus_message_open_container(page->reply, 'a', contents);
    if (r >= 0)
        r = look(page, row, wanted);
    if (r >= 0)
        r = sd_bus_message_close_container(page->reply);
    if (r >= 0)
        r = sd_bus_message_append(page->reply, "t", page->next);
    if (r >= 0)
        r = sd_bus_send(NULL, page->reply, NULL);
    page->reply = sd_bus_message_unref(page->reply);
    return r;
}

void control_names_of(const struct pool *pool, struct control_names *ret)
{
    (void)control_make_text(pool->service->name, ret->service, sizeof(ret->service));
    (void)control_make_text(pool->listener->address, ret->listener, sizeof(ret->listener));
}

void control_page_names(const struct worker *worker, struct control_names *ret)
{
    control_names_of(worker->pool, ret);
}

uint64_t control_page_age(const struct control_page *page, uint64_t since_usec)
{
    return since_usec < page->now_usec ? page->now_usec - since_usec : 0;
}

socklen_t control_page_address(const struct score_peer *peer, struct sockaddr_storage *ret)
{
    struct sockaddr_in *in = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

    *ret = (struct sockaddr_storage){.ss_family = peer->family};
    if (peer->family == AF_INET) {
        in->sin_port = peer->port;
        memcpy(&in->sin_addr, peer->ip, sizeof(in->sin_addr));
        return sizeof(*in);
    }
    if (peer->family == AF_INET6) {
        in6->sin6_port = peer->port;
        memcpy(&in6->sin6_addr, peer->ip, sizeof(in6->sin6_addr));
        return sizeof(*in6);
    }
    return sizeof(sa_family_t);
}

const char *control_page_peer(const struct control_page *page, const struct score_peer *peer,
                              char *text, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = control_page_address(peer, &address);

    if (peer->family == AF_UNSPEC)
        return "";
    return session_log_peer((const struct sockaddr *)&address, length, page->addresses, text, size);
}
