// SPDX-License-Identifier: MIT
// What whoever starts tcpd may have left it with, put in order before anything else is done.
#pragma once

// Descriptors 0, 1 and 2 are open afterwards. 0, or -1 after saying why not.
int beginnings_open_standard_fds(void);
// Signals do what they do by default; of those that are ignored only HUP still is.
void beginnings_reset_signals(void);
