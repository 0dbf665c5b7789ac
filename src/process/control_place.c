// SPDX-License-Identifier: MIT
#include "process/control_place.h"

#include <stddef.h>
#include <sys/un.h>

static struct sockaddr_un place; // written once
static socklen_t place_length;   // 0: there is none

void control_place_set(int fd)
{
    socklen_t length = sizeof(place);

    if (fd >= 0 && getsockname(fd, (struct sockaddr *)&place, &length) == 0 &&
        place.sun_family == AF_UNIX && length > offsetof(struct sockaddr_un, sun_path) &&
        length <= sizeof(place))
        place_length = length;
}

const struct sockaddr *control_place_get(socklen_t *ret_length)
{
    *ret_length = place_length;
    return place_length > 0 ? (const struct sockaddr *)&place : NULL;
}
