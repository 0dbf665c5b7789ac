// SPDX-License-Identifier: MIT
// Where the master's control socket is, for workers that ask it how tcpd is.
#pragma once

#include <sys/socket.h>

// In the master, before workers are forked: its listening socket, -1: there is none.
void control_place_set(int fd);
// The address, which stays; NULL: there is none.
const struct sockaddr *control_place_get(socklen_t *ret_length);
