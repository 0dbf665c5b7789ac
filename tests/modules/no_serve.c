// SPDX-License-Identifier: MIT
// Forgets what it is for.

#include <tcpd/handler.h>

const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI};
