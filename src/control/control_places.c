// SPDX-License-Identifier: MIT
#include "control/control_places.h"

#define LISTENERS (CONTROL_CONNECTIONS / 2)

// One that is to be closed gives its place up in the same turn.
static unsigned count(const struct control *control, bool has_root, bool listens)
{
    unsigned n = 0;

    for (const struct control_connection *i = control->connections; i; i = i->next)
        n += !i->doomed && (has_root || i->uid != 0) && (!listens || i->event_kinds != 0);
    return n;
}

bool control_has_place(const struct control *control, uid_t uid)
{
    return uid == 0 || count(control, false, false) < CONTROL_CONNECTIONS / 2;
}

bool control_may_listen(const struct control_connection *connection, sd_bus_error *error)
{
    const struct control *control = connection->control;

    if (count(control, true, true) >= LISTENERS)
        (void)sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "%d connections listen to events already, and no more may; try "
                                "again when one has ended",
                                LISTENERS);
    else if (connection->uid != 0 && count(control, false, true) >= LISTENERS / 2)
        (void)sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                "%d connections of users other than root listen to events "
                                "already, and no more may; try again when one has ended",
                                LISTENERS / 2);
    return !sd_bus_error_is_set(error);
}
