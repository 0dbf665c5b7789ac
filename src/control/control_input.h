// SPDX-License-Identifier: MIT
// What a peer of the control socket sends, given to sd-bus in pieces: sd-bus takes messages of up
// to 128 MiB, and whatever comes, into memory that is the master's. So it reads from a pipe, into
// which goes a line of the authentication, or a page of a message, at a time: the next one when
// sd-bus has taken it and no answer waits unread. Of a message only the lengths in its fixed header
// are looked at.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define CONTROL_LINE_MAX    512 // of the authentication
#define CONTROL_LINES       16
#define CONTROL_MESSAGE_MAX (16 * 1024) // far more than any call needs
#define CONTROL_PIECE       4096

struct control_input {
    int socket; // the peer's
    int pipe;   // its writing end, -1: the peer has ended
    sd_event_source *source;
    sd_bus *bus;      // whose answers may wait
    unsigned n_lines; // of the authentication, so far
    bool began;       // it is over
    size_t n;         // of the line, or of the message's header, so far
    char start[CONTROL_LINE_MAX];
    uint64_t left; // of the message, behind its header
};

// Opens the way from socket, which stays the caller's and does not block, to *ret_fd, for sd-bus.
// 0 or -errno; then everything is to be closed all the same.
int control_input_open(struct control_input *input, int socket, int *ret_fd);
// Begins; on_ready is called when something is to be passed on.
int control_input_start(struct control_input *input, sd_bus *bus, sd_event *event, int64_t priority,
                        sd_event_io_handler_t on_ready, void *userdata);
// Passes the next piece on. False: it is nothing that a peer has to say.
bool control_input_pass(struct control_input *input);
// After any event: whether there may be a next piece now.
void control_input_look(struct control_input *input);
// Whether there is something that it is for us to do next: a peer that waits for us is not silent.
// What there may be before a first call is little, so this comes to an end.
bool control_input_is_pending(const struct control_input *input);
void control_input_close(struct control_input *input);
