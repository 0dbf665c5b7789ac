// SPDX-License-Identifier: MIT
// The orders in the service manager's store, so that a restart, an upgrade or a crash does not
// bring a node back that somebody has taken out. A stop by systemd, and a reboot, forget them.
#pragma once

#include "master/node_state.h"

// Those that the master before has left; none: there are none. Logs what is wrong with them.
void node_store_take(struct node_orders *ret);
// Keeps these from now on. Logs once that nobody keeps them.
void node_store_keep(const struct node_orders *orders);
