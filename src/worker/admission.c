// SPDX-License-Identifier: MIT
#include "worker/admission.h"

#include "base/base.h"
#include "session/session_refused.h"

#define NSEC_PER_USEC UINT64_C(1000)

static const enum refusal refusals[SOURCE_VERDICTS] = {
    [SOURCE_UNCOUNTED] = REFUSAL_UNCOUNTED,     [SOURCE_PENALTY] = REFUSAL_PENALTY,
    [SOURCE_CONNECTIONS] = REFUSAL_CONNECTIONS, [SOURCE_RATE] = REFUSAL_RATE,
    [SOURCE_OVERFLOW] = REFUSAL_OVERFLOW,
};

// What its source pays for; what is not here costs nothing.
static const struct {
    bool costs;
    enum source_offence offence;
} offences[SESSION_RESULTS] = {
    [SESSION_FIRST_BYTE_TIMEOUT] = {true, SOURCE_TIMEOUT},
    [SESSION_IDLE_TIMEOUT] = {true, SOURCE_TIMEOUT},
    [SESSION_SEND_TIMEOUT] = {true, SOURCE_TIMEOUT},
    [SESSION_HANDSHAKE_TIMEOUT] = {true, SOURCE_TIMEOUT},
    [SESSION_PROTOCOL_ERROR] = {true, SOURCE_PROTOCOL},
    [SESSION_TLS_FAILED] = {true, SOURCE_PROTOCOL},
};

void admission_open(struct admission *admission, const struct worker_setup *setup,
                    struct score_page *page, struct pool_hint *hint)
{
    *admission = (struct admission){.setup = setup,
                                    .page = page,
                                    .hint = hint,
                                    .table = setup->sources,
                                    .limits = source_settings_limits(&setup->service->sources),
                                    .hold = {.held = score_held(page)}};
}

// A text holds a socket for a moment: not when nobody else is left to take the next client, or the
// text itself would be the attack. Who speaks TLS or WebSocket would not understand it.
static const char *text_for(const struct admission *admission)
{
    const struct worker_setup *setup = admission->setup;

    return setup->speaks == SPEAKS_PLAIN && reserve_idle(&admission->hint->reserve) > 1
               ? setup->service->access.refusal_text
               : NULL;
}

// Who is at the other end of a unix socket; UINT32_MAX: nobody knows.
static uint32_t user_of(const struct tcpd_session *session, int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (session->peer.any.sa_family != AF_UNIX || session_is_datagram(session) ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return UINT32_MAX;
    return peer.uid;
}

// Counts the source of a client that the rules let in; or says why it has too much.
static enum refusal count(struct admission *admission, const struct tcpd_session *session, int fd,
                          struct source_key *ret_source)
{
    const struct source_settings *settings = &admission->setup->service->sources;
    uint64_t cost_nsec = settings->penalties_usec[SOURCE_REFUSED] * NSEC_PER_USEC;
    uint64_t now_nsec = base_now_usec() * NSEC_PER_USEC;
    enum source_verdict verdict;

    if (!source_settings_key(settings, &session->peer.any, user_of(session, fd), ret_source))
        return REFUSAL_NONE;
    verdict = source_enter(&admission->table, &admission->hold, ret_source, &admission->limits,
                           now_nsec);
    if (cost_nsec > 0 && (verdict == SOURCE_CONNECTIONS || verdict == SOURCE_RATE))
        (void)source_charge(&admission->table, ret_source, cost_nsec, &admission->limits, now_nsec);
    return refusals[verdict];
}

static struct access_verdict judge(struct admission *admission, const struct tcpd_session *session,
                                   int fd)
{
    const struct service *service = admission->setup->service;
    const struct access_question question = {.client = &session->peer.any};
    struct access_verdict verdict = {0};

    if (service->access.ranges)
        verdict = access_judge(&service->access, &question);
    if (verdict.refusal != REFUSAL_NONE || !admission->table.sets)
        return verdict;
    verdict.refusal = count(admission, session, fd, &verdict.source);
    verdict.limit = admission->limits.connections;
    verdict.is_rehearsal = verdict.refusal == REFUSAL_UNCOUNTED || service->sources.dry_run;
    return verdict;
}

bool admission_grants(struct admission *admission, struct tcpd_session *session, int fd)
{
    const struct worker_setup *setup = admission->setup;
    struct access_verdict verdict;

    if (!setup->service->access.ranges && !admission->table.sets)
        return true;
    verdict = judge(admission, session, fd);
    if (verdict.refusal == REFUSAL_NONE)
        return true;
    score_refused(admission->page, verdict.is_rehearsal && verdict.refusal != REFUSAL_UNCOUNTED
                                       ? REFUSAL_DRY_RUN
                                       : verdict.refusal);
    session->fd = fd;
    session->service = setup->service;
    session_log_refused(session, setup->config, admission->hint, &verdict);
    session->fd = -1;
    if (verdict.is_rehearsal)
        return true;
    if (!session_is_datagram(session))
        session_refuse(fd, text_for(admission));
    session_log_flush(&admission->hint->quota, setup->listener);
    return false;
}

void admission_end(struct admission *admission, const struct tcpd_session *session)
{
    const struct source_settings *settings = &admission->setup->service->sources;
    enum session_result result = session->result;
    uint64_t cost_usec = offences[result].costs ? settings->penalties_usec[offences[result].offence]
                                                : 0;

    if (!admission->hold.is_held)
        return;
    if (cost_usec > 0 &&
        source_offend(&admission->table, &admission->hold, cost_usec * NSEC_PER_USEC,
                      &admission->limits, base_now_usec() * NSEC_PER_USEC))
        session_log_penalty(session, admission->setup->config, admission->hint);
    source_leave(&admission->table, &admission->hold);
}
