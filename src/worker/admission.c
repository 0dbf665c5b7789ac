// SPDX-License-Identifier: MIT
#include "worker/admission.h"

#include "base/base.h"
#include "session/session_proxy.h"
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
static uint32_t user_of(const struct tcpd_session *session)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    if (session->peer.any.sa_family != AF_UNIX || session_is_datagram(session) ||
        getsockopt(session->fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
        return UINT32_MAX;
    return peer.uid;
}

// Counts the source of a client that the rules let in; or says why it has too much.
static enum refusal count(struct admission *admission, const struct tcpd_session *session,
                          struct source_key *ret_source)
{
    const struct source_settings *settings = &admission->setup->service->sources;
    uint64_t cost_nsec = settings->penalties_usec[SOURCE_REFUSED] * NSEC_PER_USEC;
    uint64_t now_nsec = base_now_usec() * NSEC_PER_USEC;
    enum source_verdict verdict;

    if (!source_settings_key(settings, &session->peer.any, user_of(session), ret_source))
        return REFUSAL_NONE;
    verdict = source_enter(&admission->table, &admission->hold, ret_source, &admission->limits,
                           now_nsec);
    if (cost_nsec > 0 && (verdict == SOURCE_CONNECTIONS || verdict == SOURCE_RATE))
        (void)source_charge(&admission->table, ret_source, cost_nsec, &admission->limits, now_nsec);
    return refusals[verdict];
}

// By rules, then by the limits of its source. A sender's own connections have met its rule, which
// is proxy_trusted, and are no client's.
static struct access_verdict judge(struct admission *admission, const struct tcpd_session *session,
                                   const struct access_question *question)
{
    const struct service *service = admission->setup->service;
    const struct access *access = &service->access;
    struct access_verdict verdict = {0};

    if (access->ranges || access->senders.protocol != PROXY_OFF)
        verdict = access_judge(access, question);
    if (verdict.refusal != REFUSAL_NONE || verdict.needs_header || question->speaks_for_itself ||
        !admission->table.sets)
        return verdict;
    verdict.refusal = count(admission, session, &verdict.source);
    verdict.limit = admission->limits.connections;
    verdict.is_rehearsal = verdict.refusal == REFUSAL_UNCOUNTED || service->sources.dry_run;
    return verdict;
}

// What becomes of the session, which has its socket.
static bool grant(struct admission *admission, struct tcpd_session *session,
                  const struct access_verdict *verdict)
{
    bool is_dry = verdict->is_rehearsal && verdict->refusal != REFUSAL_UNCOUNTED;
    int fd = session->fd;

    if (verdict->refusal == REFUSAL_NONE)
        return true;
    score_add(&score_counts(admission->page)->refused[is_dry ? REFUSAL_DRY_RUN : verdict->refusal],
              1);
    session_log_refused(session, admission->setup->config, admission->hint, verdict);
    if (verdict->is_rehearsal)
        return true;
    session->fd = -1;
    if (!session_is_datagram(session)) // a sender is a machine
        session_refuse(fd, verdict->refusal == REFUSAL_SENDER ? NULL : text_for(admission));
    session_log_flush(&admission->hint->quota, admission->setup->listener);
    return false;
}

bool admission_grants(struct admission *admission, struct tcpd_session *session, int fd)
{
    const struct access *access = &admission->setup->service->access;
    const struct access_question question = {.peer = &session->peer.any};
    struct access_verdict verdict;

    session->needs_header = false;
    if (!access->ranges && access->senders.protocol == PROXY_OFF && !admission->table.sets)
        return true;
    session->header = NULL;
    session->fd = fd;
    session->service = admission->setup->service;
    verdict = judge(admission, session, &question);
    session->needs_header = verdict.needs_header;
    return grant(admission, session, &verdict);
}

// Counted unless it is a check of the connection alone, of which there may be one each second.
static void drop_without_header(struct admission *admission, struct tcpd_session *session)
{
    const char *wrong = session_header_wrong();
    int fd = session->fd;

    if (wrong[0] != '\0') {
        score_add(&score_counts(admission->page)->refused[REFUSAL_HEADER], 1);
        session_log_no_header(session, admission->setup->config, admission->hint, wrong);
    }
    session->fd = -1;
    session_refuse(fd, NULL);
    session_log_flush(&admission->hint->quota, admission->setup->listener);
}

bool admission_takes_header(struct admission *admission, struct tcpd_session *session)
{
    struct access_question question = {0};
    struct access_verdict verdict;

    if (!session_take_header(session)) {
        drop_without_header(admission, session);
        return false;
    }
    question.speaks_for_itself = session->speaks_for_itself;
    question.client = session->speaks_for_itself ? NULL : &session->peer.any;
    score_client(admission->page, &session->peer.any, &session->sender.any);
    score_add(&score_counts(admission->page)->own_headers, session->speaks_for_itself);
    verdict = judge(admission, session, &question);
    return grant(admission, session, &verdict);
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
