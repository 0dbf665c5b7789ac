// SPDX-License-Identifier: MIT
// What session.c, session_read.c and session_stage.c have in common.
#pragma once

#include "session/session.h"

// Makes sure that a blocking call returns within `wanted`; `exactly`: not before either. `option`
// is SO_RCVTIMEO or SO_SNDTIMEO, *armed what it is set to.
void session_arm(int fd, int option, uint64_t *armed, uint64_t wanted, bool exactly);

// A reset, once it is closed.
void session_set_reset(int fd);

// --- Of a session with a stage ---
// As recv(2) with SO_RCVTIMEO of `wait`; a signal or a turn of the stage's may end it sooner.
ssize_t session_stage_take(struct tcpd_session *session, const struct session_place *to,
                           size_t size, uint64_t wait);
// As tcpd_write_part().
int session_stage_write(struct tcpd_session *session, const void *data, size_t size, bool is_last);
// As tcpd_splice_read() and tcpd_splice_write(), by way of memory.
ssize_t session_stage_splice_read(struct tcpd_session *session, int pipe, size_t size);
int session_stage_splice_write(struct tcpd_session *session, int pipe, size_t size);
// The last words, if the session ended in a way that has some.
void session_stage_close(struct tcpd_session *session);
