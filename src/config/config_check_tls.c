// SPDX-License-Identifier: MIT
// What tcpd.conf says of certificates and of who shows them. What is in their files is looked at
// when they are loaded.

#include <string.h>

#include "base/base.h"
#include "config/config.h"
#include "config/config_check.h"
#include "config/settings.h"

#define CERTIFICATE_FILES 4
#define ALPN_SIZE_MAX     4096

static int line_of(const struct form *form, const int *lines, const char *name, int otherwise)
{
    int line = lines ? lines[form_find(form, name) - form->settings] : 0;

    return line > 0 ? line : otherwise;
}

int config_service_line(const struct service *service, const char *setting)
{
    return line_of(&settings_of_service, service->lines, setting, service->line);
}

int config_certificate_line(const struct certificate *certificate, const char *setting)
{
    return line_of(&settings_of_certificate, certificate->lines, setting, certificate->line);
}

struct certificate *config_certificate(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_certificates; i++)
        if (!config->certificates[i].is_again && strcmp(config->certificates[i].name, name) == 0)
            return &config->certificates[i];
    return NULL;
}

void config_check_certificate(const struct certificate *certificate, struct problems *problems)
{
    size_t n = certificate->chain.n;

    if (n == 0)
        problems_add(problems, certificate->file, certificate->line,
                     "certificate \"%s\" has no chain, a file with the server's certificate and "
                     "those that have signed it",
                     certificate->name);
    else if (n > CERTIFICATE_FILES)
        problems_add(problems, certificate->file, config_certificate_line(certificate, "chain"),
                     "certificate \"%s\" has %zu files in chain; %d are possible, each with a key "
                     "of another kind",
                     certificate->name, n, CERTIFICATE_FILES);
    else if (certificate->key.n > 0 && certificate->key.n != n)
        problems_add(problems, certificate->file, config_certificate_line(certificate, "key"),
                     "certificate \"%s\" has %zu file%s in key and %zu in chain; they belong "
                     "together in pairs",
                     certificate->name, certificate->key.n, PLURAL(certificate->key.n), n);
}

static const struct listen *tls_entry(const struct service *service)
{
    for (size_t i = 0; i < service->listen.n; i++)
        if (service->listen.items[i].spec.speaks == SPEAKS_TLS ||
            service->listen.items[i].spec.speaks == SPEAKS_WSS)
            return &service->listen.items[i];
    return NULL;
}

static void check_client(const struct service *service, struct problems *problems)
{
    const struct tls *tls = &service->tls;

    if (tls->client != TLS_CLIENT_NONE && !tls->client_ca)
        problems_add(problems, service->file, config_service_line(service, "tls_client"),
                     "tls_client of service \"%s\" needs tls_client_ca, a file with the "
                     "authorities whose clients may come in",
                     service->name);
    if (tls->client == TLS_CLIENT_NONE && tls->client_ca)
        problems_add(problems, service->file, config_service_line(service, "tls_client_ca"),
                     "tls_client_ca of service \"%s\" has no effect without tls_client = request "
                     "or require",
                     service->name);
    if (!tls->client_ca && tls->client_crl)
        problems_add(problems, service->file, config_service_line(service, "tls_client_crl"),
                     "tls_client_crl of service \"%s\" has no effect without tls_client_ca",
                     service->name);
}

// RFC 7301, 3.1.
static void check_alpn(const struct service *service, struct problems *problems)
{
    const struct text_list *names = &service->tls.alpn;
    size_t size = 0;

    for (size_t i = 0; i < names->n; i++) {
        size_t length = strlen(names->items[i]);

        size += 1 + length;
        if (length == 0 || length > 255)
            problems_add(problems, service->file, config_service_line(service, "tls_alpn"),
                         "tls_alpn of service \"%s\": \"%s\" is no name of a protocol; 1 to 255 "
                         "characters",
                         service->name, names->items[i]);
    }
    if (size > ALPN_SIZE_MAX)
        problems_add(problems, service->file, config_service_line(service, "tls_alpn"),
                     "tls_alpn of service \"%s\" is too long: %zu bytes of %d", service->name, size,
                     ALPN_SIZE_MAX);
}

static void check_service(const struct config *config, const struct service *service,
                          struct problems *problems)
{
    const struct listen *entry = tls_entry(service);
    const struct text_list *names = &service->tls.certificates;

    if (entry && names->n == 0)
        problems_add(problems, entry->file, entry->line,
                     "listen = \"%s\": service \"%s\" has no certificates, which say what it shows",
                     entry->text, service->name);
    check_client(service, problems);
    check_alpn(service, problems);
    for (size_t i = 0; i < names->n; i++)
        if (!config_certificate(config, names->items[i]))
            problems_add(problems, service->file, config_service_line(service, "certificates"),
                         "certificates of service \"%s\": there is no certificate \"%s\"",
                         service->name, names->items[i]);
}

void config_check_tls(const struct config *config, struct problems *problems)
{
    for (size_t i = 0; i < config->n_services; i++)
        if (!config->services[i].is_again)
            check_service(config, &config->services[i], problems);
}

static bool is_used(const struct config *config, const char *name)
{
    for (size_t s = 0; s < config->n_services + config->n_left_out; s++)
        for (size_t i = 0; i < config->services[s].tls.certificates.n; i++)
            if (strcmp(config->services[s].tls.certificates.items[i], name) == 0)
                return true;
    return false;
}

void config_warn_of_certificates(const struct config *config, struct problems *warnings)
{
    for (size_t i = 0; i < config->n_certificates; i++) {
        const struct certificate *certificate = &config->certificates[i];

        if (!is_used(config, certificate->name))
            problems_add(warnings, certificate->file, certificate->line,
                         "certificate \"%s\": no service shows it", certificate->name);
    }
    for (size_t i = 0; i < config->n_services; i++) {
        const struct service *service = &config->services[i];

        if (service->tls.certificates.n > 0 && !tls_entry(service))
            problems_add(warnings, service->file, config_service_line(service, "certificates"),
                         "certificates of service \"%s\" have no effect without an entry of listen "
                         "that begins with tls: or wss:",
                         service->name);
    }
}
