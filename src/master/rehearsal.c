// SPDX-License-Identifier: MIT
// The rehearsal. What the child hands over is sealed before it is looked at, and the memory that
// the child needed is known to be there before the same is read here.

#include "master/rehearsal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>

#include "base/answers.h"
#include "base/base.h"
#include "base/timespan.h"
#include "config/config_check.h"
#include "config/config_left_out.h"
#include "config/system_limits.h"
#include "listen/listen_plan.h"
#include "listen/listener.h"
#include "listen/listener_holder.h"
#include "log/log.h"
#include "module/module_try.h"
#include "process/oom_score.h"
#include "process/own_memory.h"
#include "process/process.h"
#include "transport/transport.h"

#define SPARE (UINT64_C(1) << 20) // for what is done with a configuration later

static const char problem[] = "problem", warning[] = "warning", memory[] = "memory",
                  services[] = "services";

// Whether services are left that nothing is wrong with, and all else is right, too.
static bool may_serve(const struct rehearsal_plan *plan, struct config *config,
                      const struct problems *problems)
{
    return problems->n == 0 ||
           (plan->leaves_out && config_leave_out(config, problems) && config->n_services > 0);
}

// ---- In the child -------------------------------------------------------------------------------

static void set_up(pid_t master)
{
    // As in workers: what is sent to all of tcpd's processes is meant for the master.
    static const int ignored[] = {SIGHUP,  SIGINT,  SIGQUIT, SIGUSR1,
                                  SIGTTIN, SIGTTOU, SIGPIPE, SIGXFSZ};
    sigset_t none;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() != master)
        _exit(EX_OK); // it died before
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_DFL); // fails for KILL, STOP and libc's own only
    for (size_t i = 0; i < ELEMENTS(ignored); i++)
        (void)signal(ignored[i], SIG_IGN);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)mallopt(M_TRIM_THRESHOLD, INT_MAX); // so that what was needed at most can be seen
    (void)mallopt(M_MMAP_MAX, 0);
}

// The line of its place, the text, and the file, each text with a NUL.
static void note_text(const char *what, const char *number, const struct problems *texts, size_t i)
{
    const struct place *place = &texts->places[i];
    const char *text = texts->texts[i], *file = place->file ? place->file : "";
    size_t size = strlen(text) + 1, file_size = strlen(file) + 1;
    cleanup_free char *bytes = base_checked(malloc(sizeof(place->line) + size + file_size));

    memcpy(bytes, &place->line, sizeof(place->line));
    memcpy(bytes + sizeof(place->line), text, size);
    memcpy(bytes + sizeof(place->line) + size, file, file_size);
    answers_note(what, number, bytes, sizeof(place->line) + size + file_size);
}

static void note_texts(const char *what, const struct problems *texts)
{
    char number[24];

    for (size_t i = 0; i < texts->n; i++) {
        (void)snprintf(number, sizeof(number), "%zu", i);
        note_text(what, number, texts, i);
    }
}

// What a reload would come to later.
static int look(const struct rehearsal_plan *plan, struct config *config,
                struct listen_plan *listen, struct problems *problems, struct problems *warnings)
{
    const struct listeners_request request = {.config = config,
                                              .plan = listen,
                                              .old = plan->listening,
                                              .may_come = true,
                                              .problems = problems,
                                              .warnings = warnings};

    answers_note(services, "", &config->n_services, sizeof(config->n_services));
    for (size_t i = 0; i < config->n_left_out; i++) {
        const struct problems *why = &config->services[config->n_services + i].left_out;

        for (size_t t = 0; t < why->n; t++)
            problems_copy(problems, why, t);
    }
    return listeners_check(&request);
}

// The exit status of what has gone wrong, EX_OK: nothing.
static int check(const struct rehearsal_plan *plan, int answers, struct problems *problems,
                 struct problems *warnings)
{
    struct config *config = plan->source->load(plan->source, problems);
    int keep[] = {answers}, r;
    struct listen_plan listen;

    if (!may_serve(plan, config, problems))
        return EX_CONFIG;
    system_limits_check(config, plan->source->name, plan->n_workers + 1, // we are one, too
                        plan->is_elsewhere || plan->n_workers > 0 ? warnings : problems, warnings);
    if (!may_serve(plan, config, problems))
        return EX_OSERR;
    config_warn(config, warnings);
    r = config_find_owners(config, problems);
    if (may_serve(plan, config, problems))
        r = listen_plan_make(config, &listen, problems);
    if (plan->listening && problems->n == 0)
        r = look(plan, config, &listen, problems, warnings);
    if (!may_serve(plan, config, problems))
        return listeners_exit_status(r);
    holders_note(&listen);
    r = process_close_all_but(keep, ELEMENTS(keep)); // the master's are not for modules
    if (r < 0) {
        problems_add(problems, plan->source->name, 0, "the check cannot be set up: %s",
                     strerror(-r));
        return EX_OSERR;
    }
    log_begin_child();
    transport_load(config, problems, warnings);
    if (may_serve(plan, config, problems))
        module_try_all(config, problems);
    return may_serve(plan, config, problems) ? EX_OK : EX_CONFIG;
}

_Noreturn static void rehearse(const struct rehearsal_plan *plan, int answers, pid_t master)
{
    struct problems problems = {0}, warnings = {0};
    size_t before, needed;
    int status;

    set_up(master);
    before = mallinfo2().arena;
    answers_keep(answers);
    status = check(plan, answers, &problems, &warnings);
    needed = mallinfo2().arena - before;
    answers_note(memory, "", &needed, sizeof(needed));
    note_texts(problem, &problems);
    note_texts(warning, &warnings);
    _exit(answers_write(answers) < 0 ? EX_IOERR : status);
}

// ---- In the parent ------------------------------------------------------------------------------

int rehearsal_start(struct rehearsal *ret, const struct rehearsal_plan *plan)
{
    cleanup_close int answers = memfd_create("tcpd-answers", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    pid_t master = getpid(), pid;
    struct oom_score score;
    bool mine;
    int error;

    *ret = REHEARSAL_NONE;
    if (answers < 0)
        return -errno;
    mine = own_memory_claim_libraries(false); // it needs them, as we do
    oom_score_raise(&score);
    pid = fork();
    if (pid == 0)
        rehearse(plan, answers, master);
    error = errno;
    oom_score_restore(&score);
    (void)own_memory_claim_libraries(mine);
    if (pid < 0)
        return -error;
    ret->pid = pid;
    ret->answers = base_take_fd(&answers);
    return 0;
}

void rehearsal_note_end(struct rehearsal *rehearsal, const siginfo_t *info)
{
    bool exited = info->si_code == CLD_EXITED;

    rehearsal->ended = true;
    rehearsal->status = exited ? info->si_status : -1;
    rehearsal->signal = exited ? 0 : info->si_status;
}

int rehearsal_wait(struct rehearsal *rehearsal, const sigset_t *signals)
{
    const struct timespec tick = {.tv_sec = 1}; // what has failed is asked again
    sigset_t awaited = *signals, before;
    siginfo_t info = {0};
    int r = 0;

    (void)sigaddset(&awaited, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &awaited, &before);
    while (r == 0 && info.si_pid == 0) {
        int number = 0;

        if (waitid(P_PID, (id_t)rehearsal->pid, &info, WEXITED | WNOHANG) < 0 && errno == ECHILD)
            r = -ECHILD;
        else if (info.si_pid == 0)
            number = sigtimedwait(&awaited, NULL, &tick);
        if (number > 0 && number != SIGCHLD)
            r = -ECANCELED;
    }
    (void)sigprocmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        rehearsal_note_end(rehearsal, &info);
    return r;
}

// Says why there is no whole verdict; error: why what was handed over cannot be read, or 0.
static void blame_end(const struct rehearsal *rehearsal, const struct rehearsal_plan *plan,
                      int error, struct problems *problems)
{
    const char *name = plan->source->name, *signal = sigabbrev_np(rehearsal->signal);

    if (rehearsal->status == EX_OSERR || error == -ENOMEM)
        problems_add(problems, name, 0, "cannot be checked: out of memory");
    else if (rehearsal->status == EX_IOERR)
        problems_add(problems, name, 0,
                     "cannot be checked: its text does not fit in memory, or in the limit of a "
                     "file's size");
    else if (rehearsal->status < 0)
        problems_add(problems, name, 0, "cannot be checked: the check was killed by signal %d (%s)",
                     rehearsal->signal, signal ? signal : "unknown");
    else if (rehearsal->status == EX_OK)
        problems_add(problems, name, 0, "cannot be checked: %s", strerror(-error));
    else
        problems_add(problems, name, 0, "cannot be checked: the check exited with status %d",
                     rehearsal->status);
}

// Gives the answers that were kept, which nobody can change any more.
static int give(const struct rehearsal *rehearsal)
{
    const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;

    if (fcntl(rehearsal->answers, F_ADD_SEALS, seals) < 0)
        return -errno;
    return answers_give(rehearsal->answers);
}

static void take_text(const struct answer *answer, struct problems *texts)
{
    struct place place;
    const char *text = (const char *)answer->bytes + sizeof(place.line), *end;
    size_t size = answer->size - sizeof(place.line);

    if (answer->size <= sizeof(place.line) || text[size - 1] != '\0')
        return;
    memcpy(&place.line, answer->bytes, sizeof(place.line));
    end = text + strlen(text) + 1;
    place.file = end < text + size && *end != '\0' ? end : NULL;
    problems_add_text(texts, text, &place);
}

static void take_texts(const char *what, struct problems *texts)
{
    char number[24] = "0";
    struct answer answer;

    for (size_t i = 0; answers_find(what, number, &answer) > 0; i++) {
        take_text(&answer, texts);
        (void)snprintf(number, sizeof(number), "%zu", i + 1);
    }
}

// Whether the memory that the child needed is there: it is taken, and given back for what follows.
// From the kernel, as a compiler may leave out a malloc() whose memory nobody uses, and clang does.
static bool is_room(void)
{
    struct answer answer;
    size_t needed = 0, size;
    void *room;

    if (answers_find(memory, "", &answer) <= 0 || answer.size != sizeof(needed))
        return false;
    memcpy(&needed, answer.bytes, sizeof(needed));
    if (needed >= SIZE_MAX / 4)
        return false;
    size = needed + needed / 4 + SPARE;
    room = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return room != MAP_FAILED && munmap(room, size) == 0;
}

// problems: those that the child has found, which are no reason not to serve.
static struct config *load(const struct rehearsal_plan *plan, struct problems *problems)
{
    struct problems said = {0}; // warnings of the child's
    struct config *config;

    if (!is_room()) {
        problems_add(problems, plan->source->name, 0, "cannot be read: out of memory");
        return NULL;
    }
    config = plan->source->load(plan->source, problems);
    if (may_serve(plan, config, problems))
        transport_load(config, problems, &said);
    problems_done(&said);
    if (!may_serve(plan, config, problems))
        return config_unref(config);
    problems_done(problems); // they are those services' own
    return config;
}

struct config *rehearsal_take(const struct rehearsal *rehearsal, const struct rehearsal_plan *plan,
                              struct problems *problems, struct problems *warnings, int *ret_status)
{
    struct config *config = NULL;
    int r = rehearsal->status < 0 ? 0 : give(rehearsal);

    *ret_status = rehearsal->status > 0 ? rehearsal->status : EX_OSERR;
    if (rehearsal->status < 0 || r < 0) {
        blame_end(rehearsal, plan, r, problems);
        return NULL;
    }
    take_texts(warning, warnings);
    take_texts(problem, problems);
    if (rehearsal->status == EX_OK)
        config = load(plan, problems);
    else if (problems->n == 0)
        blame_end(rehearsal, plan, 0, problems);
    if (!config)
        answers_forget();
    return config;
}

void rehearsal_judge(const struct rehearsal *rehearsal, const struct rehearsal_plan *plan,
                     struct rehearsal_verdict *ret)
{
    struct answer answer;
    int r = rehearsal->status < 0 ? 0 : give(rehearsal);

    *ret = (struct rehearsal_verdict){0};
    if (rehearsal->status >= 0 && r >= 0) {
        take_texts(warning, &ret->warnings);
        take_texts(problem, &ret->problems);
        ret->is_whole = ret->problems.n > 0 || rehearsal->status == EX_OK;
        if (answers_find(services, "", &answer) > 0 && answer.size == sizeof(ret->n_services))
            memcpy(&ret->n_services, answer.bytes, answer.size);
        answers_forget();
    }
    if (!ret->is_whole)
        blame_end(rehearsal, plan, r, &ret->problems);
}

void rehearsal_verdict_done(struct rehearsal_verdict *verdict)
{
    problems_done(&verdict->problems);
    problems_done(&verdict->warnings);
}

void rehearsal_blame(const struct rehearsal *rehearsal, const struct rehearsal_plan *plan,
                     uint64_t limit_usec, struct problems *problems)
{
    char what[512], limit[TIMESPAN_TEXT_MAX];

    (void)answers_pending(rehearsal->answers, what, sizeof(what));
    problems_add(
        problems, plan->source->name, 0, "the check has not ended after %s (reload_timeout)%s%s",
        timespan_format(limit_usec, limit, sizeof(limit)), what[0] ? ": it waits for " : "", what);
}

void rehearsal_close(struct rehearsal *rehearsal)
{
    if (rehearsal->pid > 0 && !rehearsal->ended)
        (void)kill(rehearsal->pid, SIGKILL); // not yet reaped, so the number is its own
    base_close_fd(&rehearsal->answers);
    *rehearsal = REHEARSAL_NONE;
}
