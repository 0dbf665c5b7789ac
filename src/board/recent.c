// SPDX-License-Identifier: MIT
// Each record is written under its own number: 0 while it is written, so that a reader who finds
// the same number before and after has the whole of it.

#include "board/recent.h"

#include <string.h>
#include <sys/socket.h>

void recent_put(struct recent *recent, uint64_t number, const struct recent_record *record)
{
    struct recent_record *to = &recent->records[number % RECENT_MAX];

    __atomic_store_n(&to->number, 0, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
    to->end_realtime_usec = record->end_realtime_usec;
    to->duration_usec = record->duration_usec;
    to->received = record->received;
    to->sent = record->sent;
    memcpy(to->ip, record->ip, sizeof(to->ip));
    to->wait_usec = record->wait_usec;
    to->reply_usec = record->reply_usec;
    to->port = record->port;
    to->family = record->family;
    to->result = record->result;
    __atomic_store_n(&to->number, (uint32_t)number, __ATOMIC_RELEASE);
    __atomic_store_n(&recent->ended, number, __ATOMIC_RELEASE);
}

void recent_set_logged(struct recent *recent, uint64_t number)
{
    __atomic_store_n(&recent->logged, number, __ATOMIC_RELAXED);
}

uint64_t recent_ended(const struct recent *recent)
{
    return __atomic_load_n(&recent->ended, __ATOMIC_ACQUIRE);
}

uint64_t recent_logged(const struct recent *recent)
{
    return __atomic_load_n(&recent->logged, __ATOMIC_RELAXED);
}

bool recent_get(const struct recent *recent, uint64_t number, struct recent_record *ret)
{
    const struct recent_record *from = &recent->records[number % RECENT_MAX];
    uint32_t before = __atomic_load_n(&from->number, __ATOMIC_ACQUIRE);

    if ((uint32_t)number == 0 || before != (uint32_t)number)
        return false;
    *ret = *from;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (__atomic_load_n(&from->number, __ATOMIC_RELAXED) != before)
        return false;
    ret->number = before;
    if (ret->family != AF_INET && ret->family != AF_INET6 && ret->family != AF_UNIX)
        ret->family = AF_UNSPEC;
    return true;
}
