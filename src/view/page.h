// SPDX-License-Identifier: MIT
// The page of the handler status: what GetStatus() and GetCounters() say, for people with a
// browser. It is whole without a script; with one, its parts are fetched anew now and then.
#pragma once

#include <stdio.h>

#include "view/counters.h"
#include "view/findings.h"
#include "view/sessions.h"
#include "view/status.h"

struct page {
    const char *machine; // its name
    const struct status *status;
    const struct findings *findings;
    const struct sessions *sessions; // the oldest first,
    size_t n_sessions;               // and how many of them are shown
    const struct counters *now;      // of the pools that are shown
    const struct counters *before;   // a look before, for rates; NULL: there is none
    uint64_t usec;                   // since then
};

void page_print(FILE *stream, const struct page *page);
// What changes: the elements #findings and #live.
void page_print_part(FILE *stream, const struct page *page);
