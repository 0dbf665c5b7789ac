// SPDX-License-Identifier: MIT
// The end of what goes to standard output: whoever reads it must not take a part for the whole.
#pragma once

// Writes what is left. status, or EX_IOERR when something could not be written, which is told.
int output_end(int status);
