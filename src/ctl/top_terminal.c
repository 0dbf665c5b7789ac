// SPDX-License-Identifier: MIT
// Apart, as term.h has macros with the names of many things.

#include "ctl/top_terminal.h"

#include <unistd.h>

#include <curses.h> // before the other one

#include <term.h>

bool top_terminal_moves(void)
{
    int why;
    bool moves;

    if (setupterm(NULL, STDOUT_FILENO, &why) == ERR)
        return false;
    moves = cursor_address != NULL;
    (void)del_curterm(cur_term);
    return moves;
}
