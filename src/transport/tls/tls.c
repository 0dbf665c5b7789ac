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
};
