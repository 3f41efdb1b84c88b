#include "app/config_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

/* Also if that cannot be found out. */
static bool is_there(const char *path)
{
        return access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

const char *cd_config_path_find(const char *given)
{
        static const char here[] = "cardea.yaml", installed[] = "/etc/cardea/cardea.yaml";
        const char *named = getenv("CARDEA_CONFIG");

        if (given)
                return given;
        if (named && *named)
                return named;
        /* Root's home, for "sudo -u cardea": nobody can have meant a file in a folder that this user may not enter. */
        if (access(".", X_OK) != 0 && is_there(installed))
                return installed;
        return is_there(here) ? here : is_there(installed) ? installed : NULL;
}
