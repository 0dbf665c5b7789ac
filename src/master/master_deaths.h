// SPDX-License-Identifier: MIT
// Reaps dead children; logs, counts, throttles.
#pragma once

#include "master/master_state.h"

// While master->reaping stays set there may be more, to be reaped from reap_due_usec on: it neither
// keeps signals waiting nor looks for the dead more than a part of the time.
void master_reap(struct master *master);
// Once in ten seconds: says how many deaths and sessions were not logged one by one.
void master_report_unsaid(struct master *master, uint64_t now_usec);
