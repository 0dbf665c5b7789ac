// SPDX-License-Identifier: MIT
// Which stages a kind of socket has. Tests link a stack of their own in place of this file.

#include <sys/socket.h>

#include "transport/packet.h"

struct stage *stage_stack(int type, struct stage_end socket)
{
    return type == SOCK_SEQPACKET ? packet_stage(socket) : NULL;
}
