// SPDX-License-Identifier: MIT
// Answers of the world outside: what is in a file, whom a name means. Whoever asks may wait, so the
// master never does: a child asks, keeps what it hears, and hands it over; the master then asks the
// same questions and finds the answers in there. A process is in one of three states, the first at
// its start:
//   asking   each question goes out into the world
//   keeping  as well, and the answers are kept
//   given    nothing goes out; what was not kept is -ESTALE
// Whoever has a question calls answers_find() first, and answers_note() with what it heard. There
// is one such state in a process: questions come from deep inside of a check. Logs nothing; without
// memory the process ends, unless it is given the answers.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct answer {
    const void *bytes; // valid until answers_forget()
    size_t size;
};

// 1 and the answer; 0: ask, then call answers_note() or answers_note_failure(); -errno: what was
// noted as a failure; -ESTALE: nobody may ask. what: a word or two, "the address of".
int answers_find(const char *what, const char *about, struct answer *ret);

// Keeps an answer, while answers are kept; a copy of it.
void answers_note(const char *what, const char *about, const void *bytes, size_t size);

// Keeps that there is no answer, and why: an errno above 0.
void answers_note_failure(const char *what, const char *about, int error);

// Begins to keep. What is being asked stands at the start of the file fd, which stays the caller's,
// for whoever gets tired of waiting; -1: nowhere.
void answers_keep(int fd);

// Writes what was kept to the file. 0 or -errno.
int answers_write(int fd);

// From now on the answers are those of the file, which nobody can write to any more. 0; -EBADMSG:
// it is not a whole one; -errno.
int answers_give(int fd);

bool answers_are_given(void);

// Back to asking.
void answers_forget(void);

// In a child of the one that keeps, before it runs code of somebody else's: closes the file, too.
void answers_renounce(void);

// The question that the process that keeps to the file fd waits for, as a text; "": none.
const char *answers_pending(int fd, char *text, size_t size);
