/* What to do about a variable that is not set, by how the process was started. */
#include "service/started_by.h"

#include <stdio.h>
#include <string.h>

static cd_str name_or(const struct cd_started_by *by, const char *other)
{
        return by->name.len ? by->name : cd_str_from_c(other);
}

static cd_str systemd_text(const struct cd_started_by *by, struct cd_arena *arena, cd_str name)
{
        const char *user = by->starter == CD_STARTER_SYSTEMD_USER ? " --user" : "";
        cd_str unit = name_or(by, "its unit");

        return cd_arena_printf(arena,
                               "systemd started this process as %.*s: set %.*s there with EnvironmentFile= or "
                               "Environment= (systemctl%s edit %.*s), then systemctl%s daemon-reload and "
                               "systemctl%s restart %.*s",
                               CD_STR_ARG(unit), CD_STR_ARG(name), user, CD_STR_ARG(unit), user, user,
                               CD_STR_ARG(unit));
}

static cd_str container_text(const struct cd_started_by *by, struct cd_arena *arena, cd_str name)
{
        if (cd_str_eq(by->name, CD_STR("Kubernetes")))
                return cd_arena_printf(arena,
                                       "this process runs in a container of Kubernetes: name %.*s under env: or "
                                       "envFrom: of the container in its manifest, then kubectl apply",
                                       CD_STR_ARG(name));
        return cd_arena_printf(arena,
                               "this process runs in a container (%.*s): pass %.*s with docker run -e %.*s or "
                               "--env-file, or name it under environment: in compose.yaml, and make the container anew",
                               CD_STR_ARG(name_or(by, "it has no parent")), CD_STR_ARG(name), CD_STR_ARG(name));
}

static cd_str uwsgi_text(const struct cd_started_by *by, struct cd_arena *arena, cd_str name)
{
        const char *who = by->starter == CD_STARTER_UWSGI_VASSAL  ? "a vassal of a uWSGI emperor"
                          : by->starter == CD_STARTER_UWSGI_CHILD ? "a worker or mule of uWSGI"
                                                                  : "uWSGI";

        return cd_arena_printf(arena,
                               "%s started this process: write env = %.*s=… under [uwsgi] in %.*s, then restart "
                               "uWSGI",
                               who, CD_STR_ARG(name), CD_STR_ARG(name_or(by, "its configuration")));
}

static cd_str supervisor_text(const struct cd_started_by *by, struct cd_arena *arena, cd_str name)
{
        return cd_arena_printf(arena,
                               "supervisord started this process: write environment=%.*s=\"…\" under [program:%.*s] "
                               "in its configuration, then supervisorctl reread and supervisorctl update",
                               CD_STR_ARG(name), CD_STR_ARG(name_or(by, "NAME")));
}

static cd_str starter_text(const struct cd_started_by *by, struct cd_arena *arena, cd_str name)
{
        switch (by->starter) {
        case CD_STARTER_SYSTEMD:
        case CD_STARTER_SYSTEMD_USER:
                return systemd_text(by, arena, name);
        case CD_STARTER_CONTAINER:
                return container_text(by, arena, name);
        case CD_STARTER_UWSGI:
        case CD_STARTER_UWSGI_CHILD:
        case CD_STARTER_UWSGI_VASSAL:
                return uwsgi_text(by, arena, name);
        case CD_STARTER_SUPERVISOR:
                return supervisor_text(by, arena, name);
        case CD_STARTER_CRON:
                return cd_arena_printf(arena,
                                       "cron started this process: write %.*s=… on a line of its own in the crontab "
                                       "(crontab -e), above that of the command",
                                       CD_STR_ARG(name));
        case CD_STARTER_SUDO:
                return cd_arena_printf(arena,
                                       "sudo started this process without it: export %.*s and run sudo "
                                       "--preserve-env=%.*s or sudo -E, or add it to env_keep in sudoers",
                                       CD_STR_ARG(name), CD_STR_ARG(name));
        case CD_STARTER_SHELL:
                return cd_arena_printf(arena, "a shell (%.*s) started this process: run export %.*s=… in it before",
                                       CD_STR_ARG(by->name), CD_STR_ARG(name));
        case CD_STARTER_CLEARED:
                return cd_arena_printf(arena,
                                       "this process has no environment variable at all: write env -i %.*s=… if env -i "
                                       "started it, or have its starter pass it on",
                                       CD_STR_ARG(name));
        case CD_STARTER_PROGRAM:
                return cd_arena_printf(arena,
                                       "%.*s started this process: set %.*s in the environment that it passes on",
                                       CD_STR_ARG(by->name), CD_STR_ARG(name));
        case CD_STARTER_UNKNOWN:
                break;
        }
        return cd_arena_printf(arena, "set %.*s in the environment of this process", CD_STR_ARG(name));
}

/* The variable with a value whose name differs in a slip of the hand; empty: none. */
static cd_str nearest_name(const struct cd_started_by *by, cd_str name)
{
        size_t limit = name.len < 6 ? 1 : name.len < 12 ? 2 : 3, best = limit + 1;
        cd_str nearest = CD_STR("");

        for (char *const *at = by->environment; at && *at; at++) {
                cd_str entry = cd_str_from_c(*at);
                size_t equals = cd_str_index(entry, '=');
                if (equals + 1 >= entry.len || equals > 256 || equals == 0)
                        continue;
                cd_str other = cd_str_slice(entry, 0, equals);
                size_t distance = cd_str_eq_nocase(other, name) ? 1 : cd_str_distance(other, name);
                if (distance > 0 && distance < best) {
                        best = distance;
                        nearest = other;
                }
        }
        return nearest;
}

cd_str cd_started_by_fix(const struct cd_started_by *by, struct cd_arena *arena, cd_str variable)
{
        cd_str nearest = nearest_name(by, variable), text = starter_text(by, arena, variable);

        if (nearest.len)
                text = cd_arena_printf(arena, "did you mean %.*s, which is set? %.*s", CD_STR_ARG(nearest),
                                       CD_STR_ARG(text));
        return text.ptr ? text : CD_STR("set it in the environment of this process");
}

cd_str cd_started_by_why(const struct cd_started_by *by)
{
        switch (by->starter) {
        case CD_STARTER_SYSTEMD:
        case CD_STARTER_SYSTEMD_USER:
                return CD_STR("a unit has the variables of its own settings only: what a shell exports, and what is in "
                              "/etc/environment or a profile, does not reach it");
        case CD_STARTER_CONTAINER:
                return CD_STR("a container has the variables of its image and of the command that made it only: what a "
                              "shell of the host exports does not reach it");
        case CD_STARTER_CRON:
                return CD_STR("cron reads no profile: a job has the variables of its crontab and a few of its own");
        case CD_STARTER_UWSGI:
        case CD_STARTER_UWSGI_CHILD:
        case CD_STARTER_UWSGI_VASSAL:
                return CD_STR(
                        "what uWSGI starts has the variables of uWSGI itself: what a shell exports later, or what "
                        "an application sets for itself, does not reach it");
        case CD_STARTER_SUPERVISOR:
                return CD_STR("what supervisord starts has the variables that supervisord was started with: what a "
                              "shell exports later does not reach it");
        case CD_STARTER_SUDO:
                return CD_STR("sudo passes only a few variables on (env_reset)");
        case CD_STARTER_SHELL:
                return CD_STR("a shell passes on what is exported in it; what a unit, a container or an ini file sets "
                              "is not set here");
        default:
                return CD_STR("a process has the variables that its starter passes on: what a shell exports elsewhere "
                              "does not reach it");
        }
}
