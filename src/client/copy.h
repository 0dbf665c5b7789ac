// SPDX-License-Identifier: MIT
// The default mode: standard input to the peer, the peer to standard output.
#pragma once

#include "client/peer.h"
#include "client/status.h"

// Copies both ways until the peer ends; the end of standard input ends only the way to the peer.
// Blocks, tells a failure on stderr and returns its exit status.
enum status copy_run(struct peer *peer);
