// SPDX-License-Identifier: MIT
// What the views make of names and numbers that may be anything: the page stays well-formed, and
// each line of the metrics is a sample.

#include "fuzz.h"
#include "html_form.h"
#include "view/metrics.h"
#include "view/page.h"
#include "view/sessions_json.h"

#define POOLS 2
#define TEXTS 16

// The input as texts, then as numbers, again and again.
struct input {
    const uint8_t *data;
    size_t size, at;
    char texts[TEXTS][64];
    size_t n_texts;
};

static const char *next_text(struct input *input)
{
    char *text = input->texts[input->n_texts++ % TEXTS];
    size_t n = 0;

    while (n < sizeof(input->texts[0]) - 1 && input->at < input->size &&
           input->data[input->at] != 0)
        text[n++] = (char)input->data[input->at++];
    input->at += input->at < input->size;
    text[n] = '\0';
    return text;
}

static uint64_t next_number(struct input *input)
{
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof(number) && input->at < input->size; i++)
        number = number << 8 | input->data[input->at++];
    return number;
}

static struct counters_pool next_pool(struct input *input)
{
    static const char *const states[] = {"idle", "busy", "parked", "starting", "draining"};
    struct counters_pool pool = {.service = next_text(input), .listener = next_text(input)};

    pool.max = next_number(input) % 30001;
    pool.queue = next_number(input) % 65536;
    pool.queue_limit = next_number(input) % 65536;
    pool.begun = next_number(input);
    pool.is_throttled = next_number(input) & 1;
    pool.accepts_itself = next_number(input) & 1;
    for (size_t i = 0; i < 5; i++) {
        pool.workers.names[i] = states[i];
        pool.workers.numbers[i] = next_number(input);
    }
    pool.workers.n = 5;
    pool.results.names[0] = next_text(input);
    pool.results.numbers[0] = next_number(input);
    pool.results.n = 1;
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        pool.duration.counts[i] = next_number(input);
    pool.duration.sum_usec = next_number(input);
    return pool;
}

// name{label="value",...} number. A value's quotes, backslashes and line ends are escaped.
static const char *check_sample(const char *line)
{
    line += strspn(line, "abcdefghijklmnopqrstuvwxyz_");
    if (*line == '{')
        do {
            line++;
            line += strspn(line, "abcdefghijklmnopqrstuvwxyz_");
            MUST(line[0] == '=' && line[1] == '"');
            for (line += 2; *line != '"'; line++) {
                MUST(*line != '\0' && *line != '\n');
                if (*line == '\\')
                    MUST(*++line == '\\' || *line == '"' || *line == 'n');
            }
            line++;
        } while (*line == ',');
    if (*line == '}')
        line++;
    MUST(*line == ' ');
    line++;
    MUST(*line >= '0' && *line <= '9');
    line += strspn(line, "0123456789.");
    MUST(*line == '\n');
    return line + 1;
}

static void check_metrics(const struct counters *counters, enum metrics_format format)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    metrics_print(stream, format, counters);
    MUST(fclose(stream) == 0);
    for (const char *line = text; *line;)
        line = *line == '#' ? strchr(line, '\n') + 1 : check_sample(line);
    free(text);
}

static void check_page(const struct page *page)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    page_print(stream, page);
    MUST(fclose(stream) == 0);
    MUST(html_fault(text) == NULL);
    free(text);
}

// One line, whatever the texts are; json_print_string() has a target of its own.
static void check_sessions(const struct sessions *sessions)
{
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);

    sessions_json_print(stream, sessions, sessions->n);
    MUST(fclose(stream) == 0);
    MUST(strchr(text, '\n') == text + size - 1);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {.data = data, .size = size};
    struct counters_pool pools[POOLS], before[POOLS];
    struct finding finding = {
        .code = "", .service = next_text(&input), .listener = next_text(&input)};
    struct findings findings = {.items = &finding, .n = 1};
    struct session_row row = {.number = next_number(&input),
                              .service = next_text(&input),
                              .listener = next_text(&input),
                              .peer = next_text(&input),
                              .through = "",
                              .doing = next_text(&input),
                              .age_usec = next_number(&input),
                              .received = next_number(&input)};
    struct sessions sessions = {.rows = &row, .n = 1};
    struct status status = {.daemon = {.version = next_text(&input),
                                       .state = "running",
                                       .uptime_usec = next_number(&input)}};
    struct counters now = {.pools = pools, .n = POOLS}, old = {.pools = before, .n = POOLS};
    struct page page = {.machine = status.daemon.version,
                        .status = &status,
                        .findings = &findings,
                        .sessions = &sessions,
                        .n_sessions = 1,
                        .now = &now};

    (void)snprintf(finding.text, sizeof(finding.text), "%s", next_text(&input));
    (void)snprintf(finding.advice, sizeof(finding.advice), "%s", finding.service);
    now.daemon.version = old.daemon.version = status.daemon.version;
    now.daemon.state = old.daemon.state = "running";
    for (size_t i = 0; i < POOLS; i++) {
        pools[i] = next_pool(&input);
        before[i] = pools[i];
        before[i].begun = next_number(&input);
    }
    page.usec = next_number(&input);
    page.before = page.usec & 1 ? &old : NULL;
    check_page(&page);
    check_sessions(&sessions);
    check_metrics(&now, METRICS_TEXT);
    check_metrics(&now, METRICS_OPEN);
    return 0;
}
