// SPDX-License-Identifier: MIT
// The tables of tcpd.conf that belong to no handler. tcpd.conf(5) has the same.

#include "config/settings.h"

#include "base/base.h"
#include "base/proxy_header.h"
#include "config/config.h"

static const char *const log_sessions_names[LOG_SESSIONS_N] = {
    [LOG_SESSIONS_NONE] = "none", [LOG_SESSIONS_ERRORS] = "errors", [LOG_SESSIONS_ALL] = "all"};
static const char *const log_sessions_form_names[LOG_SESSIONS_FORMS] = {
    [LOG_SESSIONS_ENTRIES] = "entries", [LOG_SESSIONS_LINES] = "lines"};
const char *const log_addresses_names[LOG_ADDRESSES_N] = {[LOG_ADDRESSES_FULL] = "full",
                                                          [LOG_ADDRESSES_MASKED] = "masked",
                                                          [LOG_ADDRESSES_NONE] = "none"};
static const char *const log_refusals_names[LOG_REFUSALS_N] = {
    [LOG_REFUSALS_NONE] = "none", [LOG_REFUSALS_FIRST] = "first", [LOG_REFUSALS_ALL] = "all"};
static const char *const source_overflow_names[SOURCE_OVERFLOWS] = {
    [SOURCE_OVERFLOW_ALLOW] = "allow", [SOURCE_OVERFLOW_REFUSE] = "refuse"};
static const char *const proxy_protocol_names[PROXY_PROTOCOLS] = {
    [PROXY_OFF] = "off", [PROXY_TRUSTED] = "trusted", [PROXY_REQUIRED] = "required"};
static const char *const proxy_unknown_names[] = {"refuse", "accept"};
static const char *const ws_messages_names[WS_MESSAGES_N] = {[WS_MESSAGES_AUTO] = "auto",
                                                             [WS_MESSAGES_LINE] = "line",
                                                             [WS_MESSAGES_TEXT] = "text",
                                                             [WS_MESSAGES_BINARY] = "binary"};
static const char *const sandbox_names[SANDBOX_KINDS] = {[SANDBOX_AUTO] = "auto",
                                                         [SANDBOX_STRICT] = "strict",
                                                         [SANDBOX_MODULES] = "modules",
                                                         [SANDBOX_PROGRAMS] = "programs",
                                                         [SANDBOX_OFF] = "off"};
static const char *const tls_profile_names[TLS_PROFILES_N] = {
    [TLS_PROFILE_INTERMEDIATE] = "intermediate", [TLS_PROFILE_MODERN] = "modern"};
static const char *const tls_unknown_name_names[TLS_UNKNOWN_NAMES_N] = {
    [TLS_UNKNOWN_NAME_SERVE] = "serve", [TLS_UNKNOWN_NAME_REFUSE] = "refuse"};
static const char *const tls_client_names[TLS_CLIENTS_N] = {
    [TLS_CLIENT_NONE] = "none", [TLS_CLIENT_REQUEST] = "request", [TLS_CLIENT_REQUIRE] = "require"};
static const char *const tls_end_names[TLS_ENDS_N] = {
    [TLS_END_LENIENT] = "lenient", [TLS_END_STRICT] = "strict"};
static const char *const no_yes[] = {"no", "yes"};

#define OF_FILE(name, kind, field)    FIELD(name, kind, struct config, field)
#define OF_SERVICE(name, kind, field) FIELD(name, kind, struct service, field)

// clang-format off
static const struct setting of_file[] = {
    {OF_FILE("stop_timeout", SPAN, stop_timeout_usec), .initial = "30s"},
    {OF_FILE("stop_idle_timeout", SPAN, stop_idle_usec), .initial = "2s"},
    {OF_FILE("drain_delay", SPAN, drain_delay_usec), .initial = "0"},
    {OF_FILE("reload_timeout", SPAN, reload_timeout_usec), .initial = "20s"},
    {OF_FILE("socket_units", CHOICE, socket_units), .initial = "yes", CHOICES(no_yes)},
    {OF_FILE("exit_idle_time", SPAN, exit_idle_usec), .initial = "0"},
    {OF_FILE("log_sessions", CHOICE, log_sessions), .initial = "errors",
     CHOICES(log_sessions_names)},
    {OF_FILE("log_sessions_form", CHOICE, log_sessions_form), .initial = "entries",
     CHOICES(log_sessions_form_names)},
    {OF_FILE("log_sessions_rate", COUNT, log_sessions_rate), .initial = "1000", .max = 1000000},
    {OF_FILE("control", ADDRESS, control)},
    {OF_FILE("log_addresses", CHOICE, log_addresses), .initial = "full",
     CHOICES(log_addresses_names)},
    {OF_FILE("log_refusals", CHOICE, log_refusals), .initial = "first",
     CHOICES(log_refusals_names)},
};

static const struct setting of_service[] = {
    {.name = "handler", .kind = SETTING_VARIANT},
    {OF_SERVICE("listen", LISTEN, listen)},
    {OF_SERVICE("allow", PREFIXES, access.allow),
     .empty = "nobody could connect; to mean that, write deny = {any}"},
    {OF_SERVICE("deny", PREFIXES, access.deny)},
    {OF_SERVICE("refusal_text", TEXT, access.refusal_text)},
    {OF_SERVICE("unit_filter", CHOICE, unit_filter), .initial = "no", CHOICES(no_yes)},
    {OF_SERVICE("source_connections", COUNT, sources.connections), .initial = "0", .max = 30000},
    {OF_SERVICE("source_rate", RATE, sources.rate), .initial = "0"},
    {OF_SERVICE("source_burst", COUNT, sources.burst), .initial = "0", .max = 65535},
    {OF_SERVICE("source_prefix4", COUNT, sources.prefix4), .initial = "32", .min = 8, .max = 32},
    {OF_SERVICE("source_prefix6", COUNT, sources.prefix6), .initial = "64", .min = 16, .max = 128},
    {OF_SERVICE("source_exempt", PREFIXES, sources.exempt)},
    {OF_SERVICE("source_overflow", CHOICE, sources.overflow), .initial = "allow",
     CHOICES(source_overflow_names)},
    {OF_SERVICE("source_table", COUNT, sources.table), .initial = "0",
     .max = SOURCE_ENTRIES_MAX},
    {OF_SERVICE("source_dry_run", CHOICE, sources.dry_run), .initial = "no", CHOICES(no_yes)},
    {OF_SERVICE("penalty_crash", SPAN, sources.penalties_usec[SOURCE_CRASH]), .initial = "0"},
    {OF_SERVICE("penalty_protocol", SPAN, sources.penalties_usec[SOURCE_PROTOCOL]), .initial = "0"},
    {OF_SERVICE("penalty_timeout", SPAN, sources.penalties_usec[SOURCE_TIMEOUT]), .initial = "0"},
    {OF_SERVICE("penalty_refused", SPAN, sources.penalties_usec[SOURCE_REFUSED]), .initial = "0"},
    {OF_SERVICE("penalty_min", SPAN, sources.penalty_min_usec), .initial = "15s"},
    {OF_SERVICE("penalty_max", SPAN, sources.penalty_max_usec), .initial = "10min"},
    {OF_SERVICE("proxy_protocol", CHOICE, access.senders.protocol), .initial = "off",
     CHOICES(proxy_protocol_names)},
    {OF_SERVICE("proxy_trusted", PREFIXES, access.senders.trusted)},
    {OF_SERVICE("proxy_timeout", SPAN, proxy.timeout_usec), .initial = "5s"},
    {OF_SERVICE("proxy_version", CHOICE, proxy.versions), .initial = "any",
     CHOICES(proxy_version_names)},
    {OF_SERVICE("proxy_unknown", CHOICE, proxy.takes_unknown), .initial = "accept",
     CHOICES(proxy_unknown_names)},
    {OF_SERVICE("backlog", COUNT, backlog), .initial = "4096", .min = 1, .max = 65535},
    {OF_SERVICE("min_workers", COUNT, min_workers), .initial = "4", .min = 1, .max = 30000},
    {OF_SERVICE("max_workers", COUNT, max_workers), .initial = "256", .min = 1, .max = 30000},
    {OF_SERVICE("spare_workers", COUNT, spare_workers), .initial = "4", .max = 30000},
    {OF_SERVICE("spawn_burst", COUNT, spawn.burst), .initial = "4096", .min = 1, .max = 1000000},
    {OF_SERVICE("spawn_rate", COUNT, spawn.per_sec), .initial = "4096", .min = 1, .max = 1000000},
    {OF_SERVICE("max_sessions_per_worker", COUNT, max_sessions_per_worker), .initial = "0",
     .max = 1000000000},
    {OF_SERVICE("max_worker_age", SPAN, max_worker_age_usec), .initial = "0"},
    {OF_SERVICE("core_dumps", CHOICE, core_dumps), .initial = "no", CHOICES(no_yes)},
    {OF_SERVICE("new_privileges", CHOICE, new_privileges), .initial = "no", CHOICES(no_yes)},
    {OF_SERVICE("handshake_timeout", SPAN, deadlines.handshake_usec), .initial = "10s"},
    {OF_SERVICE("first_byte_timeout", SPAN, deadlines.first_byte_usec), .initial = "30s"},
    {OF_SERVICE("idle_timeout", SPAN, deadlines.idle_usec), .initial = "60s"},
    {OF_SERVICE("send_timeout", SPAN, deadlines.send_usec), .initial = "30s"},
    {OF_SERVICE("session_timeout", SPAN, deadlines.session_usec), .initial = "0"},
    {OF_SERVICE("slow_session", SPAN, slow_usec), .initial = "0"},
    {OF_SERVICE("socket_mode", MODE, socket_mode), .initial = "0666", .max = 0777},
    {OF_SERVICE("socket_user", TEXT, socket_user)},
    {OF_SERVICE("socket_group", TEXT, socket_group)},
    {OF_SERVICE("sandbox", CHOICE, sandbox), .initial = "auto", CHOICES(sandbox_names)},
    {OF_SERVICE("amplification", COUNT, amplification), .initial = "3", .max = 1000},
    {OF_SERVICE("receive_buffer", LIMIT, receive_buffer), .initial = "0"},
    {OF_SERVICE("ws_origins", LIST, websocket.origins)},
    {OF_SERVICE("ws_hosts", LIST, websocket.hosts)},
    {OF_SERVICE("ws_path", TEXT, websocket.path), .initial = "/"},
    {OF_SERVICE("ws_protocols", LIST, websocket.protocols)},
    {OF_SERVICE("ws_messages", CHOICE, websocket.messages), .initial = "auto",
     CHOICES(ws_messages_names)},
    {OF_SERVICE("ws_ping", SPAN, websocket.ping_usec), .initial = "30s"},
    {OF_SERVICE("ws_message_max", LIMIT, websocket.message_max), .initial = "16M"},
    {OF_SERVICE("ws_page", CHOICE, websocket.has_page), .initial = "no", CHOICES(no_yes)},
    {OF_SERVICE("certificates", LIST, tls.certificates)},
    {OF_SERVICE("tls_profile", CHOICE, tls.profile), .initial = "intermediate",
     CHOICES(tls_profile_names)},
    {OF_SERVICE("tls_unknown_name", CHOICE, tls.unknown_name), .initial = "serve",
     CHOICES(tls_unknown_name_names)},
    {OF_SERVICE("tls_client", CHOICE, tls.client), .initial = "none", CHOICES(tls_client_names)},
    {OF_SERVICE("tls_client_ca", TEXT, tls.client_ca), .is_path = true},
    {OF_SERVICE("tls_client_crl", TEXT, tls.client_crl), .is_path = true},
    {OF_SERVICE("tls_alpn", LIST, tls.alpn)},
    {OF_SERVICE("tls_tickets", CHOICE, tls.has_tickets), .initial = "yes", CHOICES(no_yes)},
    {OF_SERVICE("tls_end", CHOICE, tls.end), .initial = "lenient", CHOICES(tls_end_names)},
};

static const struct setting of_certificate[] = {
    {FIELD("chain", LIST, struct certificate, chain), .is_path = true},
    {FIELD("key", LIST, struct certificate, key), .is_path = true},
};
// clang-format on

const struct form settings_of_file = FORM(struct config, of_file);
const struct form settings_of_service = FORM(struct service, of_service);
const struct form settings_of_certificate = FORM(struct certificate, of_certificate);
