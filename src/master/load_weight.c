// SPDX-License-Identifier: MIT
// Down at once: a node that is full must not get its share for another second. Up slowly, or all
// nodes would follow each other's load to and fro. Small changes are not told.

#include "master/load_weight.h"

#include "base/base.h"

#define UNIT         UINT64_C(1000)
#define RISE_PER_SEC (10 * UNIT)

// In thousandths. Without room for anybody it is full.
static uint64_t level_of(const struct load *load)
{
    uint64_t taken = load->busy + load->queued;
    uint64_t level;

    if (taken >= load->max)
        return LOAD_WEIGHT_MIN * UNIT;
    level = LOAD_WEIGHT_MAX * UNIT * (load->max - taken) / load->max;
    return level < LOAD_WEIGHT_MIN * UNIT ? LOAD_WEIGHT_MIN * UNIT : level;
}

static uint64_t rise(uint64_t elapsed_usec)
{
    uint64_t full_usec = LOAD_WEIGHT_MAX * UNIT * USEC_PER_SEC / RISE_PER_SEC;

    return elapsed_usec < full_usec ? elapsed_usec * RISE_PER_SEC / USEC_PER_SEC
                                    : LOAD_WEIGHT_MAX * UNIT;
}

unsigned load_weight_next(struct load_weight *weight, const struct load *load, uint64_t now_usec)
{
    uint64_t level = level_of(load), risen = weight->level + rise(now_usec - weight->usec);
    uint64_t told = weight->told * UNIT, step = LOAD_WEIGHT_STEP * UNIT;
    bool is_first = weight->told == 0;
    bool waits = level > weight->level && risen == weight->level; // for a thousandth to be due

    if (!is_first && level > risen)
        level = risen;
    if (is_first || !waits)
        weight->usec = now_usec;
    weight->level = level;
    if (is_first || level >= told + step || level + step <= told)
        weight->told = (unsigned)((level + step / 2) / step * LOAD_WEIGHT_STEP);
    return weight->told;
}
