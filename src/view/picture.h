// SPDX-License-Identifier: MIT
// Pictures of figures, as SVG within a page. What they show stands in a table beside them, too:
// states differ by pattern, not by colour alone.
#pragma once

#include "view/counters.h"
#include "view/html.h"

// Workers of each pool by what they do, as bars, each as long as its maximum.
void picture_workers(struct html *html, const struct counters *counters);

// How often something took how long. name: for ids, unique on the page.
void picture_histogram(struct html *html, const char *name, const char *title,
                       const struct histogram *histogram);

#define PICTURE_BOUND_MAX 24

// "0.1 ms", "2 s", "above": the bucket's bound.
const char *picture_bound(size_t i, char text[PICTURE_BOUND_MAX]);
