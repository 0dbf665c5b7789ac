// SPDX-License-Identifier: MIT
// Who serves in this process: what a handler's open() may ask about its worker, tcpd/handler.h.
#pragma once

#include "config/config.h"
#include "tcpd/handler.h"

struct tcpd_worker {
    const struct service *service;
    const struct config *config;
    int listener;
};

// The handler's own settings, a struct of its form.
const void *serving_options(const struct tcpd_worker *worker);

// Opens the service's handler; worker must stay. < 0: the worker cannot serve, and it is logged.
int serving_open(const struct tcpd_worker *worker);
// From now on tcpd_log() is that worker's; serving_open() begins with it.
void serving_set(const struct tcpd_worker *worker);
