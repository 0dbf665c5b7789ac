// SPDX-License-Identifier: MIT
#include "transport/tls_certificates.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/base.h"
#include "base/file.h"
#include "base/own_object.h"
#include "transport/tls/tls.h"

#define FILE_MOST ((size_t)1 << 20)

static const struct tls_face *loaded; // NULL: nobody has needed it

static const struct tls_face *tls_face(char *why, size_t size)
{
    if (!loaded)
        loaded = own_object_load("tls", "tcpd_tls", why, size);
    return loaded;
}

// The files of a certificate's section, while contexts are made of them.
struct reading {
    const struct certificate *certificate;
    struct file_text *texts; // of each pair two: chain, key
    char **paths;            // of each text
    struct tls_pair *pairs;
};

// What one service is loaded with.
struct loading {
    const struct config *config;
    struct service *service;
    struct reading *readings;
    struct tls_identity *identities;
    size_t n;
    struct problems *problems, *warnings;
    bool is_wrong;
};

// What is wrong with a certificate is written there, but keeps this service from being served.
__attribute__((format(printf, 4, 5))) static void complain(struct loading *loading,
                                                           const struct certificate *certificate,
                                                           const char *setting, const char *format,
                                                           ...)
{
    const struct place place = {loading->service->file, loading->service->line};
    char text[2048], head[1024], *whole = NULL;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)problems_place(certificate->file, config_certificate_line(certificate, setting), head,
                         sizeof(head));
    if (asprintf(&whole, "%s: certificate \"%s\": %s", head, certificate->name, text) < 0)
        base_out_of_memory();
    problems_add_text(loading->problems, whole, &place);
    free(whole);
    loading->is_wrong = true;
}

// ---- Files --------------------------------------------------------------------------------------

// A relative path begins where the configuration file is.
static char *resolve(const struct certificate *certificate, const char *path)
{
    const char *slash = strrchr(certificate->file, '/');
    int folder = path[0] != '/' && slash ? (int)(slash - certificate->file) + 1 : 0;
    char *whole = NULL;

    if (asprintf(&whole, "%.*s%s", folder, certificate->file, path) < 0)
        base_out_of_memory();
    return whole;
}

static bool read_one(struct loading *loading, const struct reading *reading, size_t i, bool is_key)
{
    const char *setting = is_key ? "key" : "chain";
    const char *path = reading->paths[2 * i + is_key];
    struct file_text *text = &reading->texts[2 * i + is_key];
    int r = file_read(path, FILE_MOST, text);

    if (r < 0) {
        complain(loading, reading->certificate, setting, "%s \"%s\": %s", setting, path,
                 r == -EFBIG    ? "longer than 1 MiB"
                 : r == -ENOTSUP ? "not a regular file"
                                 : strerror(-r));
        return false;
    }
    if (is_key && (text->mode & S_IROTH)) {
        complain(loading, reading->certificate, setting,
                 "key \"%s\" may be read by everybody (mode %04o); chmod o-r", path,
                 text->mode & 07777);
        return false;
    }
    return true;
}

static bool read_all(struct loading *loading, struct reading *reading)
{
    const struct certificate *certificate = reading->certificate;
    size_t n = certificate->chain.n;
    bool is_whole = true;

    reading->texts = base_checked(calloc(2 * n + 1, sizeof(reading->texts[0])));
    reading->paths = base_checked(calloc(2 * n + 1, sizeof(reading->paths[0])));
    reading->pairs = base_checked(calloc(n + 1, sizeof(reading->pairs[0])));
    for (size_t i = 0; i < n; i++) {
        const struct text_list *keys = certificate->key.n > 0 ? &certificate->key
                                                              : &certificate->chain;
        struct file_text *texts = &reading->texts[2 * i];
        char **paths = &reading->paths[2 * i];

        paths[0] = resolve(certificate, certificate->chain.items[i]);
        paths[1] = resolve(certificate, keys->items[i]);
        is_whole = read_one(loading, reading, i, false) && is_whole;
        is_whole = read_one(loading, reading, i, true) && is_whole;
        reading->pairs[i] = (struct tls_pair){
            .chain = {.path = paths[0], .bytes = texts[0].bytes, .n = texts[0].n},
            .key = {.path = paths[1], .bytes = texts[1].bytes, .n = texts[1].n}};
    }
    return is_whole;
}

static void forget(struct reading *reading)
{
    size_t n = reading->texts ? 2 * reading->certificate->chain.n : 0;

    for (size_t i = 0; i < n; i++) {
        if (reading->texts[i].bytes)
            explicit_bzero(reading->texts[i].bytes, reading->texts[i].n);
        free(reading->texts[i].bytes);
        free(reading->paths[i]);
    }
    free(reading->texts);
    free(reading->paths);
    free(reading->pairs);
}

// ---- Contexts -----------------------------------------------------------------------------------

// Of several services that show it the first one warns.
static bool is_first(const struct loading *loading, const struct certificate *certificate)
{
    const struct service *service = loading->config->services;

    for (; service < loading->service; service++)
        for (size_t i = 0; service->tls.server && i < service->tls.certificates.n; i++)
            if (strcmp(service->tls.certificates.items[i], certificate->name) == 0)
                return false;
    return true;
}

static void take_complaint(const struct tls_complaint *complaint, void *data)
{
    struct loading *loading = data;
    const struct certificate *certificate = loading->readings[complaint->identity].certificate;

    if (complaint->is_warning && !is_first(loading, certificate))
        return;
    if (complaint->is_warning)
        problems_add(loading->warnings, certificate->file,
                     config_certificate_line(certificate, complaint->is_of_key ? "key" : "chain"),
                     "certificate \"%s\": %s", certificate->name, complaint->text);
    else
        complain(loading, certificate, complaint->is_of_key ? "key" : "chain", "%s",
                 complaint->text);
}

static void make_server(struct loading *loading, const struct tls_face *face)
{
    const struct service *service = loading->service;
    const struct tls_settings settings = {
        .service = service->name,
        .identities = loading->identities,
        .n = loading->n,
        .profile = service->tls.profile == TLS_PROFILE_MODERN ? TLS_MODERN : TLS_INTERMEDIATE,
        .is_strict = service->tls.end == TLS_END_STRICT,
    };

    loading->service->tls.server = face->load(&settings, take_complaint, loading);
}

static void load_service(struct loading *loading, const struct tls_face *face)
{
    const struct text_list *names = &loading->service->tls.certificates;

    loading->n = names->n;
    loading->readings = base_checked(calloc(names->n + 1, sizeof(loading->readings[0])));
    loading->identities = base_checked(calloc(names->n + 1, sizeof(loading->identities[0])));
    for (size_t i = 0; i < names->n; i++) {
        struct reading *reading = &loading->readings[i];

        reading->certificate = config_certificate(loading->config, names->items[i]);
        if (!reading->certificate || !read_all(loading, reading))
            loading->is_wrong = true; // which has been said
        else
            loading->identities[i] = (struct tls_identity){.name = reading->certificate->name,
                                                           .pairs = reading->pairs,
                                                           .n = reading->certificate->chain.n};
    }
    if (!loading->is_wrong && loading->n > 0)
        make_server(loading, face);
    for (size_t i = 0; i < names->n; i++)
        forget(&loading->readings[i]);
    free(loading->readings);
    free(loading->identities);
}

static const struct listen *entry_of(const struct service *service)
{
    for (size_t i = 0; i < service->listen.n; i++)
        if (service->listen.items[i].spec.speaks == SPEAKS_TLS ||
            service->listen.items[i].spec.speaks == SPEAKS_WSS)
            return &service->listen.items[i];
    return NULL;
}

static void unload(struct config *config)
{
    for (size_t i = 0; i < config->n_services + config->n_left_out; i++)
        loaded->unload(config->services[i].tls.server);
}

void tls_certificates_load(struct config *config, struct problems *problems,
                           struct problems *warnings)
{
    for (size_t i = 0; i < config->n_services; i++) {
        struct loading loading = {.config = config,
                                  .service = &config->services[i],
                                  .problems = problems,
                                  .warnings = warnings};
        const struct listen *entry = entry_of(loading.service);
        const struct tls_face *face;
        char why[512];

        if (!entry || loading.service->tls.server)
            continue;
        face = tls_face(why, sizeof(why));
        if (!face) {
            problems_add(problems, entry->file, entry->line, "listen = \"%s\": %s", entry->text,
                         why);
            continue;
        }
        config->unload = unload;
        load_service(&loading, face);
    }
}

void tls_certificates_forget(bool may_use_library)
{
    if (loaded)
        loaded->forget_keys(may_use_library);
}

struct stage *tls_certificates_stage(const struct service *service, struct stage_end socket)
{
    return loaded && service->tls.server ? loaded->make(service->tls.server, socket) : NULL;
}
