// SPDX-License-Identifier: MIT
// Whoever may write a module's file may run code as tcpd's user, so the file must be root's or that
// user's, and nobody else's to write. Logs nothing.

#include "module/module_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"

#define SYMBOL "tcpd_handler"

__attribute__((format(printf, 1, 2))) static const char *complain(const char *format, ...)
{
    static char text[800];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    return text;
}

static const char *folder_of(const char *path)
{
    static char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    (void)snprintf(folder, sizeof(folder), "%.*s/", slash ? (int)(slash - path) : 1,
                   slash ? path : ".");
    return folder;
}

const char *module_check_file(const char *path)
{
    struct stat status;

    if (strchr(path, '$')) // dlopen(3) would load another file than the one looked at
        return "has a '$' in its name, which the loader does not take as it is";
    if (stat(folder_of(path), &status) == 0 && (status.st_mode & S_IWOTH) &&
        !(status.st_mode & S_ISVTX))
        return "is in a directory that anyone may write to";
    if (stat(path, &status) < 0)
        return strerror(errno);
    if (!S_ISREG(status.st_mode))
        return "is not a regular file";
    if (status.st_uid != 0 && status.st_uid != geteuid())
        return complain("belongs to user %u; it must be root's or that of the user tcpd runs as, "
                        "%u",
                        status.st_uid, geteuid());
    if (status.st_mode & (S_IWGRP | S_IWOTH))
        return complain("has mode %04o; neither its group nor others may have write permission",
                        status.st_mode & 07777);
    return NULL;
}

static const char *check_face(const struct tcpd_handler *face)
{
    if (!face)
        return "exports no " SYMBOL;
    if (face->abi != TCPD_HANDLER_ABI)
        return complain("was built for version %u of the interface; this tcpd has version %u",
                        face->abi, TCPD_HANDLER_ABI);
    if (!face->serve)
        return "has no serve()";
    return NULL;
}

const struct tcpd_handler *module_load(const char *path, const char **ret_wrong)
{
    const struct tcpd_handler *face;
    void *library;

    *ret_wrong = module_check_file(path);
    if (*ret_wrong)
        return NULL;
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        *ret_wrong = complain("cannot be loaded: %s", dlerror());
        return NULL;
    }
    face = dlsym(library, SYMBOL);
    *ret_wrong = check_face(face);
    return *ret_wrong ? NULL : face;
}
