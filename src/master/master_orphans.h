// SPDX-License-Identifier: MIT
// What dead workers leave behind.
#pragma once

#include "master/master_state.h"

// Takes note of the children that there are at the start: they are none of ours.
void master_note_others(struct master *master);
bool master_is_other_child(const struct master *master, pid_t pid);
// From now on it becomes a child of the master, if any service starts processes, and none leaves
// them on purpose. Again after each reload.
void master_adopt_orphans(struct master *master);
// A child was reaped: a worker, or another one (NULL).
void master_note_death(struct master *master, const struct worker *worker, pid_t pid, uint64_t now);
// Kills what was left behind; orphans.are_due tells whether there was any.
void master_end_orphans(struct master *master);
// After the last worker, what it has left behind is waited for: that may have left others behind.
bool master_is_alone(struct master *master, uint64_t now);
