// SPDX-License-Identifier: MIT
// One word a service says all that changes each second, so it needs no lock and no sequence. A
// reason is a text beside it: of two places the one that the word does not name is written, and
// then the word; who reads looks whether the number of texts is the same before and behind.

#include "board/node_page.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/base.h"

#define TRIES 3

struct slot {
    _Atomic uint64_t word;    // 0: free
    _Atomic uint32_t n_texts; // that were begun
    char name[NODE_NAME_MAX + 1];
    char whys[2][NODE_WHY_MAX + 1];
};

static struct {
    struct slot *slots; // to write; children have not got it
    const struct slot *view;
} page;

// From the lowest bit: state 4, note 4 (of the number of texts written so far the last bits),
// weight 8, max 16, second 32.
static uint64_t pack(const struct node_news *news, unsigned note)
{
    unsigned max = news->max < UINT16_MAX ? news->max : UINT16_MAX;

    return (uint64_t)news->second << 32 | (uint64_t)max << 16 |
           (uint64_t)(news->weight & 0xff) << 8 | (note & 0xf) << 4 | (unsigned)news->state;
}

static unsigned note_of(uint64_t word)
{
    return (unsigned)(word >> 4) & 0xf;
}

static struct node_news unpack(uint64_t word)
{
    unsigned state = (unsigned)word & 0xf;

    return (struct node_news){.state = state < NODE_STATES ? (enum node_state)state : NODE_ABSENT,
                              .weight = (unsigned)(word >> 8) & 0xff,
                              .max = (unsigned)(word >> 16) & 0xffff,
                              .second = (uint32_t)(word >> 32)};
}

int node_page_open(void)
{
    const size_t size = sizeof(struct slot) * NODE_SLOTS;
    cleanup_close int fd = -1;
    void *slots, *view;
    int error;

    if (page.slots)
        return 0;
    fd = memfd_create("nodes", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)size) < 0)
        return -errno;
    slots = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (slots == MAP_FAILED)
        return -errno;
    // From the seal on no mapping of it can be written to, or made so.
    if (madvise(slots, size, MADV_DONTFORK) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) ==
            0) {
        view = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        if (view != MAP_FAILED) {
            page.slots = slots;
            page.view = view;
            return 0;
        }
    }
    error = -errno;
    (void)munmap(slots, size);
    return error;
}

static bool is_free(const struct slot *slot)
{
    return slot->name[0] == '\0';
}

size_t node_page_assign(const char *name)
{
    size_t found = node_page_find(name);

    if (found < NODE_SLOTS || !page.slots)
        return found;
    for (size_t i = 0; i < NODE_SLOTS; i++)
        if (is_free(&page.slots[i])) {
            (void)snprintf(page.slots[i].name, sizeof(page.slots[i].name), "%s", name);
            return i;
        }
    return NODE_NO_SLOT;
}

void node_page_keep(const size_t *slots, size_t n)
{
    bool kept[NODE_SLOTS] = {0};

    for (size_t i = 0; i < n; i++)
        if (slots[i] < NODE_SLOTS)
            kept[slots[i]] = true;
    for (size_t i = 0; page.slots && i < NODE_SLOTS; i++)
        if (!kept[i] && !is_free(&page.slots[i])) {
            atomic_store_explicit(&page.slots[i].word, 0, memory_order_release);
            memset(page.slots[i].name, 0, sizeof(page.slots[i].name));
        }
}

bool node_page_is_free(size_t at)
{
    return !page.slots || at >= NODE_SLOTS || is_free(&page.slots[at]);
}

void node_page_write(size_t at, const struct node_news *news)
{
    struct slot *slot;
    unsigned note;

    if (!page.slots || at >= NODE_SLOTS)
        return;
    slot = &page.slots[at];
    note = atomic_load_explicit(&slot->n_texts, memory_order_relaxed);
    if (news->state == NODE_MAINTENANCE && strcmp(slot->whys[note % 2], news->why) != 0) {
        atomic_store_explicit(&slot->n_texts, ++note, memory_order_relaxed);
        atomic_thread_fence(memory_order_seq_cst); // behind the word that names the other place
        (void)snprintf(slot->whys[note % 2], sizeof(slot->whys[0]), "%s", news->why);
    }
    atomic_store_explicit(&slot->word, pack(news, note), memory_order_release);
}

void node_page_forget(void)
{
    if (page.view)
        (void)munmap((void *)(uintptr_t)page.view, sizeof(struct slot) * NODE_SLOTS);
    page.view = NULL;
}

size_t node_page_find(const char *name)
{
    for (size_t i = 0; page.view && *name && i < NODE_SLOTS; i++)
        if (strncmp(page.view[i].name, name, sizeof(page.view[i].name)) == 0)
            return i;
    return NODE_NO_SLOT;
}

struct node_news node_page_read(size_t at, const char *name)
{
    const struct slot *slot;

    if (!page.view || at >= NODE_SLOTS ||
        strncmp(page.view[at].name, name, sizeof(page.view[at].name)) != 0)
        return (struct node_news){0};
    slot = &page.view[at];
    for (int i = 0; i < TRIES; i++) {
        uint32_t n_texts = atomic_load_explicit(&slot->n_texts, memory_order_acquire);
        uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
        struct node_news news = unpack(word);

        if (news.state != NODE_MAINTENANCE)
            return news;
        memcpy(news.why, slot->whys[note_of(word) % 2], sizeof(news.why));
        news.why[NODE_WHY_MAX] = '\0';
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&slot->n_texts, memory_order_relaxed) == n_texts &&
            note_of(word) == (n_texts & 0xf)) // else that text may have been written meanwhile
            return news;
    }
    return (struct node_news){.state = NODE_MAINTENANCE};
}
