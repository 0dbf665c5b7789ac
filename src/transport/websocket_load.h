// SPDX-License-Identifier: MIT
// websocket.so, which is loaded only where a service has an entry of listen for it. It lies beside
// tcpd's own file: in private/, as built, or ../lib/tcpd/private/, as installed.
#pragma once

#include "transport/websocket/websocket.h"

// Loads it, for this process and those it forks, unless it is there already. NULL: it cannot be,
// and `why` has the reason.
const struct websocket_face *websocket_load(char *why, size_t size);
