// SPDX-License-Identifier: MIT
#include "access/explain.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/base.h"

bool explain_parse(const char *text, struct sockaddr_storage *ret)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    struct sockaddr_in *in = (struct sockaddr_in *)ret;

    *ret = (struct sockaddr_storage){.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET};
    return ret->ss_family == AF_INET6 ? inet_pton(AF_INET6, text, &in6->sin6_addr) == 1
                                      : inet_pton(AF_INET, text, &in->sin_addr) == 1;
}

static void set_rule(const struct access *access, const struct access_verdict *verdict,
                     char rule[ACCESS_RULE_MAX], char where[EXPLAIN_PLACE_MAX])
{
    struct place place;

    (void)access_rule_text(access, verdict, rule, ACCESS_RULE_MAX);
    if (!verdict->rule)
        return;
    place = rule_place(verdict->list, verdict->rule);
    if (place.line > 0)
        (void)problems_place(place.file, place.line, where, EXPLAIN_PLACE_MAX);
}

static const char *what_it_gets(const struct explain_listener *listener)
{
    if (listener->is_datagram)
        return "no answer";
    return listener->is_plain && listener->access->refusal_text ? "refusal_text" : "a reset";
}

void explain_make(struct explanation *ret, const struct explain_listener *listener,
                  const struct sockaddr_storage *client)
{
    const struct access *access = listener->access;
    const struct sockaddr nobody = {.sa_family = AF_UNIX};
    const struct access_question question = {
        .client = listener->is_unix ? &nobody : (const struct sockaddr *)client};
    struct access_verdict verdict = access_judge(access, &question), near;
    struct prefix address;

    *ret = (struct explanation){
        .service = listener->service, .listener = listener->address, .reason = "", .gets = ""};
    if (verdict.refusal == REFUSAL_NONE && !listener->is_unix)
        verdict.refusal = explain_source(ret, listener, (const struct sockaddr *)client);
    ret->is_served = verdict.refusal == REFUSAL_NONE;
    if (!ret->is_served) {
        ret->reason = refusal_names[verdict.refusal];
        ret->gets = what_it_gets(listener);
    }
    if (prefix_of_address((const struct sockaddr *)client, &address))
        (void)prefix_format(&address, ret->address, sizeof(ret->address));
    set_rule(access, &verdict, ret->rule, ret->place);
    if (access_nearest(access, &question, &near))
        set_rule(access, &near, ret->near, ret->near_place);
}
