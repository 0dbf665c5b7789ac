// SPDX-License-Identifier: MIT
// Whom a program runs as. Names are looked up once, when the configuration is checked; neither the
// master nor workers look up any.

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/answers.h"
#include "base/base.h"
#include "program/program_check.h"

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
    if (!wrong && identity->group)
        wrong = find_group(identity);
    if (wrong)
        return wrong;
    identity->changes = identity->uid != geteuid() || identity->gid != getegid();
    if (identity->changes && geteuid() != 0)
        return "tcpd does not run as root, so its programs run as the same user; set User= and "
               "Group= of its unit instead";
    return identity->changes || geteuid() == 0 ? find_groups(identity) : NULL;
}

// What is kept of an identity; its groups follow.
struct kept {
    uid_t uid;
    gid_t gid;
    bool changes;
    size_t n_groups;
};

static void note(const char *about, const struct identity *identity)
{
    const size_t groups = identity->n_groups * sizeof(identity->groups[0]);
    struct kept kept = {.uid = identity->uid,
                        .gid = identity->gid,
                        .changes = identity->changes,
                        .n_groups = identity->n_groups};
    cleanup_free char *bytes = base_checked(malloc(sizeof(kept) + groups));

    memcpy(bytes, &kept, sizeof(kept));
    if (groups > 0)
        memcpy(bytes + sizeof(kept), identity->groups, groups);
    answers_note(WHO, about, bytes, sizeof(kept) + groups);
}

static const char *recall(const struct answer *answer, struct identity *identity)
{
    struct kept kept;

    if (answer->size < sizeof(kept))
        return strerror(EBADMSG);
    memcpy(&kept, answer->bytes, sizeof(kept));
    if ((answer->size - sizeof(kept)) / sizeof(gid_t) != kept.n_groups)
        return strerror(EBADMSG);
    identity->uid = kept.uid;
    identity->gid = kept.gid;
    identity->changes = kept.changes;
    identity->n_groups = kept.n_groups;
    if (kept.n_groups == 0)
        return NULL;
    identity->groups = base_checked(calloc(kept.n_groups, sizeof(gid_t)));
    memcpy(identity->groups, (const char *)answer->bytes + sizeof(kept),
           kept.n_groups * sizeof(gid_t));
    return NULL;
}

const char *program_find_user(struct identity *identity)
{
    cleanup_free char *about = NULL;
    struct answer answer;
    const char *wrong;
    int r;

    if (!identity->user && !identity->group)
        return NULL;
    if (asprintf(&about, "%s, group %s", identity->user ? identity->user : "(own)",
                 identity->group ? identity->group : "(of the user)") < 0)
        base_out_of_memory();
    r = answers_find(WHO, about, &answer);
    if (r != 0)
        return r < 0 ? strerror(-r) : recall(&answer, identity);
    wrong = look_up(identity);
    if (!wrong)
        note(about, identity);
    return wrong;
}
