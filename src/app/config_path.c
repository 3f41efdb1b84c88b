#include "app/config_path.h"

cd_str cd_config_path(struct cd_arena *arena, cd_str file_name, cd_str path)
{
        cd_str folder = cd_str_has_prefix(path, CD_STR("/")) ? CD_STR("") : file_name;

        while (folder.len && folder.ptr[folder.len - 1] != '/')
                folder.len--;
        return cd_arena_printf(arena, "%.*s%.*s", CD_STR_ARG(folder), CD_STR_ARG(path));
}
