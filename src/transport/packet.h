// SPDX-License-Identifier: MIT
// Messages of a SOCK_SEQPACKET socket, unix(7), as a stage: one send is one message, whatever the
// pieces in which it is written, and a read may take a part of one. PACKET_MAX bytes at most, in
// either direction. The peer's empty message cannot be told from its end, and is that.
#pragma once

#include "transport/stage.h"

#define PACKET_MAX (64 * 1024)

// The one of this process, on a socket.
struct stage *packet_stage(struct stage_end socket);
