// SPDX-License-Identifier: MIT
// Whom a program runs as, and what a program of that user finds in its environment, as
// systemd.exec(5) has it. Names are looked up once, when the configuration is checked; neither the
// master nor workers look up any.

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/answers.h"
#include "base/base.h"
#include "program/program_check.h"
#include "program/program_check_private.h"

#define GROUPS_MAX 1024
#define WHO        "the user"

// Numbers may stand for names.
static bool parse_number(const char *text, unsigned *ret)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    *ret = (unsigned)number;
    return *text >= '0' && *text <= '9' && *end == '\0' && number < UINT32_MAX;
}

static void add_variable(struct identity *identity, const char *name, const char *value)
{
    cleanup_free char *entry = NULL;

    if (asprintf(&entry, "%s=%s", name, value) < 0)
        base_out_of_memory();
    text_list_add(&identity->login, entry);
}

// A place that says that there is none is left out, as systemd does.
static void take_login(struct identity *identity, const struct passwd *user)
{
    const char *home = user->pw_dir, *shell = user->pw_shell, *base = basename(shell);

    text_list_done(&identity->login);
    if (home[0] == '/' && home[1] != '\0')
        add_variable(identity, "HOME", home);
    add_variable(identity, "LOGNAME", user->pw_name);
    if (shell[0] == '/' && strcmp(base, "nologin") != 0 && strcmp(base, "false") != 0)
        add_variable(identity, "SHELL", shell);
    add_variable(identity, "USER", user->pw_name);
}

// Of tcpd's own user, who may be in no database.
static void find_own_login(struct identity *identity)
{
    const struct passwd *user = getpwuid(geteuid());

    if (user)
        take_login(identity, user);
}

// A number may be nobody's: it needs a group then, or is tcpd's own.
static const char *find_user(struct identity *identity)
{
    const struct passwd *user;
    bool is_number = parse_number(identity->user, &identity->uid);

    errno = 0;
    user = is_number ? getpwuid(identity->uid) : getpwnam(identity->user);
    if (user) {
        identity->uid = user->pw_uid;
        identity->gid = user->pw_gid;
        take_login(identity, user);
    } else if (errno != 0 && errno != ENOENT) {
        return strerror(errno);
    } else if (!is_number) {
        return "there is no such user";
    } else if (identity->uid != geteuid() && !identity->group) {
        return "no user has that number, so set group as well";
    }
    return NULL;
}

static const char *find_group(struct identity *identity)
{
    const struct group *group;

    if (parse_number(identity->group, &identity->gid))
        return NULL;
    errno = 0;
    group = getgrnam(identity->group);
    if (!group)
        return errno == 0 || errno == ENOENT ? "there is no such group" : strerror(errno);
    identity->gid = group->gr_gid;
    return NULL;
}

// The groups that the user is in, the one above among them.
static const char *find_groups(struct identity *identity)
{
    const struct passwd *user = getpwuid(identity->uid);
    int n = GROUPS_MAX;

    identity->groups = calloc(GROUPS_MAX, sizeof(gid_t));
    if (!identity->groups)
        base_out_of_memory();
    if (!user || getgrouplist(user->pw_name, identity->gid, identity->groups, &n) < 0) {
        identity->groups[0] = identity->gid;
        n = 1;
    }
    identity->n_groups = (size_t)n;
    return NULL;
}

static const char *look_up(struct identity *identity)
{
    const char *wrong = NULL;

    identity->uid = geteuid();
    identity->gid = getegid();
    if (identity->user)
        wrong = find_user(identity);
    else
        find_own_login(identity);
    if (!wrong && identity->group)
        wrong = find_group(identity);
    if (wrong)
        return wrong;
    identity->changes = identity->uid != geteuid() || identity->gid != getegid();
    if (identity->changes && geteuid() != 0)
        return "tcpd does not run as root, so its programs run as the same user; set User= and "
               "Group= of its unit instead";
    return identity->changes || (geteuid() == 0 && (identity->user || identity->group))
               ? find_groups(identity)
               : NULL;
}

// What is kept of an identity; its groups follow, then the texts of its login.
struct kept {
    uid_t uid;
    gid_t gid;
    bool changes, is_wrong; // wrong: only a text follows, which says why
    size_t n_groups;
};

static void note(const char *about, const struct identity *identity)
{
    const size_t groups = identity->n_groups * sizeof(identity->groups[0]);
    size_t size = sizeof(struct kept) + groups;
    cleanup_free char *bytes = base_checked(malloc(size));
    struct kept kept;

    memset(&kept, 0, sizeof(kept)); // what is between its fields is written, too
    kept.uid = identity->uid;
    kept.gid = identity->gid;
    kept.changes = identity->changes;
    kept.n_groups = identity->n_groups;
    memcpy(bytes, &kept, sizeof(kept));
    if (groups > 0)
        memcpy(bytes + sizeof(kept), identity->groups, groups);
    for (size_t i = 0; i < identity->login.n; i++) {
        const char *text = identity->login.items[i];

        bytes = base_checked(realloc(bytes, size + strlen(text) + 1));
        memcpy(bytes + size, text, strlen(text) + 1);
        size += strlen(text) + 1;
    }
    answers_note(WHO, about, bytes, size);
}

static void note_wrong(const char *about, const char *wrong)
{
    size_t size = strlen(wrong) + 1;
    cleanup_free char *bytes = base_checked(malloc(sizeof(struct kept) + size));
    struct kept kept;

    memset(&kept, 0, sizeof(kept));
    kept.is_wrong = true;
    memcpy(bytes, &kept, sizeof(kept));
    memcpy(bytes + sizeof(kept), wrong, size);
    answers_note(WHO, about, bytes, sizeof(kept) + size);
}

static const char *recall(const struct answer *answer, struct identity *identity)
{
    const char *bytes = answer->bytes, *end = bytes + answer->size;
    struct kept kept;

    if (answer->size < sizeof(kept))
        return strerror(EBADMSG);
    memcpy(&kept, bytes, sizeof(kept));
    bytes += sizeof(kept);
    if (kept.is_wrong)
        return bytes < end && end[-1] == '\0' ? bytes : strerror(EBADMSG);
    if ((size_t)(end - bytes) / sizeof(gid_t) < kept.n_groups)
        return strerror(EBADMSG);
    identity->uid = kept.uid;
    identity->gid = kept.gid;
    identity->changes = kept.changes;
    identity->n_groups = kept.n_groups;
    identity->groups = base_checked(calloc(kept.n_groups + 1, sizeof(gid_t)));
    memcpy(identity->groups, bytes, kept.n_groups * sizeof(gid_t));
    bytes += kept.n_groups * sizeof(gid_t);
    for (; bytes < end && memchr(bytes, '\0', (size_t)(end - bytes)); bytes += strlen(bytes) + 1)
        text_list_add(&identity->login, bytes);
    return NULL;
}

const char *program_find_user(struct identity *identity)
{
    cleanup_free char *about = NULL;
    struct answer answer;
    const char *wrong;
    int r;

    if (asprintf(&about, "%s, group %s", identity->user ? identity->user : "(own)",
                 identity->group ? identity->group : "(of the user)") < 0)
        base_out_of_memory();
    r = answers_find(WHO, about, &answer);
    if (r != 0)
        return r < 0 ? strerror(-r) : recall(&answer, identity);
    wrong = look_up(identity);
    if (wrong)
        note_wrong(about, wrong);
    else
        note(about, identity);
    return wrong;
}

void program_user_return(struct borrowed *borrowed)
{
    if (borrowed->changed &&
        (setresuid((uid_t)-1, borrowed->uid, (uid_t)-1) < 0 ||
         setresgid((gid_t)-1, borrowed->gid, (gid_t)-1) < 0 ||
         setgroups((size_t)borrowed->n_groups, borrowed->groups) < 0 ||
         prctl(PR_SET_PDEATHSIG, borrowed->death_signal) < 0)) // a change of the user takes it back
        abort();                                               // nothing that follows would be true
    free(borrowed->groups);
    *borrowed = (struct borrowed){0};
}

int program_user_borrow(const struct identity *identity, struct borrowed *ret)
{
    int r;

    *ret = (struct borrowed){.uid = geteuid(), .gid = getegid()};
    if (!identity->changes)
        return 0;
    ret->n_groups = getgroups(0, NULL);
    ret->groups = base_checked(calloc((size_t)ret->n_groups + 1, sizeof(gid_t)));
    ret->changed = getgroups(ret->n_groups, ret->groups) >= 0 &&
                   prctl(PR_GET_PDEATHSIG, &ret->death_signal) >= 0 &&
                   setgroups(identity->n_groups, identity->groups) >= 0;
    if (ret->changed && setresgid((gid_t)-1, identity->gid, (gid_t)-1) >= 0 &&
        setresuid((uid_t)-1, identity->uid, (uid_t)-1) >= 0)
        return 0;
    r = -errno;
    program_user_return(ret);
    return r;
}
