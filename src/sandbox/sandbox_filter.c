// SPDX-License-Identifier: MIT
// libseccomp makes a program of each table; they are joined into one, as each filter of a process
// costs every call, and memory in every worker.

#include "sandbox/sandbox_filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"

#define BY_TREE 2 // of SCMP_FLTATR_CTL_OPTIMIZE: a call is found in the logarithm of their number

static uint32_t action_of(enum sandbox_action action)
{
    switch (action) {
    case SANDBOX_KILL:
        return SCMP_ACT_TRAP; // SIGSYS, whose handler cannot live on: see sandbox.c
    case SANDBOX_REFUSE:
        return SCMP_ACT_ERRNO(EPERM);
    case SANDBOX_ABSENT:
        return SCMP_ACT_ERRNO(ENOSYS);
    case SANDBOX_ALLOW:
        break;
    }
    return SCMP_ACT_ALLOW;
}

static struct scmp_arg_cmp condition(const struct sandbox_row *row)
{
    struct scmp_arg_cmp condition = {.arg = row->argument, .op = SCMP_CMP_MASKED_EQ};

    if (row->when == SANDBOX_IS_NOT) {
        condition.op = SCMP_CMP_NE;
        condition.datum_a = row->value;
    } else if (row->when == SANDBOX_IS) {
        condition.datum_a = UINT32_MAX;
        condition.datum_b = row->value;
    } else {
        condition.datum_a = row->value; // none of these bits
    }
    return condition;
}

static int add_row(scmp_filter_ctx context, const struct sandbox_row *row)
{
    struct scmp_arg_cmp compared = condition(row);
    int number = seccomp_syscall_resolve_name(row->call);

    if (number < 0) // it is not known, or not on this machine
        return 0;
    return seccomp_rule_add_array(context, action_of(row->action), number,
                                  row->when != SANDBOX_ALWAYS, &compared);
}

// Calls of another kind of machine have other numbers. A program of 32 bits may be one that is
// served; in a worker there is none.
static int set_machines(scmp_filter_ctx context, const struct sandbox_table *table)
{
    int r = seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);

#ifdef __x86_64__
    if (r == 0 && table->survives_exec)
        r = seccomp_arch_add(context, SCMP_ARCH_X86);
#elif defined(__aarch64__)
    if (r == 0 && table->survives_exec)
        r = seccomp_arch_add(context, SCMP_ARCH_ARM);
#endif
    return r;
}

// Adds the program of a context behind what there is. What was to be allowed goes on there.
static int append(struct sandbox_filter *filter, scmp_filter_ctx context)
{
    cleanup_close int fd = memfd_create("filter", MFD_CLOEXEC);
    struct sock_filter *code;
    struct stat stat;
    int r = fd < 0 ? -errno : seccomp_export_bpf(context, fd);

    if (r < 0)
        return r;
    if (fstat(fd, &stat) < 0)
        return -errno;
    code = reallocarray(filter->code, filter->n * sizeof(*code) + (size_t)stat.st_size, 1);
    if (!code)
        return -ENOMEM;
    filter->code = code;
    for (size_t i = 0; i < filter->n; i++)
        if (code[i].code == (BPF_RET | BPF_K) && code[i].k == SECCOMP_RET_ALLOW)
            code[i] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(filter->n - i - 1));
    if (pread(fd, code + filter->n, (size_t)stat.st_size, 0) != stat.st_size)
        return -EIO;
    filter->n += (size_t)stat.st_size / sizeof(*code);
    return 0;
}

static int add_table(struct sandbox_filter *filter, const struct sandbox_table *table)
{
    scmp_filter_ctx context = seccomp_init(action_of(table->other));
    int r = context ? set_machines(context, table) : -ENOMEM;

    if (r == 0)
        r = seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, BY_TREE);
    for (size_t i = 0; r == 0 && i < table->n; i++)
        r = add_row(context, &table->rows[i]);
    if (r == 0)
        r = append(filter, context);
    if (context)
        seccomp_release(context);
    return r;
}

int sandbox_filter_make(const struct sandbox_list *list, struct sandbox_filter *ret)
{
    int r = 0;

    *ret = (struct sandbox_filter){0};
    for (size_t i = 0; r == 0 && i < SANDBOX_TABLES && list->tables[i].n > 0; i++)
        r = add_table(ret, &list->tables[i]);
    if (r == 0 && ret->n > BPF_MAXINSNS)
        r = -E2BIG;
    if (r < 0)
        sandbox_filter_done(ret);
    return r;
}

void sandbox_filter_done(struct sandbox_filter *filter)
{
    free(filter->code);
    *filter = (struct sandbox_filter){0};
}

static void put_in(struct sock_filter *code, size_t n, uint32_t placeholder, uint32_t value)
{
    for (size_t i = 0; i < n; i++)
        if (code[i].code == (BPF_JMP | BPF_JEQ | BPF_K) && code[i].k == placeholder)
            code[i].k = value;
}

int sandbox_filter_load(const struct sandbox_filter *filter, int listener)
{
    size_t size = filter->n * sizeof(struct sock_filter);
    // A copy, in memory that is given back: what a worker writes to once, it has for ever.
    struct sock_filter *code = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                    -1, 0);
    struct sock_fprog program = {.len = (unsigned short)filter->n, .filter = code};
    int r;

    if (code == MAP_FAILED)
        return -errno;
    memcpy(code, filter->code, size);
    put_in(code, filter->n, SANDBOX_OWN_PID, (uint32_t)getpid());
    put_in(code, filter->n, SANDBOX_LISTENER, (uint32_t)listener);
    r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
    (void)munmap(code, size);
    return r;
}
