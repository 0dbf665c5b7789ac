// SPDX-License-Identifier: MIT
// Which datagrams are served, and what may be said to them. A datagram's source may be forged: so
// an answer could go to another service that answers it, for ever, or to a victim who has asked
// nothing. Pure. TA14-017A, VU#417980; RFC 9000, 8.1.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "board/datagram_losses.h"

#define DATAGRAM_ANSWERS_MAX 64 // to one datagram

struct datagram_rules {
    unsigned amplification; // an answer is at most so many times as long as the question; 0: any
    const uint16_t *ports;  // that this tcpd has for datagrams
    size_t n_ports;
    bool answers_all; // whatever is in a datagram, also to what is an answer itself
};

// The two ends of a datagram, both of one family.
struct datagram_ends {
    const struct sockaddr *peer, *local;
};

// Whether a datagram is served: DATAGRAM_GOOD, or why not.
enum datagram_loss datagram_judge_source(const struct datagram_rules *rules,
                                         const struct datagram_ends *ends);

// What was said and is to be said to a datagram.
struct datagram_account {
    size_t n_question;     // its bytes
    unsigned n_answers;    // so far
    uint64_t answers_wire; // their bytes, with headers
};

// Whether n bytes more may be sent to it; they are counted then. DATAGRAM_GOOD, or why not.
enum datagram_loss datagram_judge_answer(const struct datagram_rules *rules,
                                         const struct datagram_ends *ends,
                                         struct datagram_account *account, size_t n);
