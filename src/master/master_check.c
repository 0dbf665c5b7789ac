// SPDX-License-Identifier: MIT
// The check. One child at a time; a reload that begins meanwhile has its own.

#include "master/master_check.h"

#include <errno.h>

#include "base/base.h"
#include "master/reload.h"

int check_start(struct master *master)
{
    struct listener_set listening;
    struct rehearsal_plan plan = {.source = master->source,
                                  .n_workers = pools_count_workers(&master->pools),
                                  .listening = &listening};
    int r;

    if (master->check.pid > 0)
        return -EBUSY;
    if (master->phase != MASTER_RUNNING)
        return -EALREADY;
    listening = reload_make_staying_set(master);
    r = listening.items ? rehearsal_start(&master->check, &plan) : -ENOMEM;
    listeners_forget(&listening);
    master->check_usec = base_now_usec();
    master_look_again(master); // it has a deadline
    return r;
}

uint64_t check_due(const struct master *master)
{
    uint64_t limit = master->config->reload_timeout_usec;

    return master->check.pid > 0 && limit > 0 ? master->check_usec + limit : USEC_NEVER;
}

void check_decide(struct master *master, uint64_t now_usec)
{
    const struct rehearsal_plan plan = {.source = master->source};
    struct rehearsal_verdict verdict = {0};

    if (master->check.pid > 0 && master->check.ended)
        rehearsal_judge(&master->check, &plan, &verdict);
    else if (now_usec >= check_due(master))
        rehearsal_blame(&master->check, &plan, master->config->reload_timeout_usec,
                        &verdict.problems);
    else
        return;
    rehearsal_close(&master->check);
    if (master->watcher.checked)
        master->watcher.checked(master->watcher.data, &verdict);
    rehearsal_verdict_done(&verdict);
}

void check_cancel(struct master *master)
{
    rehearsal_close(&master->check);
}
