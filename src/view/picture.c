// SPDX-License-Identifier: MIT
#include "view/picture.h"

#include <inttypes.h>
#include <string.h>

#include "base/base.h"

#define WIDTH      600
#define ROW        36 // of a pool: its name above its bar
#define BAR        14
#define BUCKET     (WIDTH / (HISTOGRAM_BOUNDS + 1))
#define HEIGHT     90 // of the highest bucket
#define LABEL      18
#define LABEL_EACH 4 // buckets

// In the order of a bar. Their patterns are what tells them apart.
static const struct {
    const char *state;
    const char *path; // of the pattern, NULL: it is plain
} states[] = {
    {"busy", NULL},
    {"starting", "M0 3h6"},
    {"idle", "M3 3h.01"},
    {"parked", "M3 0v6"},
};

// Begins a picture that is read aloud as its title and its description.
static void begin(struct html *html, const char *name, uint64_t height, const char *title,
                  const char *description)
{
    char box[64], ids[64];

    (void)snprintf(box, sizeof(box), "0 0 %d %" PRIu64, WIDTH, height);
    (void)snprintf(ids, sizeof(ids), "%s-title %s-about", name, name);
    html_open(html, "svg");
    html_attribute(html, "viewBox", box);
    html_attribute(html, "role", "img");
    html_attribute(html, "aria-labelledby", ids);
    (void)snprintf(ids, sizeof(ids), "%s-title", name);
    html_open(html, "title");
    html_attribute(html, "id", ids);
    html_text(html, title);
    html_close(html, "title");
    (void)snprintf(ids, sizeof(ids), "%s-about", name);
    html_open(html, "desc");
    html_attribute(html, "id", ids);
    html_text(html, description);
    html_close(html, "desc");
}

struct box {
    uint64_t x, y, width, height;
};

// A rectangle, whose further attributes may come, and a tip within it.
static void open_box(struct html *html, struct box box, const char *kind)
{
    html_open(html, "rect");
    html_attribute_number(html, "x", box.x);
    html_attribute_number(html, "y", box.y);
    html_attribute_number(html, "width", box.width);
    html_attribute_number(html, "height", box.height);
    html_attribute(html, "class", kind);
}

static void define_patterns(struct html *html)
{
    html_open(html, "defs");
    for (size_t i = 0; i < ELEMENTS(states); i++) {
        if (!states[i].path)
            continue;
        html_open(html, "pattern");
        html_attribute(html, "id", states[i].state);
        html_attribute(html, "width", "6");
        html_attribute(html, "height", "6");
        html_attribute(html, "patternUnits", "userSpaceOnUse");
        open_box(html, (struct box){0, 0, 6, 6}, states[i].state);
        html_end(html);
        html_open(html, "path");
        html_attribute(html, "d", states[i].path);
        html_attribute(html, "class", "stroke");
        html_end(html);
        html_close(html, "pattern");
    }
    html_close(html, "defs");
}

static void draw_state(struct html *html, struct box box, size_t i)
{
    char fill[32];

    (void)snprintf(fill, sizeof(fill), "url(#%s)", states[i].state);
    open_box(html, box, "worker");
    if (states[i].path)
        html_attribute(html, "fill", fill);
    else
        html_attribute(html, "data-state", states[i].state);
    html_end(html);
}

// The bar ends at the maximum; what garbage would have beyond it is cut.
static void draw_pool(struct html *html, const struct counters_pool *pool, uint64_t y)
{
    uint64_t max = pool->max > 0 ? pool->max : 1, sum = 0;

    html_open(html, "text");
    html_attribute(html, "x", "0");
    html_attribute_number(html, "y", y + 14);
    html_format(html, "%s %s: %" PRIu64 " of %" PRIu64 " busy", pool->service, pool->listener,
                counters_number(&pool->workers, "busy"), pool->max);
    html_close(html, "text");
    open_box(html, (struct box){0, y + 18, WIDTH, BAR}, "frame");
    html_end(html);
    for (size_t i = 0; i < ELEMENTS(states); i++) {
        uint64_t n = counters_number(&pool->workers, states[i].state);
        uint64_t from, to;

        n = n < max - sum ? n : max - sum;
        from = sum * WIDTH / max;
        sum += n;
        to = sum * WIDTH / max;
        if (to > from)
            draw_state(html, (struct box){from, y + 18, to - from, BAR}, i);
    }
}

static void draw_key(struct html *html, uint64_t y)
{
    uint64_t x = 0;

    for (size_t i = 0; i < ELEMENTS(states); i++) {
        draw_state(html, (struct box){x, y, BAR, BAR}, i);
        html_open(html, "text");
        html_attribute_number(html, "x", x + BAR + 6);
        html_attribute_number(html, "y", y + 12);
        html_text(html, states[i].state);
        html_close(html, "text");
        x += WIDTH / (ELEMENTS(states) + 1);
    }
}

void picture_workers(struct html *html, const struct counters *counters)
{
    begin(html, "workers", counters->n * ROW + BAR + 10, "Workers of their maximum",
          "A bar for each listener, as long as max_workers: busy, starting, idle and parked "
          "workers. The table of services has the numbers.");
    define_patterns(html);
    for (size_t i = 0; i < counters->n; i++)
        draw_pool(html, &counters->pools[i], i * ROW);
    draw_key(html, counters->n * ROW + 6);
    html_close(html, "svg");
}

const char *picture_bound(size_t i, char text[PICTURE_BOUND_MAX])
{
    uint64_t usec = i < HISTOGRAM_BOUNDS ? histogram_bounds[i] : 0;

    if (i >= HISTOGRAM_BOUNDS)
        (void)snprintf(text, PICTURE_BOUND_MAX, "above");
    else if (usec < USEC_PER_MSEC)
        (void)snprintf(text, PICTURE_BOUND_MAX, "0.%" PRIu64 " ms", usec / (USEC_PER_MSEC / 10));
    else if (usec < USEC_PER_SEC)
        (void)snprintf(text, PICTURE_BOUND_MAX, "%" PRIu64 " ms", usec / USEC_PER_MSEC);
    else
        (void)snprintf(text, PICTURE_BOUND_MAX, "%" PRIu64 " s", usec / USEC_PER_SEC);
    return text;
}

// What was counted is at least one pixel high.
static void draw_bucket(struct html *html, size_t i, uint64_t n, uint64_t most)
{
    uint64_t height = most > 0 ? (uint64_t)((double)n / (double)most * HEIGHT) : 0;
    char bound[PICTURE_BOUND_MAX];

    if (n > 0 && height == 0)
        height = 1;
    open_box(html, (struct box){i * BUCKET, HEIGHT - height, BUCKET - 2, height}, "bucket");
    html_open(html, "title");
    html_format(html, "%s: %" PRIu64, picture_bound(i, bound), n);
    html_close(html, "title");
    html_close(html, "rect");
    if (i % LABEL_EACH != 0)
        return;
    html_open(html, "text");
    html_attribute_number(html, "x", i * BUCKET);
    html_attribute_number(html, "y", HEIGHT + LABEL - 4);
    html_text(html, picture_bound(i, bound));
    html_close(html, "text");
}

void picture_histogram(struct html *html, const char *name, const char *title,
                       const struct histogram *histogram)
{
    uint64_t most = 0;

    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        most = histogram->counts[i] > most ? histogram->counts[i] : most;
    begin(html, name, HEIGHT + LABEL, title,
          "A bar for each time, from 0.1 ms to 50000 s and above. The table has the numbers.");
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        draw_bucket(html, i, histogram->counts[i], most);
    html_close(html, "svg");
}
