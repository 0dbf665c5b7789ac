// SPDX-License-Identifier: MIT
#include "worker/admission.h"

#include "base/base.h"
#include "session/session_proxy.h"
#include "session/session_refused.h"

// A text holds a socket for a moment: not when nobody else is left to take the next client, or the
// text itself would be the attack. Who speaks TLS or WebSocket would not understand it.
static const char *text_for(const struct worker_setup *setup, const struct pool_hint *hint)
{
    return setup->speaks == SPEAKS_PLAIN && reserve_idle(&hint->reserve) > 1
               ? setup->service->access.refusal_text
               : NULL;
}

// What becomes of the session, which has its socket.
static bool grant(const struct worker_setup *setup, struct score_page *page, struct pool_hint *hint,
                  struct tcpd_session *session, const struct access_verdict *verdict)
{
    int fd = session->fd;

    if (verdict->refusal == REFUSAL_NONE)
        return true;
    score_refused(page, verdict->refusal);
    session_log_refused(session, setup->config, hint, verdict);
    session->fd = -1;
    if (!session_is_datagram(session))
        session_refuse(fd, verdict->refusal == REFUSAL_RULE ? text_for(setup, hint) : NULL);
    session_log_flush(&hint->quota, setup->listener);
    return false;
}

bool admission_grants(const struct worker_setup *setup, struct score_page *page,
                      struct pool_hint *hint, struct tcpd_session *session, int fd)
{
    const struct access *access = &setup->service->access;
    const struct access_question question = {.peer = &session->peer.any};
    struct access_verdict verdict;

    session->needs_header = false;
    if (!access->ranges && access->senders.protocol == PROXY_OFF)
        return true;
    verdict = access_judge(access, &question);
    session->needs_header = verdict.needs_header;
    session->header = NULL;
    session->fd = fd;
    session->service = setup->service;
    return grant(setup, page, hint, session, &verdict);
}

// Counted unless it is a check of the connection alone, of which there may be one each second.
static void drop_without_header(const struct worker_setup *setup, struct score_page *page,
                                struct pool_hint *hint, struct tcpd_session *session)
{
    const char *wrong = session_header_wrong();
    int fd = session->fd;

    if (wrong[0] != '\0') {
        score_refused(page, REFUSAL_HEADER);
        session_log_no_header(session, setup->config, hint, wrong);
    }
    session->fd = -1;
    session_refuse(fd, NULL);
    session_log_flush(&hint->quota, setup->listener);
}

bool admission_takes_header(const struct worker_setup *setup, struct score_page *page,
                            struct pool_hint *hint, struct tcpd_session *session)
{
    struct access_question question = {0};
    struct access_verdict verdict;

    if (!session_take_header(session)) {
        drop_without_header(setup, page, hint, session);
        return false;
    }
    question.speaks_for_itself = session->speaks_for_itself;
    question.client = session->speaks_for_itself ? NULL : &session->peer.any;
    score_client(page, &session->peer.any, &session->sender.any, session->speaks_for_itself);
    verdict = access_judge(&setup->service->access, &question);
    return grant(setup, page, hint, session, &verdict);
}
