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
#include "transport/ticket_page.h"
#include "transport/tls/tls.h"
#include "transport/tls_expiry.h"

#define FILE_MOST ((size_t)1 << 20)

static const struct tls_face *loaded; // NULL: nobody has needed it

static const struct tls_face *tls_face(char *why, size_t size)
{
    if (!loaded)
        loaded = own_object_load("tls", "tcpd_tls", why, size);
    return loaded;
}

// A file that is read while contexts are made of it.
struct reading {
    char *path;
    struct file_text text;
};

// The files of a certificate's section.
struct section_reading {
    struct certificate *certificate;
    struct reading *readings; // of each pair two: chain, key
    struct tls_pair *pairs;
};

// What one service is loaded with.
struct loading {
    const struct config *config;
    struct service *service;
    struct section_reading *sections;
    struct tls_identity *identities;
    size_t n;
    struct reading client_ca, client_crl;
    struct problems *problems, *warnings;
    bool is_wrong;
};

// Where something is written, and what it is called.
struct subject {
    struct place place;
    const char *kind, *name; // "certificate" and its name
};

static struct subject of_certificate(const struct certificate *certificate, const char *setting)
{
    return (struct subject){{certificate->file, config_certificate_line(certificate, setting)},
                            "certificate",
                            certificate->name};
}

static struct subject of_service(const struct service *service, const char *setting)
{
    return (struct subject){
        {service->file, config_service_line(service, setting)}, "service", service->name};
}

// What is wrong with a certificate is written there, but keeps this service from being served.
__attribute__((format(printf, 3, 4))) static void
complain(struct loading *loading, const struct subject *subject, const char *format, ...)
{
    const struct place place = {loading->service->file, loading->service->line};
    char text[2048], head[1024], *whole = NULL;
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    (void)problems_place(subject->place.file, subject->place.line, head, sizeof(head));
    if (asprintf(&whole, "%s: %s \"%s\": %s", head, subject->kind, subject->name, text) < 0)
        base_out_of_memory();
    problems_add_text(loading->problems, whole, &place);
    free(whole);
    loading->is_wrong = true;
}

// ---- Files --------------------------------------------------------------------------------------

static const char credential[] = "credential:";

// A relative path begins where the configuration file is; "credential:NAME" is a file that the
// service manager passes to its service (systemd.exec(5), CREDENTIALS). NULL: there are none.
static char *resolve(const char *file, const char *path)
{
    const char *slash = strrchr(file, '/');
    int folder = path[0] != '/' && slash ? (int)(slash - file) + 1 : 0;
    const char *credentials = getenv("CREDENTIALS_DIRECTORY");
    bool is_credential = strncmp(path, credential, strlen(credential)) == 0;
    char *whole = NULL;
    int r;

    if (is_credential && (!credentials || credentials[0] != '/'))
        return NULL;
    if (is_credential)
        r = asprintf(&whole, "%s/%s", credentials, path + strlen(credential));
    else
        r = asprintf(&whole, "%.*s%s", folder, file, path);
    if (r < 0)
        base_out_of_memory();
    return whole;
}

static struct tls_file read_one(struct loading *loading, struct reading *reading, const char *path,
                                const struct subject *subject, const char *setting)
{
    int r;

    reading->path = resolve(subject->place.file, path);
    if (!reading->path) {
        complain(loading, subject,
                 "%s \"%s\": no credentials were passed to this process; LoadCredential= of the "
                 "unit does it, and \"tcpdctl check\" asks the daemon that has them",
                 setting, path);
        return (struct tls_file){0};
    }
    r = file_read(reading->path, FILE_MOST, &reading->text);
    if (r < 0)
        complain(loading, subject, "%s \"%s\": %s", setting, reading->path,
                 r == -EFBIG     ? "longer than 1 MiB"
                 : r == -ENOTSUP ? "not a regular file"
                                 : strerror(-r));
    else if (strcmp(setting, "key") == 0 && (reading->text.mode & S_IROTH))
        complain(loading, subject, "key \"%s\" may be read by everybody (mode %04o); chmod o-r",
                 reading->path, reading->text.mode & 07777);
    return (struct tls_file){
        .path = reading->path, .bytes = reading->text.bytes, .n = reading->text.n};
}

static void read_section(struct loading *loading, struct section_reading *section)
{
    const struct certificate *certificate = section->certificate;
    const struct subject chain = of_certificate(certificate, "chain");
    const struct subject key = of_certificate(certificate, "key");
    const struct text_list *keys = certificate->key.n > 0 ? &certificate->key : &certificate->chain;
    size_t n = certificate->chain.n;

    section->readings = base_checked(calloc(2 * n + 1, sizeof(section->readings[0])));
    section->pairs = base_checked(calloc(n + 1, sizeof(section->pairs[0])));
    for (size_t i = 0; i < n; i++) {
        struct tls_pair *pair = &section->pairs[i];

        pair->chain = read_one(loading, &section->readings[2 * i], certificate->chain.items[i],
                               &chain, "chain");
        if (pair->chain.bytes || keys != &certificate->chain) // else it has been said
            pair->key = read_one(loading, &section->readings[2 * i + 1], keys->items[i], &key,
                                 "key");
    }
}

static struct tls_file read_of_service(struct loading *loading, struct reading *reading,
                                       const char *path, const char *setting)
{
    const struct subject subject = of_service(loading->service, setting);

    if (!path)
        return (struct tls_file){0};
    return read_one(loading, reading, path, &subject, setting);
}

static void forget(struct reading *reading)
{
    if (reading->text.bytes)
        explicit_bzero(reading->text.bytes, reading->text.n);
    free(reading->text.bytes);
    free(reading->path);
}

static void forget_section(struct section_reading *section)
{
    for (size_t i = 0; section->readings && i < 2 * section->certificate->chain.n; i++)
        forget(&section->readings[i]);
    free(section->readings);
    free(section->pairs);
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
    static const char *const settings[] = {[TLS_CHAIN] = "chain",
                                           [TLS_KEY] = "key",
                                           [TLS_CLIENT_CA] = "tls_client_ca",
                                           [TLS_CLIENT_CRL] = "tls_client_crl"};
    struct loading *loading = data;
    bool is_of_certificate = complaint->about == TLS_CHAIN || complaint->about == TLS_KEY;
    const struct certificate *certificate = loading->sections[complaint->identity].certificate;
    const struct subject subject = is_of_certificate
                                       ? of_certificate(certificate, settings[complaint->about])
                                       : of_service(loading->service, settings[complaint->about]);

    if (!complaint->is_warning)
        complain(loading, &subject, "%s", complaint->text);
    else if (!is_of_certificate || is_first(loading, certificate))
        problems_add(loading->warnings, subject.place.file, subject.place.line, "%s \"%s\": %s",
                     subject.kind, subject.name, complaint->text);
}

// Of several pairs the time is that of the one which ends first, and the names are the first's.
static void take_shown(const struct tls_shown *shown, void *data)
{
    const struct loading *loading = data;
    struct certificate *certificate = loading->sections[shown->identity].certificate;
    char *keys = NULL;

    if (certificate->until_sec == 0 || shown->until < certificate->until_sec) {
        certificate->since_sec = shown->since;
        certificate->until_sec = shown->until;
    }
    if (!certificate->names)
        certificate->names = base_checked(strdup(shown->names));
    if (asprintf(&keys, "%s%s%s", certificate->keys ? certificate->keys : "",
                 certificate->keys ? ", " : "", shown->key) < 0)
        base_out_of_memory();
    free(certificate->keys);
    certificate->keys = keys;
}

// Each service that shows it reads it anew.
static void forget_shown(struct certificate *certificate)
{
    free(certificate->keys);
    free(certificate->names);
    certificate->keys = certificate->names = NULL;
    certificate->since_sec = certificate->until_sec = 0;
}

static void make_server(struct loading *loading, const struct tls_face *face)
{
    static const enum tls_clients clients[TLS_CLIENTS_N] = {[TLS_CLIENT_NONE] = TLS_ANY_CLIENT,
                                                            [TLS_CLIENT_REQUEST] = TLS_REQUEST,
                                                            [TLS_CLIENT_REQUIRE] = TLS_REQUIRE};
    const struct service *service = loading->service;
    const struct tls *tls = &service->tls;
    const struct tls_settings settings = {
        .service = service->name,
        .identities = loading->identities,
        .n = loading->n,
        .profile = tls->profile == TLS_PROFILE_MODERN ? TLS_MODERN : TLS_INTERMEDIATE,
        .refuses_unknown = tls->unknown_name == TLS_UNKNOWN_NAME_REFUSE,
        .clients = clients[tls->client],
        .client_ca = read_of_service(loading, &loading->client_ca, tls->client_ca, "tls_client_ca"),
        .client_crl = read_of_service(loading, &loading->client_crl, tls->client_crl,
                                      "tls_client_crl"),
        .alpn = (const char *const *)tls->alpn.items,
        .n_alpn = tls->alpn.n,
        .tickets = tls->has_tickets ? ticket_page_open() : NULL,
        .is_strict = tls->end == TLS_END_STRICT,
    };

    const struct tls_audience audience = {take_complaint, take_shown, loading};

    if (!loading->is_wrong && loading->n > 0)
        loading->service->tls.server = face->load(&settings, &audience);
}

static void load_service(struct loading *loading, const struct tls_face *face)
{
    const struct text_list *names = &loading->service->tls.certificates;

    loading->n = names->n;
    loading->sections = base_checked(calloc(names->n + 1, sizeof(loading->sections[0])));
    loading->identities = base_checked(calloc(names->n + 1, sizeof(loading->identities[0])));
    for (size_t i = 0; i < names->n; i++) {
        struct section_reading *section = &loading->sections[i];

        section->certificate = config_certificate(loading->config, names->items[i]);
        if (!section->certificate) { // which has been said
            loading->is_wrong = true;
            continue;
        }
        forget_shown(section->certificate);
        read_section(loading, section);
        loading->identities[i] = (struct tls_identity){
            .name = names->items[i], .pairs = section->pairs, .n = section->certificate->chain.n};
    }
    make_server(loading, face);
    for (size_t i = 0; i < names->n; i++)
        forget_section(&loading->sections[i]);
    forget(&loading->client_ca);
    forget(&loading->client_crl);
    free(loading->sections);
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
    tls_expiry_warn(config, warnings);
}

void tls_certificates_forget(bool may_use_library)
{
    if (loaded)
        loaded->forget_keys(may_use_library);
    ticket_page_forget();
}

struct stage *tls_certificates_stage(const struct service *service, struct stage_end socket,
                                     bool is_http)
{
    static WITH_SMALL_ONES struct tls_front front;

    if (!loaded || !service->tls.server)
        return NULL;
    loaded->make(&front, service->tls.server, socket, is_http);
    return &front.stage;
}
