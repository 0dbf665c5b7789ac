// SPDX-License-Identifier: MIT
// What tcpdctl --help prints.
#pragma once

extern const char help_text[];
