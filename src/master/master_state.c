// SPDX-License-Identifier: MIT
// The bottom of the master.

#include "master/master_state.h"

void master_look_again(struct master *master)
{
    (void)sd_event_source_set_enabled(master->balance, SD_EVENT_ONESHOT); // valid source
}

void master_say_reload_started(const struct master *master)
{
    if (master->watcher.reload_started)
        master->watcher.reload_started(master->watcher.data);
}

void master_say_reload_refused(const struct master *master, const struct problems *problems)
{
    if (master->watcher.reload_refused)
        master->watcher.reload_refused(master->watcher.data, problems);
}

void master_say_reload_ended(const struct master *master, bool ready)
{
    if (master->watcher.reload_ended)
        master->watcher.reload_ended(master->watcher.data, ready);
}

void master_say_stopping(const struct master *master)
{
    if (master->watcher.stopping)
        master->watcher.stopping(master->watcher.data);
}
