// SPDX-License-Identifier: MIT
#include "view/recents.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"

static int keep(struct recents *recents, sd_bus_message *reply)
{
    struct recents_page *pages = reallocarray(recents->pages, recents->n_pages + 1, sizeof(*pages));

    if (!pages)
        return -ENOMEM;
    recents->pages = pages;
    pages[recents->n_pages++].message = sd_bus_message_ref(reply);
    return 0;
}

int recents_read(sd_bus_message *reply, struct recents *recents, uint64_t *ret_next)
{
    int r = keep(recents, reply);

    if (r >= 0)
        r = sd_bus_message_enter_container(reply, 'a', "(utssstttttts)");
    while (r >= 0) {
        struct recent_row row = {0}, *rows;

        r = sd_bus_message_read(reply, "(utssstttttts)", &row.pid, &row.number, &row.service,
                                &row.listener, &row.peer, &row.end_usec, &row.duration_usec,
                                &row.wait_usec, &row.reply_usec, &row.received, &row.sent,
                                &row.result);
        if (r <= 0)
            break;
        rows = reallocarray(recents->rows, recents->n + 1, sizeof(*rows));
        if (!rows)
            return -ENOMEM;
        recents->rows = rows;
        rows[recents->n++] = row;
    }
    if (r >= 0)
        r = sd_bus_message_exit_container(reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "t", ret_next);
    return r < 0 ? r : 0;
}

void recents_done(struct recents *recents)
{
    for (size_t i = 0; i < recents->n_pages; i++)
        (void)sd_bus_message_unref(recents->pages[i].message);
    free(recents->pages);
    free(recents->rows);
    *recents = (struct recents){0};
}

static int compare(const void *a, const void *b)
{
    const struct recent_row *left = a, *right = b;

    if (left->end_usec != right->end_usec)
        return left->end_usec < right->end_usec ? 1 : -1;
    if (left->pid != right->pid)
        return left->pid < right->pid ? -1 : 1;
    return (left->number < right->number) - (left->number > right->number);
}

void recents_sort(struct recents *recents)
{
    if (recents->n > 0)
        qsort(recents->rows, recents->n, sizeof(recents->rows[0]), compare);
}
