// SPDX-License-Identifier: MIT
// A program that tells what it was given: signals, descriptors, limits, environment, identity, one
// fact a line, "WORD REST". With an argument "listener" it accepts on descriptor 3, for ever, and
// tells each client. It changes nothing before it has looked.

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

// The lines of a file, or what else `end` ends.
static void tell_file(FILE *out, const char *word, const char *path, int end)
{
    FILE *in = fopen(path, "re");
    char *text = NULL;
    size_t size = 0;
    ssize_t n;

    while (in && (n = getdelim(&text, &size, end, in)) > 0)
        fprintf(out, "%s %.*s\n", word, (int)(n - (text[n - 1] == end)), text);
    free(text);
    if (in)
        (void)fclose(in);
}

static void tell_descriptors(FILE *out)
{
    DIR *directory = opendir("/proc/self/fd");
    struct dirent *entry;

    while (directory && (entry = readdir(directory))) {
        char target[512];
        ssize_t n = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target));
        int fd = atoi(entry->d_name);

        if (n > 0 && fd != dirfd(directory))
            fprintf(out, "fd %d %.*s\nflags %d %d\n", fd, (int)n, target, fd, fcntl(fd, F_GETFL));
    }
    if (directory)
        (void)closedir(directory);
}

static void tell_process(FILE *out, int argc, char **argv)
{
    char directory[4096];
    uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    int death_signal = 0;

    for (int i = 0; i < argc; i++)
        fprintf(out, "argument %s\n", argv[i]);
    (void)prctl(PR_GET_PDEATHSIG, &death_signal);
    (void)getsockopt(STDIN_FILENO, SOL_SOCKET, SO_COOKIE, &cookie, &size);
    fprintf(out, "is pid %d\nis parent %d\nis group %d\nis session %d\n", getpid(), getppid(),
            getpgid(0), getsid(0));
    fprintf(out, "is nice %d\nis death_signal %d\nis cookie %" PRIu64 "\n",
            getpriority(PRIO_PROCESS, 0), death_signal, cookie);
    fprintf(out, "is directory %s\n", getcwd(directory, sizeof(directory)));
}

// Tries to become root again.
static void tell_privileges(FILE *out)
{
    fprintf(out, "regain setuid %s\n", setuid(0) == 0 ? "yes" : strerrorname_np(errno));
    fprintf(out, "regain setgid %s\n", setgid(0) == 0 ? "yes" : strerrorname_np(errno));
    fprintf(out, "regain effective %s\n",
            setresuid(-1, 0, -1) == 0 ? "yes" : strerrorname_np(errno));
}

static void give(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, text, size, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        text += n;
        size -= (size_t)n;
    }
}

int main(int argc, char **argv)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return 1;
    tell_descriptors(out);
    tell_file(out, "status", "/proc/self/status", '\n');
    tell_file(out, "limit", "/proc/self/limits", '\n');
    tell_file(out, "env", "/proc/self/environ", '\0');
    tell_process(out, argc, argv);
    tell_privileges(out);
    if (fclose(out) != 0)
        return 1;
    if (argc < 2 || strcmp(argv[1], "listener") != 0)
        give(STDOUT_FILENO, text, size);
    else
        for (int fd; (fd = accept(3, NULL, NULL)) >= 0; (void)close(fd))
            give(fd, text, size);
    free(text);
    return 0;
}
