// SPDX-License-Identifier: MIT
// Calls a function that nobody has, which RTLD_NOW finds when it is loaded.

#include <tcpd/handler.h>

void tcpd_test_function_of_nobody(struct tcpd_session *session);

const struct tcpd_handler tcpd_handler = {.abi = TCPD_HANDLER_ABI,
                                          .serve = tcpd_test_function_of_nobody};
