// SPDX-License-Identifier: MIT
// What the daemon does not tell is empty, what it tells beyond is in the JSON alone, so that both
// may be of different versions.

#include "ctl/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/explain.h"
#include "base/base.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "view/fields.h"
#include "view/json.h"

static const struct field fields[] = {
    TEXT(explanation, service),
    TEXT(explanation, listener),
    TEXT(explanation, reason),
    TEXT(explanation, gets),
    COPY(explanation, rule),
    COPY(explanation, place),
    COPY(explanation, near),
    COPY(explanation, near_place),
    COPY(explanation, source),
    COPY(explanation, connections),
    COPY(explanation, rate),
    COPY(explanation, penalty),
    {"served", offsetof(struct explanation, is_served), sizeof(bool), &field_boolean}};
static const struct explanation nothing = {.service = "", .listener = "", .reason = "", .gets = ""};

// Prints all as text, unless nobody wants that. 1: all serve it; 0: not all; -errno.
static int read_all(sd_bus_message *reply, bool prints)
{
    struct field_list list = {.size = sizeof(nothing),
                              .initial = &nothing,
                              .fields = fields,
                              .n_fields = ELEMENTS(fields)};
    int r = fields_read_list(reply, &list);
    const struct explanation *explanations = (const void *)list.items;
    bool is_served = true;

    for (size_t i = 0; r >= 0 && i < list.n; i++) {
        is_served = is_served && explanations[i].is_served;
        if (prints)
            explain_print(&explanations[i], stdout);
    }
    free(list.items);
    return r < 0 ? r : is_served;
}

int explain_client(sd_bus *bus, const struct options *options)
{
    const char *const texts[] = {options->address, options->service, options->through, NULL};
    sd_bus_message *reply = NULL;
    int status = link_call_with(bus, "Explain", NULL, texts, options->timeout_usec, &reply);
    int r;

    if (status != EX_OK)
        return status;
    r = read_all(reply, !options->json);
    if (r >= 0 && options->json) {
        (void)sd_bus_message_rewind(reply, true);
        if (json_print_value(stdout, reply) < 0)
            r = -EBADMSG;
        (void)fputc('\n', stdout);
    }
    (void)sd_bus_message_unref(reply);
    if (r < 0)
        return fail(EXIT_FAILURE, "tcpd's answer cannot be read: %s", strerror(-r));
    return r > 0 ? EX_OK : EXPLAIN_REFUSED;
}
