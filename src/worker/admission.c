// SPDX-License-Identifier: MIT
#include "worker/admission.h"

#include "base/base.h"
#include "session/session_refused.h"

// A text holds a socket for a moment: not when nobody else is left to take the next client, or the
// text itself would be the attack. Who speaks TLS or WebSocket would not understand it.
static const char *text_for(const struct worker_setup *setup, const struct pool_hint *hint)
{
    return setup->speaks == SPEAKS_PLAIN && reserve_idle(&hint->reserve) > 1
               ? setup->service->access.refusal_text
               : NULL;
}

bool admission_grants(const struct worker_setup *setup, struct score_page *page,
                      struct pool_hint *hint, struct tcpd_session *session, int fd)
{
    const struct access *access = &setup->service->access;
    const struct access_question question = {.client = &session->peer.any};
    struct access_verdict verdict;

    if (!access->ranges)
        return true;
    verdict = access_judge(access, &question);
    if (verdict.refusal == REFUSAL_NONE)
        return true;
    score_refused(page, verdict.refusal);
    session->fd = fd;
    session->service = setup->service;
    session_log_refused(session, setup->config, hint, &verdict);
    session->fd = -1;
    if (!session_is_datagram(session))
        session_refuse(fd, text_for(setup, hint));
    session_log_flush(&hint->quota, setup->listener);
    return false;
}
