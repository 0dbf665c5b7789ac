// SPDX-License-Identifier: MIT
// The attacks as a program that tcpd runs for a client, or that accepts its clients by itself.

#include "hostile.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTENER 3 // as sd_listen_fds(3) has it

static void say(void *to, const char *text, size_t length)
{
    ssize_t written = write(*(const int *)to, text, length);

    (void)written; // a client that has gone reads nothing
}

static void serve(int in, int out)
{
    FILE *client = fdopen(in, "r");
    char line[512];

    while (client && fgets(line, sizeof(line), client)) {
        struct target target = {.say = say, .to = &out};

        line[strcspn(line, "\r\n")] = '\0';
        hostile_run(line, &target);
    }
    if (client)
        (void)fclose(client);
}

int main(void)
{
    if (!is_listener(LISTENER)) {
        serve(STDIN_FILENO, STDOUT_FILENO);
        return 0;
    }
    for (;;) {
        int client = accept4(LISTENER, NULL, NULL, SOCK_CLOEXEC);

        if (client < 0)
            return 1;
        serve(client, client);
    }
}
