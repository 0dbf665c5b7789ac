// SPDX-License-Identifier: MIT
#include "transport/stage.h"

#include "base/base.h"

static ssize_t take(void *cookie, void *data, size_t size, int flags)
{
    struct stage *stage = cookie;
    bool is_last = false;
    ssize_t n;

    do
        n = stage->ops->take(stage, data, size, flags, &is_last);
    while (n == 0 && is_last); // an empty message is nothing to who knows none
    return n;
}

static ssize_t give(void *cookie, const void *data, size_t size, int flags)
{
    struct stage *stage = cookie;

    return stage->ops->give(stage, data, size, flags, true);
}

void stage_put_on(struct stage *stage, struct stage *under)
{
    stage->under = under;
    stage->below = (struct stage_end){.take = take, .give = give, .cookie = under};
}

void stage_open(struct stage *stage)
{
    for (; stage; stage = stage->under)
        stage->ops->open(stage);
}

// The lowest first: of those that have begun already each says so at once.
static int begin_at(struct stage *stage, size_t depth, int flags)
{
    for (; depth > 0; depth--)
        stage = stage->under;
    return stage->ops->begin ? stage->ops->begin(stage, flags) : 1;
}

int stage_begin(struct stage *stage, int flags)
{
    size_t depth = 0;
    int r;

    for (const struct stage *under = stage->under; under; under = under->under)
        depth++;
    do
        r = begin_at(stage, depth, flags);
    while (r > 0 && depth-- > 0);
    return r;
}

const char *stage_wrong(const struct stage *stage)
{
    const char *wrong = NULL;

    for (; stage && !wrong; stage = stage->under)
        wrong = stage->ops->wrong ? stage->ops->wrong(stage) : NULL;
    return wrong;
}

const char *stage_fact(const struct stage *stage, size_t i)
{
    for (; stage; stage = stage->under)
        for (const char *const *fact = stage->ops->facts ? stage->ops->facts(stage) : NULL;
             fact && *fact; fact++)
            if (i-- == 0)
                return *fact;
    return NULL;
}

int stage_flush(struct stage *stage, int flags)
{
    for (; stage; stage = stage->under)
        if (stage->ops->flush && stage->ops->flush(stage, flags) < 0)
            return -1;
    return 0;
}

int stage_end_output(struct stage *stage, enum stage_ending ending, int flags)
{
    for (; stage; stage = stage->under)
        if (stage->ops->end && stage->ops->end(stage, ending, flags) < 0)
            return -1;
    return 0;
}

bool stage_has_more(const struct stage *stage)
{
    for (; stage; stage = stage->under)
        if (stage->ops->has_more && stage->ops->has_more(stage))
            return true;
    return false;
}

short stage_wants(const struct stage *stage, short events)
{
    for (; stage; stage = stage->under)
        if (stage->ops->wants)
            events = stage->ops->wants(stage, events);
    return events;
}

uint64_t stage_wake_usec(const struct stage *stage)
{
    uint64_t nearest = USEC_NEVER;

    for (; stage; stage = stage->under) {
        uint64_t usec = stage->ops->wake_usec ? stage->ops->wake_usec(stage) : USEC_NEVER;

        nearest = usec < nearest ? usec : nearest;
    }
    return nearest;
}
