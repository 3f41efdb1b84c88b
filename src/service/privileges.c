#include "service/privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/library.h"

/* Only a program that is started as root needs it. */
static struct {
        __typeof__(capng_clear) *clear;
        __typeof__(capng_change_id) *change_id;
        __typeof__(capng_get_caps_process) *get_caps_process;
        __typeof__(capng_have_capabilities) *have_capabilities;
} capng;
static const struct cd_library_function functions[] = {
        { "capng_clear", &capng.clear },
        { "capng_change_id", &capng.change_id },
        { "capng_get_caps_process", &capng.get_caps_process },
        { "capng_have_capabilities", &capng.have_capabilities },
};
static struct cd_library library = CD_LIBRARY("libcap-ng.so.0", "libcap-ng0", functions);

enum {
        NAME_MAX_LEN = 256,     /* bytes, of a user or a group */
        ENTRY_ROOM = 64 * 1024, /* for an entry of passwd or group, with what a directory service adds */
};

struct identity {
        uid_t uid;
        gid_t gid;
};

static bool find_user(cd_str name, struct identity *ret)
{
        char z[NAME_MAX_LEN + 1], room[ENTRY_ROOM];
        struct passwd entry, *found = NULL;

        if (name.len > NAME_MAX_LEN)
                return false;
        memcpy(z, name.ptr, name.len);
        z[name.len] = '\0';
        if (getpwnam_r(z, &entry, room, sizeof(room), &found) != 0 || !found)
                return false;
        *ret = (struct identity){ found->pw_uid, found->pw_gid };
        return true;
}

bool cd_privileges_is_root(void)
{
        return geteuid() == 0;
}

const char *cd_privileges_check_user(cd_str value)
{
        struct identity identity;

        if (!value.len)
                return NULL;
        if (!find_user(value, &identity))
                return "is not a user of this machine; correct the name, or create the user";
        if (identity.uid == 0)
                return "must not be root";
        if (!cd_privileges_is_root() && identity.uid != geteuid())
                return "can only be another user where the program is started as root";
        if (cd_privileges_is_root() && cd_library_load(&library, NULL) != CD_OK)
                return "needs libcap-ng.so.0, which cannot be loaded; it is in the package libcap-ng0";
        return NULL;
}

const char *cd_privileges_check_group(cd_str value)
{
        char z[NAME_MAX_LEN + 1], room[ENTRY_ROOM];
        struct group entry, *found = NULL;

        if (!value.len)
                return NULL;
        if (value.len > NAME_MAX_LEN)
                return "is not a group of this machine; correct the name, or create the group";
        memcpy(z, value.ptr, value.len);
        z[value.len] = '\0';
        return getgrnam_r(z, &entry, room, sizeof(room), &found) == 0 && found
                       ? NULL
                       : "is not a group of this machine; correct the name, or create the group";
}

static cd_status become(cd_str user, struct cd_error *reterr)
{
        const cd_str field = CD_STR("user");
        struct identity identity;

        const char *wrong = cd_privileges_check_user(user);
        if (wrong)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field, wrong);
        if (!cd_privileges_is_root())
                return CD_OK;
        if (!find_user(user, &identity))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, field,
                                     "is not a user of this machine; correct the name, or create the user");
        capng.clear(CAPNG_SELECT_ALL);
        int error = capng.change_id((int)identity.uid, (int)identity.gid,
                                    (capng_flags_t)(CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT));
        if (error)
                return cd_failf(reterr, CD_UNAVAILABLE, field, "cannot become %.*s (capng_change_id: %d)",
                                CD_STR_ARG(user), error);
        /* Checks the result: a process that wrongly believes that it has no privileges would be worse than one that
         * does not start. */
        if (setuid(0) == 0 || geteuid() != identity.uid || getegid() != identity.gid || capng.get_caps_process() != 0 ||
            capng.have_capabilities(CAPNG_SELECT_ALL) != CAPNG_NONE)
                return cd_failf(reterr, CD_UNAVAILABLE, field, "rights are left after becoming %.*s", CD_STR_ARG(user));
        return CD_OK;
}

cd_status cd_privileges_drop(cd_str user, struct cd_error *reterr)
{
        cd_status status = user.len ? become(user, reterr) : CD_OK;

        if (status != CD_OK)
                return status;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "no_new_privs: %s", strerror(errno));
#if !defined(__SANITIZE_ADDRESS__) /* the leak sanitizer attaches to its own process as a debugger does */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "PR_SET_DUMPABLE: %s", strerror(errno));
#endif
        return CD_OK;
}
