// SPDX-License-Identifier: MIT
// The command line. Everything wrong with it is found before a socket is opened, and told in one
// line that names the option or operand.

#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "base/timespan.h"
#include "client/help.h"

#define DATAGRAM_USEC (5 * USEC_PER_SEC) // datagrams may be lost

enum {
    OPTION_SOURCE = 256,
    OPTION_TIMEOUT,
    OPTION_FRAMING,
    OPTION_PREFIX,
    OPTION_RAW,
    OPTION_TLS,
    OPTION_CAFILE,
    OPTION_SNI,
    OPTION_CERT,
    OPTION_KEY,
    OPTION_INSECURE,
    OPTION_PROXY,
    OPTION_PROXY_SOURCE,
    OPTION_PROXY_DESTINATION,
    OPTION_PROXY_TLV,
    OPTION_PROXY_CRC,
};

static const struct option long_options[] = {
    {"send", required_argument, NULL, 's'},
    {"greeting", no_argument, NULL, 'g'},
    {"framing", required_argument, NULL, OPTION_FRAMING},
    {"prefix", no_argument, NULL, OPTION_PREFIX},
    {"raw", no_argument, NULL, OPTION_RAW},
    {"source", required_argument, NULL, OPTION_SOURCE},
    {"timeout", required_argument, NULL, OPTION_TIMEOUT},
    {"tls", no_argument, NULL, OPTION_TLS},
    {"cafile", required_argument, NULL, OPTION_CAFILE},
    {"sni", required_argument, NULL, OPTION_SNI},
    {"cert", required_argument, NULL, OPTION_CERT},
    {"key", required_argument, NULL, OPTION_KEY},
    {"insecure", no_argument, NULL, OPTION_INSECURE},
    {"proxy-protocol", required_argument, NULL, OPTION_PROXY},
    {"proxy-source", required_argument, NULL, OPTION_PROXY_SOURCE},
    {"proxy-destination", required_argument, NULL, OPTION_PROXY_DESTINATION},
    {"proxy-tlv", required_argument, NULL, OPTION_PROXY_TLV},
    {"proxy-crc", no_argument, NULL, OPTION_PROXY_CRC},
    {"udp", no_argument, NULL, 'u'},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {0},
};

static enum status set_framing(const char *name, struct options *options)
{
    for (int i = 0; i < FRAMING_N; i++)
        if (strcmp(name, framing_names[i]) == 0) {
            options->ask.framing = (enum framing)i;
            return STATUS_DONE;
        }
    return status_say(STATUS_USAGE, "--framing %s: must be chunk, line or length", name);
}

static enum status set_timeout(const char *text, struct options *options)
{
    uint64_t usec;

    if (timespan_parse(text, &usec) < 0)
        return status_say(STATUS_USAGE, "--timeout %s: not a span of time such as 500ms or 30s",
                          text);
    options->request.timeout_usec = usec > 0 ? usec : USEC_NEVER;
    options->has_timeout = true;
    return STATUS_DONE;
}

// NULL, or what is wrong with host and port.
static const char *parse_pair(const char *host, const char *port, struct address_spec *ret)
{
    char text[sizeof(ret->host) + sizeof(ret->port) + 4];
    bool bare = host[0] != '[';
    int n;

    if (host[0] == '\0')
        return "the host is missing";
    n = snprintf(text, sizeof(text), "%s%s%s:%s", bare ? "[" : "", host, bare ? "]" : "", port);
    if ((size_t)n >= sizeof(text))
        return "the host or port name is too long";
    return address_parse(text, ret);
}

// ADDRESS or ADDRESS:PORT. A bare IPv6 address has more than one colon.
static enum status set_source(const char *text, struct options *options)
{
    struct address_spec *source = &options->request.source;
    const char *first = strchr(text, ':'), *last = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    bool has_port = bracketed ? strstr(text, "]:") != NULL : first && first == last;
    const char *wrong = has_port ? address_parse(text, source) : parse_pair(text, "0", source);

    if (!wrong && source->kind == ADDRESS_UNIX)
        wrong = "must be an internet address";
    if (wrong)
        return status_say(STATUS_USAGE, "--source %s: %s", text, wrong);
    options->request.has_source = true;
    return STATUS_DONE;
}

static enum status inform(int option, struct options *options)
{
    options->mode = OPTIONS_INFORM;
    if (fputs(option == 'h' ? help_text : "tcpc " TCPD_VERSION "\n", stdout) < 0 ||
        fflush(stdout) != 0)
        return status_say(STATUS_SYSTEM, "standard output: %s", strerror(errno));
    return STATUS_DONE;
}

// Of TLS. False: it is none of these.
static bool set_tls(int option, const char *argument, struct tls_options *tls)
{
    if (option == OPTION_TLS)
        tls->is_on = true;
    else if (option == OPTION_INSECURE)
        tls->is_insecure = true;
    else if (option == OPTION_CAFILE)
        tls->ca_file = argument;
    else if (option == OPTION_SNI)
        tls->sni = argument;
    else if (option == OPTION_CERT)
        tls->certificate = argument;
    else if (option == OPTION_KEY)
        tls->key = argument;
    else
        return false;
    return true;
}

// Of the PROXY protocol. False: it is none of these.
static bool set_proxy(int option, const char *argument, struct proxy_options *proxy,
                      enum status *ret_status)
{
    *ret_status = STATUS_DONE;
    if (option == OPTION_PROXY)
        *ret_status = proxy_set_kind(proxy, argument);
    else if (option == OPTION_PROXY_SOURCE)
        *ret_status = proxy_set_end(&proxy->source, "--proxy-source", argument);
    else if (option == OPTION_PROXY_DESTINATION)
        *ret_status = proxy_set_end(&proxy->destination, "--proxy-destination", argument);
    else if (option == OPTION_PROXY_TLV)
        *ret_status = proxy_add_tlv(proxy, argument);
    else if (option == OPTION_PROXY_CRC)
        proxy->has_crc = true;
    else
        return false;
    return true;
}

static enum status set_option(int option, char *argument, struct options *options)
{
    enum status status;

    if (set_proxy(option, argument, &options->proxy, &status))
        return status;
    if (set_tls(option, argument, &options->tls))
        return STATUS_DONE;
    switch (option) {
    case '4':
        options->request.family = AF_INET;
        break;
    case '6':
        options->request.family = AF_INET6;
        break;
    case 's':
        options->texts[options->ask.n_texts++] = argument;
        break;
    case 'g':
        options->ask.greeting = true;
        break;
    case 'u':
        options->is_udp = true;
        break;
    case 'v':
        options->verbose = true;
        break;
    case OPTION_PREFIX:
        options->ask.style.prefix = true;
        break;
    case OPTION_RAW:
        options->ask.style.raw = true;
        break;
    case OPTION_FRAMING:
        return set_framing(argument, options);
    case OPTION_TIMEOUT:
        return set_timeout(argument, options);
    case OPTION_SOURCE:
        return set_source(argument, options);
    case 'h':
    case 'V':
        return inform(option, options);
    default:
        (void)fputs("See tcpc --help.\n", stderr); // getopt has told what is wrong
        return STATUS_USAGE;
    }
    return STATUS_DONE;
}

// NULL, or what is wrong with options of TLS.
static const char *check_tls(const struct options *options)
{
    const struct tls_options *tls = &options->tls;
    const struct address_spec *target = &options->request.target;

    if (tls->is_on &&
        (options->is_udp || target->type != SOCK_STREAM || target->kind == ADDRESS_UNIX))
        return "--tls is for TCP";
    if (tls->key && !tls->certificate)
        return "--key needs --cert";
    if (!tls->is_on && (tls->is_insecure || tls->ca_file || tls->sni || tls->certificate))
        return "--cafile, --sni, --cert and --insecure need --tls";
    return NULL;
}

static enum status set_target(int n, char *const *operands, struct options *options)
{
    struct connect_request *request = &options->request;
    const char *wrong;

    if (n != 1 && n != 2)
        return status_say(STATUS_USAGE, "name one peer: HOST PORT, HOST:PORT or unix:/PATH; "
                                        "see tcpc --help");
    if (n == 1)
        wrong = address_parse(operands[0], &request->target);
    else if (strncmp(operands[0], "unix", 4) == 0 && strchr(operands[0], '/'))
        wrong = "a unix address has no port";
    else
        wrong = parse_pair(operands[0], operands[1], &request->target);
    if (!wrong && request->target.speaks == SPEAKS_TLS)
        options->tls.is_on = true;
    else if (!wrong && request->target.speaks != SPEAKS_PLAIN)
        wrong = "tcpc does not speak WebSocket";
    if (!wrong)
        wrong = check_tls(options);
    if (!wrong && options->is_udp && request->target.kind == ADDRESS_UNIX)
        wrong = "-u is for internet addresses: write unix-dgram:/PATH";
    if (options->is_udp)
        request->target.type = SOCK_DGRAM;
    if (!wrong)
        wrong = proxy_check(&options->proxy, &request->target);
    if (!wrong && request->target.kind == ADDRESS_WILDCARD)
        wrong = "* is for servers: name one host";
    if (!wrong && request->target.kind == ADDRESS_UNIX &&
        (request->has_source || request->family != AF_UNSPEC))
        wrong = "-4, -6 and --source are for internet addresses";
    if (wrong)
        return status_say(STATUS_USAGE, "%s%s%s: %s", operands[0], n == 2 ? " " : "",
                          n == 2 ? operands[1] : "", wrong);
    return STATUS_DONE;
}

// Where each message is a packet of its own.
static enum status check_packets(const struct options *options)
{
    const struct ask *ask = &options->ask;
    bool is_datagram = options->request.target.type == SOCK_DGRAM;
    bool is_copied = is_datagram && options->mode == OPTIONS_COPY;

    if (is_datagram && (ask->greeting || options->mode == OPTIONS_RECEIVE))
        return status_say(STATUS_USAGE, "%s is for connections: datagrams are answers",
                          ask->greeting ? "-g" : "--prefix without -s");
    if (ask->framing == FRAMING_CHUNK || (is_copied && ask->framing == FRAMING_LINE))
        return STATUS_DONE;
    return status_say(STATUS_USAGE, "--framing %s is for streams: %s", framing_names[ask->framing],
                      is_datagram ? "each datagram is a message"
                                  : "unix-seqpacket: has messages of its own");
}

// Finds the mode that the options ask for, and options which mean nothing in it.
static enum status set_mode(struct options *options)
{
    struct ask *ask = &options->ask;
    int type = options->request.target.type;
    bool has_framing = ask->framing != FRAMING_N;
    enum status status;

    if (ask->n_texts > 0 || ask->greeting)
        options->mode = OPTIONS_ASK;
    else
        options->mode = ask->style.prefix ? OPTIONS_RECEIVE : OPTIONS_COPY;
    if (!has_framing)
        ask->framing = FRAMING_CHUNK;
    if (type == SOCK_DGRAM && !options->has_timeout)
        options->request.timeout_usec = DATAGRAM_USEC;
    if (has_framing && type != SOCK_DGRAM && options->mode != OPTIONS_ASK)
        return status_say(STATUS_USAGE, "--framing needs -s or -g");
    status = type == SOCK_STREAM ? STATUS_DONE : check_packets(options);
    for (size_t i = 0; status == STATUS_DONE && type != SOCK_DGRAM && i < ask->n_texts; i++)
        if (ask->framing == FRAMING_CHUNK && ask->texts[i][0] == '\0')
            status = status_say(STATUS_USAGE, "-s '': an empty text is nothing in chunk framing; "
                                              "use --framing line or length");
    return status;
}

enum status options_parse(int argc, char **argv, struct options *ret_options)
{
    enum status status = STATUS_DONE;
    int option;

    *ret_options = (struct options){.texts = calloc((size_t)argc + 1, sizeof(char *))};
    ret_options->request.family = AF_UNSPEC;
    ret_options->request.timeout_usec = USEC_NEVER;
    ret_options->ask.framing = FRAMING_N;
    ret_options->ask.texts = ret_options->texts;
    if (!ret_options->texts)
        return status_tell("options", -ENOMEM);

    argv[0] = program_invocation_short_name; // getopt's messages begin with it
    while (status == STATUS_DONE && ret_options->mode != OPTIONS_INFORM &&
           (option = getopt_long(argc, argv, "46us:gvVh", long_options, NULL)) != -1)
        status = set_option(option, optarg, ret_options);
    if (status != STATUS_DONE || ret_options->mode == OPTIONS_INFORM)
        return status;
    status = set_target(argc - optind, argv + optind, ret_options);
    return status == STATUS_DONE ? set_mode(ret_options) : status;
}

void options_done(struct options *options)
{
    base_free(&options->texts);
    options->texts = NULL;
}
