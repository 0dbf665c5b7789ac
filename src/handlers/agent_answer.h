// SPDX-License-Identifier: MIT
// What an agent says to HAProxy, one line, and what it is asked. Pure.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "board/node_page.h"

#define AGENT_ANSWER_MAX 128 // bytes, with a NUL
#define AGENT_LINE_MAX   64

enum agent_weight { AGENT_FIXED, AGENT_LOAD, AGENT_WEIGHTS };

// A service, and what the master has said of it.
struct agent_fact {
    const char *service;
    size_t slot;
    struct node_news news;
};

struct agent_terms {
    int weight;           // enum agent_weight
    unsigned n_balancers; // which share max_workers; 0: none is told
    uint32_t second;      // now
};

// The answer for those services together, of which the worst counts; returns its length.
size_t agent_answer(const struct agent_fact *facts, size_t n, const struct agent_terms *terms,
                    char ret[AGENT_ANSWER_MAX]);

// Which of the services a line of agent-send names: its index; n: none.
size_t agent_line_find(const uint8_t *line, size_t size, const struct agent_fact *facts, size_t n);
