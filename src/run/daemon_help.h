// SPDX-License-Identifier: MIT
// What `tcpd --help` says.
#pragma once

extern const char daemon_help[];
