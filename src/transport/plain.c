// SPDX-License-Identifier: MIT
// Where nothing is spoken but the service's own bytes. Tests link another file in place of this
// one.

#include <sys/socket.h>

#include "transport/packet.h"
#include "transport/transport.h"

struct stage *transport_plain(int type, struct stage_end socket)
{
    return type == SOCK_SEQPACKET ? packet_stage(socket) : NULL;
}
