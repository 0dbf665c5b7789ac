// SPDX-License-Identifier: MIT
// Whom workers serve is asked for where all of a listener's are busy, and nowhere else.

#include "ctl/findings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/base.h"
#include "ctl/explain.h"
#include "ctl/fail.h"
#include "ctl/link.h"
#include "ctl/sessions.h"
#include "view/findings.h"
#include "view/json.h"

static void print_text(const struct finding *finding)
{
    if (finding->service[0] != '\0')
        (void)printf("%s%s%s: ", finding->service, finding->listener[0] ? " " : "",
                     finding->listener);
    (void)printf("%s\n", finding->text);
    if (finding->advice[0] != '\0')
        (void)printf("  -> %s\n", finding->advice);
}

static void print_json(const struct findings *findings)
{
    (void)fputs("{\"schema\":1,\"findings\":[", stdout);
    for (size_t i = 0; i < findings->n; i++) {
        const struct finding *finding = &findings->items[i];
        const char *const members[][2] = {{"code", finding->code},
                                          {"service", finding->service},
                                          {"listener", finding->listener},
                                          {"text", finding->text},
                                          {"advice", finding->advice}};

        for (size_t k = 0; k < ELEMENTS(members); k++) {
            (void)printf("%s\"%s\":", k > 0 ? "," : i > 0 ? ",{" : "{", members[k][0]);
            json_print_string(stdout, members[k][1]);
        }
        (void)fputc('}', stdout);
    }
    (void)fputs("]}\n", stdout);
}

static bool has_full(const struct findings *findings)
{
    for (size_t i = 0; i < findings->n; i++)
        if (strcmp(findings->items[i].code, "at_maximum") == 0)
            return true;
    return false;
}

static int ask_sessions(sd_bus *bus, const struct options *options, struct findings *findings)
{
    const struct session_filter filter = {.service = ""};
    struct sessions sessions = {0};
    int status = sessions_ask(bus, &filter, options->timeout_usec, &sessions);

    if (status == EX_OK && findings_add_sessions(findings, &sessions) < 0)
        status = fail(EXIT_FAILURE, "out of memory");
    sessions_done(&sessions);
    return status;
}

static int print(const struct options *options, const struct findings *findings)
{
    if (options->json)
        print_json(findings);
    for (size_t i = 0; i < findings->n && !options->json; i++)
        print_text(&findings->items[i]);
    if (findings->n == 0 && !options->json)
        (void)puts("all is as it should be");
    return findings->n > 0 ? EXPLAIN_REFUSED : EX_OK;
}

int findings_show(sd_bus *bus, const struct options *options)
{
    sd_bus_message *reply = NULL;
    struct findings findings = {0};
    int status = link_call(bus, "GetStatus", options->timeout_usec, &reply);
    int r = status == EX_OK ? findings_read(reply, &findings) : 0;

    if (r < 0)
        status = fail(EXIT_FAILURE, "tcpd's answer cannot be read: %s", strerror(-r));
    if (status == EX_OK && has_full(&findings))
        status = ask_sessions(bus, options, &findings);
    if (status == EX_OK)
        status = print(options, &findings);
    findings_done(&findings);
    (void)sd_bus_message_unref(reply);
    return status;
}
