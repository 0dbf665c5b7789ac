// SPDX-License-Identifier: MIT
// The terminal from which tcpd was started, if there is one: at its end tcpd stops, unless it was
// started to outlive it.
#pragma once

#include <sys/signalfd.h>

#include "master/master_state.h"

// Whether there is a controlling terminal now.
bool master_has_terminal(void);

// What a HUP means: true when the terminal is gone, and was what tcpd ran for; else it is
// somebody's wish for a reload.
bool master_lost_terminal(const struct master *master, const struct signalfd_siginfo *si);
