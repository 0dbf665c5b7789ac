// SPDX-License-Identifier: MIT
// A source table: workers enter and leave, and are killed anywhere; the master buries them and
// recounts. As in src/access/source_table.c and source_audit.c, one shared access a step. One set
// of two ways, two sources, three workers; rates and penalties are left out: which way without
// connections is taken over is left to chance.
// Claims: whoever leaves finds its own count. No count is ever below 0. A recount moves a count
// towards what is true, whatever goes on meanwhile, and never away. In every quiet end, be it that
// workers still hold something, each count is the number of those who do, after one recount.

#define WAYS 2
#define NONE 255

#ifndef WORKERS
#define WORKERS 3
#endif

#ifndef SESSIONS
#define SESSIONS 2 // of each worker
#endif
#ifndef KILLS
#define KILLS 2
#endif
#ifndef LIMIT
#define LIMIT 2
#endif
#ifndef RECOUNTS
#define RECOUNTS 1 // besides the last one
#endif

#define FREE     0
#define PENDING  1
#define CLAIMING 2
#define HELD     3
#define LEAVING  4

typedef word {
    byte tag;   // 0: nobody's
    byte count;
};

typedef page {
    byte state, entry, session;
};

word table[WAYS];
page held[WORKERS];

bool begun[WORKERS], dead[WORKERS], buried[WORKERS];
byte inside[WORKERS]; // what is true: whose count has this worker, not yet given back; NONE
byte kills, n_dead, n_done;
bool is_unknown;      // a worker has died between two steps

// Before each step, a worker may be killed.
#define ALIVE if :: skip :: kills < KILLS -> kills++; n_dead++; dead[me] = true; goto gone fi

inline say(what) {
    held[me].state = what;
    held[me].entry = way;
    held[me].session = session
}

inline take(which) {
    way = which;
    seen.tag = table[which].tag;
    seen.count = table[which].count
}

proctype worker(byte me)
{
    byte source, session, way;
    word seen;

    (me == 0 || begun[me - 1]); // who comes first does not matter, nor for which source
    atomic {
        begun[me] = true;
        session = 1;
        source = 1;
        if
        :: skip
        :: me > 0 -> source = 2
        fi;
        goto look
    }
arrive:
    atomic {
        ALIVE;
        if
        :: session == SESSIONS -> goto gone
        :: session < SESSIONS -> session++
        fi;
        if
        :: source = 1
        :: source = 2
        fi;
        goto look
    }
find:
    atomic {
        ALIVE;
look:   if // the lowest way counts
        :: table[0].tag == source -> take(0)
        :: table[0].tag != source && table[1].tag == source -> take(1)
        :: else -> goto choose
        fi;
        if
        :: seen.count >= LIMIT -> goto refused
        :: else -> goto try
        fi
    }
choose:
    atomic {
        ALIVE;
        if // any way without connections
        :: table[0].count == 0 -> take(0)
        :: table[1].count == 0 -> take(1)
        :: else -> goto refused
        fi
    }
try:
    atomic {
        ALIVE;
        if
        :: seen.tag == source -> say(PENDING)
        :: else -> say(CLAIMING)
        fi
    }
    atomic { // the compare-and-swap
        ALIVE;
        if
        :: table[way].tag == seen.tag && table[way].count == seen.count ->
            table[way].count = (seen.tag == source -> seen.count + 1 : 1);
            table[way].tag = source;
            inside[me] = way
        :: else -> goto find
        fi;
        seen.tag = 0;
        seen.count = 0
    }
    atomic {
        ALIVE;
        say(HELD);
        if
        :: skip
        :: goto serving // for ever
        fi
    }
    atomic { ALIVE; say(LEAVING) }
    atomic {
        ALIVE;
        assert(table[way].tag == source && table[way].count > 0);
        table[way].count--;
        inside[me] = NONE
    }
refused:
    atomic {
        ALIVE;
        say(FREE);
        seen.tag = 0;
        seen.count = 0;
        source = 0;
        goto arrive
    }
serving:
    atomic { ALIVE }
gone:
    atomic {
        n_done++;
        source = 0;
        session = 0;
        way = 0;
        seen.tag = 0;
        seen.count = 0
    }
}

page before[WORKERS];
word read[WAYS];

// How many have the count of an entry.
inline count_true(entry, ret) {
    ret = 0;
    j = 0;
    do
    :: j < WORKERS -> ret = ret + (inside[j] == entry -> 1 : 0); j++
    :: else -> break
    od
}

inline bury(who) {
    if
    :: held[who].state == HELD ->
        if
        :: table[held[who].entry].count > 0 -> table[held[who].entry].count--
        :: else -> skip
        fi
    :: held[who].state == FREE -> skip
    :: else -> is_unknown = true
    fi;
    n_dead--;
    buried[who] = true;
    inside[who] = NONE;
    held[who].state = FREE;
    held[who].entry = 0;
    held[who].session = 0
}

// One step for each word that is read or written.
inline recount() {
    i = 0;
    do
    :: atomic {
            i < WORKERS ->
            before[i].state = held[i].state;
            before[i].entry = held[i].entry;
            before[i].session = held[i].session;
            i++
        }
    :: else -> break
    od;
    i = 0;
    do
    :: atomic {
            i < WAYS ->
            read[i].tag = table[i].tag;
            read[i].count = table[i].count;
            i++
        }
    :: else -> break
    od;
    i = 0;
    open = 0;
    do
    :: atomic {
            i < WORKERS -> // all ways are of one set
            if
            :: held[i].state != before[i].state || held[i].entry != before[i].entry ->
                open = open + (held[i].session - before[i].session > 1 -> 1 : 2)
            :: held[i].session != before[i].session ->
                open = open + 1
            :: else ->
                if
                :: held[i].state == HELD -> certain[held[i].entry]++
                :: held[i].state == FREE -> skip
                :: else -> open++
                fi
            fi;
            before[i].state = 0;
            before[i].entry = 0;
            before[i].session = 0;
            i++
        }
    :: else -> break
    od;
    i = 0;
    do
    :: atomic {
            i < WAYS ->
            least = (read[i].tag == 0 -> 0 : certain[i]);
            most = (read[i].tag == 0 -> 0 : certain[i] + open);
            if
            :: table[i].tag != read[i].tag -> skip
            :: else ->
                count_true(i, right);
                if
                :: read[i].count > most ->
                    assert(table[i].count >= right + read[i].count - most);
                    table[i].count = table[i].count - (read[i].count - most)
                :: read[i].count < least ->
                    assert(table[i].count + least - read[i].count <= right);
                    table[i].count = table[i].count + (least - read[i].count)
                :: else -> skip
                fi
            fi;
            read[i].tag = 0;
            read[i].count = 0;
            certain[i] = 0;
            least = 0;
            most = 0;
            right = 0;
            j = 0;
            i++
        }
    :: else -> break
    od;
    open = 0;
    i = 0
}

// A worker that is dead and not yet buried, if there is one.
inline find_dead() {
    i = 0;
    do
    :: i < WORKERS && (!dead[i] || buried[i]) -> i++
    :: else -> break
    od
}

proctype master()
{
    byte i, j, n, open, least, most, right;
    byte certain[WAYS];

    do
    :: atomic { n_dead > 0 -> find_dead(); bury(i); i = 0 }
    :: atomic { n < RECOUNTS -> n++ } recount()
    :: n_done == WORKERS && n_dead == 0 -> break
    od;
    if
    :: is_unknown -> recount()
    :: else -> skip
    fi;
    do
    :: i < WAYS ->
        count_true(i, right);
        assert(table[i].count == right);
        i++
    :: else -> break
    od
}

init {
    atomic {
        byte i;
        do
        :: i < WORKERS -> inside[i] = NONE; run worker(i); i++
        :: else -> break
        od;
        run master()
    }
}
