// SPDX-License-Identifier: MIT
// What a worker, and whatever it executes, could gain or inherit beyond its user's rights.
#pragma once

// For good: set-user-ID files and file capabilities have no effect from now on, prctl(2),
// PR_SET_NO_NEW_PRIVS; and of the capabilities that the unit has given to tcpd, a program inherits
// those only by which it may become another user or group. What the system refuses changes nothing.
void privileges_give_up(void);
