// SPDX-License-Identifier: MIT
// The face of tls.so.

#include "transport/tls/tls.h"

#include <openssl/crypto.h>

#include "transport/tls/tls_private.h"

const struct tls_face tcpd_tls = {
    .version = TCPD_VERSION,
    .library = OPENSSL_VERSION_TEXT,
    .load = tls_server_load,
    .unload = tls_server_unload,
    .forget_keys = tls_keys_forget,
    .make = tls_stage_make,
    .client_open = tls_client_open,
    .client_close = tls_client_close,
    .client_begin = tls_client_begin,
    .client_take = tls_client_take,
    .client_give = tls_client_give,
    .client_end = tls_client_end,
    .client_has_more = tls_client_has_more,
    .client_wants = tls_client_wants,
    .client_wrong = tls_client_wrong,
    .client_describe = tls_client_describe,
};
