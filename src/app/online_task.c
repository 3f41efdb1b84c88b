#include "app/online_task.h"

#include <stdarg.h>
#include <stdio.h>

void cd_online_note(struct cd_online_task *task, enum cd_finding_level level, const char *member, const char *fix,
                    const char *format, ...)
{
        va_list args;

        if (task->count == CD_ONLINE_NOTES_MAX)
                return;
        struct cd_online_note *note = &task->notes[task->count++];
        note->level = level;
        note->setting = member ? cd_arena_printf(&task->arena, "%.*s.%s", CD_STR_ARG(task->path), member) : task->path;
        snprintf(note->fix, sizeof(note->fix), "%s", fix ? fix : "");
        va_start(args, format);
        vsnprintf(note->what, sizeof(note->what), format, args);
        va_end(args);
}
