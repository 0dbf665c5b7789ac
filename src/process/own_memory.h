// SPDX-License-Identifier: MIT
// Memory of the master alone: a child does not inherit it. Workers have no use for the master's
// tables, and each page of them that the master writes after a fork would be copied for the worker.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// Zeroed memory that takes room only where it is written; NULL without memory. No call of the
// child's may touch it.
void *own_memory_new(size_t size);
// Gives it back; NULL is fine.
void own_memory_free(void *memory, size_t size);

// Makes the libraries that workers never call the master's own: those that read configuration, and
// those that libsystemd wants for reading journals. Half of all mappings, and so of the work of a
// fork, may be theirs. A worker that loads a library at run time must not follow this, nor one that
// was linked without -z now: the loader looks into every library there is. false: children forked
// from now on have them. Returns what held before.
bool own_memory_claim_libraries(bool mine);
