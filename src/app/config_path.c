#include "app/config_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/config_findings.h"

cd_str cd_config_path(struct cd_arena *arena, cd_str file_name, cd_str path)
{
        cd_str folder = cd_str_has_prefix(path, CD_STR("/")) ? CD_STR("") : file_name;

        while (folder.len && folder.ptr[folder.len - 1] != '/')
                folder.len--;
        return cd_arena_printf(arena, "%.*s%.*s", CD_STR_ARG(folder), CD_STR_ARG(path));
}

void cd_config_check_pem(struct cd_report *report, cd_str setting, cd_str path)
{
        cd_str whole = cd_config_path(report->arena, report->file_name, path);
        int fd = whole.ptr ? open(whole.ptr, O_RDONLY | O_CLOEXEC) : -1;

        if (fd < 0)
                ERROR(report, setting, "name a PEM file that the server may read, also while it runs",
                      "%.*s cannot be read: %s", SHOWN_PATH(whole), strerrordesc_np(whole.ptr ? errno : ENOMEM));
        else
                close(fd);
}

bool cd_config_is_own(uid_t owner)
{
        const char *sudo = getenv("SUDO_UID");
        char *end = NULL;
        unsigned long caller = sudo && *sudo ? strtoul(sudo, &end, 10) : 0;

        return owner == 0 || (end && *end == '\0' && owner == caller);
}

/* A user who can write a configuration can have any file of root's read and sent away. */
static bool may_use_unasked(const char *path)
{
        struct stat file, folder;

        return geteuid() != 0 || lstat(path, &file) != 0 || stat(".", &folder) != 0 ||
               (cd_config_is_own(file.st_uid) && cd_config_is_own(folder.st_uid));
}

/* Also if that cannot be found out. */
static bool is_there(const char *path)
{
        return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

cd_status cd_config_path_find(const char **path, struct cd_error *reterr)
{
        static const char here[] = "cardea.yaml", installed[] = "/etc/cardea/cardea.yaml";
        const char *named = getenv("CARDEA_CONFIG");

        if (*path)
                return CD_OK;
        /* Root's home, for "sudo -u cardea": nobody can have meant a file in a folder that this user may not enter. */
        bool may_enter = access(".", X_OK) == 0 || !is_there(installed);
        if (named && *named)
                *path = named;
        else if (may_enter && is_there(here))
                *path = here;
        else if (is_there(installed))
                *path = installed;
        if (*path != here || may_use_unasked(here))
                return CD_OK;
        return cd_fail(reterr, CD_INVALID_REQUEST,
                       "cardea.yaml or this folder belongs to another user, who could have any file of root's read; if "
                       "you trust that user, write --config cardea.yaml");
}
