#include "service/started_by.h"

#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
        ANCESTORS_MAX = 64,
        WORDS_MAX = 64,      /* arguments of one of them */
        READ_MAX = 8 * 1024, /* bytes of a file of /proc */
};

/* A process of /proc. */
struct process {
        long id, parent; /* id 0: itself */
        cd_str name;     /* as the kernel has it: at most 15 bytes */
        cd_str words[WORDS_MAX];
        size_t word_count;
};

struct ancestry {
        const char *root;
        struct cd_arena *arena;
        struct process *processes; /* the parent first */
        size_t count;
};

static cd_str read_file(const struct ancestry *a, const char *name)
{
        char path[PATH_MAX], *text = cd_arena_alloc(a->arena, READ_MAX);
        size_t len = 0;

        snprintf(path, sizeof(path), "%s/%s", a->root, name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return CD_STR("");
        for (ssize_t n = 1; text && n > 0 && len<READ_MAX; len += n> 0 ? (size_t)n : 0)
                n = read(fd, text + len, READ_MAX - len);
        close(fd);
        return text ? cd_str_of(text, len) : CD_STR("");
}

static cd_str base_name(cd_str path)
{
        size_t from = path.len;

        while (from && path.ptr[from - 1] != '/')
                from--;
        return cd_str_slice(path, from, path.len);
}

/* "4711 (a name) S 1 …": the name may contain anything. */
static bool read_process(const struct ancestry *a, const char *id, struct process *ret)
{
        char path[64];

        *ret = (struct process){ .id = atol(id) };
        snprintf(path, sizeof(path), "proc/%s/stat", id);
        cd_str stat = read_file(a, path);
        size_t open = cd_str_index(stat, '('), close = stat.len;
        while (close && stat.ptr[close - 1] != ')')
                close--;
        if (close < open + 2 || close + 4 > stat.len)
                return false;
        ret->name = cd_str_slice(stat, open + 1, close - open - 2);
        ret->parent = strtol(stat.ptr + close + 3, NULL, 10);
        snprintf(path, sizeof(path), "proc/%s/cmdline", id);
        cd_str rest = read_file(a, path);
        while (rest.len && ret->word_count < WORDS_MAX) {
                size_t end = cd_str_index(rest, '\0');
                ret->words[ret->word_count++] = cd_str_slice(rest, 0, end);
                rest = cd_str_slice(rest, end + 1, rest.len);
        }
        return true;
}

/* False: /proc cannot be read. */
static bool read_ancestors(struct ancestry *a, const char *id)
{
        struct process self;
        char text[32];

        a->processes = cd_arena_calloc(a->arena, ANCESTORS_MAX, sizeof(*a->processes));
        if (!a->processes || !read_process(a, id, &self))
                return false;
        for (long parent = self.parent; parent > 0 && a->count < ANCESTORS_MAX; a->count++) {
                snprintf(text, sizeof(text), "%ld", parent);
                if (!read_process(a, text, &a->processes[a->count]))
                        break;
                parent = a->processes[a->count].parent;
        }
        return true;
}

static cd_str variable(const struct cd_started_by *by, const char *name)
{
        size_t len = strlen(name);

        for (char *const *at = by->environment; at && *at; at++)
                if (!strncmp(*at, name, len) && (*at)[len] == '=')
                        return cd_str_from_c(*at + len + 1);
        return CD_STR("");
}

static bool is_one_of(cd_str name, const char *const *names)
{
        for (; *names; names++)
                if (cd_str_eq_c(name, *names))
                        return true;
        return false;
}

/* A script's interpreter has the script among its first words. */
static bool is_program(const struct process *p, const char *const *names)
{
        if (is_one_of(p->name, names))
                return true;
        for (size_t i = 0; i < p->word_count && i < 3; i++)
                if (is_one_of(base_name(p->words[i]), names))
                        return true;
        return false;
}

/* ---- shells ---- */

static bool is_shell(const struct process *p)
{
        static const char *const shells[] = { "sh",   "bash", "dash", "zsh", "ksh", "mksh",
                                              "fish", "tcsh", "csh",  "ash", NULL };

        return is_one_of(p->name, shells);
}

/* Not one that runs a script or the text of -c. */
static bool is_typed_into(const struct process *p)
{
        for (size_t i = 1; i < p->word_count; i++) {
                cd_str word = p->words[i];
                bool is_option = cd_str_has_prefix(word, CD_STR("-")) || cd_str_has_prefix(word, CD_STR("+"));
                if (!is_option || (!cd_str_has_prefix(word, CD_STR("--")) && cd_str_index(word, 'c') < word.len))
                        return false;
        }
        return true;
}

/* ---- uWSGI ---- */

/* Also where it has given its processes names, as in "uWSGI mule 1". */
static bool is_uwsgi(const struct process *p)
{
        cd_str first = p->word_count ? base_name(p->words[0]) : CD_STR("");

        return cd_str_has_prefix(p->name, CD_STR("uwsgi")) || cd_str_has_prefix(p->name, CD_STR("uWSGI")) ||
               cd_str_has_prefix(first, CD_STR("uwsgi")) || cd_str_has_prefix(first, CD_STR("uWSGI"));
}

static bool is_same_command(const struct process *a, const struct process *b)
{
        if (a->word_count != b->word_count)
                return false;
        for (size_t i = 0; i < a->word_count; i++)
                if (!cd_str_eq(a->words[i], b->words[i]))
                        return false;
        return true;
}

/* The last file that its command line names; Debian's init script names one with defaults before. */
static cd_str uwsgi_file(const struct process *p)
{
        static const cd_str endings[] = { CD_STR_INIT(".ini"), CD_STR_INIT(".yaml"), CD_STR_INIT(".yml"),
                                          CD_STR_INIT(".xml"), CD_STR_INIT(".json") };

        for (size_t i = p->word_count; i-- > 1;)
                for (size_t k = 0; k < CD_LEN(endings); k++)
                        if (cd_str_has_suffix(p->words[i], endings[k])) {
                                size_t equals = cd_str_index(p->words[i], '=');
                                return equals < p->words[i].len ? cd_str_slice(p->words[i], equals + 1, p->words[i].len)
                                                                : p->words[i];
                        }
        return CD_STR("");
}

static bool names_itself(const struct process *p, const char *word)
{
        for (size_t i = 0; i < p->word_count; i++)
                if (memmem(p->words[i].ptr, p->words[i].len, word, strlen(word)))
                        return true;
        return false;
}

/* The processes of one uWSGI have one command line; that of an emperor differs from that of its vassals. */
static void judge_uwsgi(const struct ancestry *a, size_t index, struct cd_started_by *by)
{
        const struct process *nearest = &a->processes[index];
        bool is_child = names_itself(nearest, "uWSGI mule") || names_itself(nearest, "uWSGI worker");
        bool is_vassal = variable(by, "UWSGI_EMPEROR_FD").len || variable(by, "UWSGI_EMPEROR_PROXY").len;

        by->name = uwsgi_file(nearest);
        for (size_t i = index + 1; i < a->count && is_uwsgi(&a->processes[i]); i++) {
                const struct process *above = &a->processes[i];
                bool is_same = is_same_command(above, nearest);
                is_child |= is_same;
                is_vassal |= names_itself(above, "emperor") || names_itself(above, "Emperor") ||
                             (!is_same && !is_child && by->name.len && !cd_str_eq(uwsgi_file(above), by->name));
        }
        by->starter = is_vassal ? CD_STARTER_UWSGI_VASSAL : is_child ? CD_STARTER_UWSGI_CHILD : CD_STARTER_UWSGI;
}

/* ---- systemd and containers ---- */

/* The last component of the unit's cgroup, "0::/system.slice/cardea.service"; empty: it is of no service. */
static cd_str find_unit(const struct ancestry *a, const char *id)
{
        char path[64];

        snprintf(path, sizeof(path), "proc/%s/cgroup", id);
        for (cd_str rest = read_file(a, path); rest.len;) {
                size_t end = cd_str_index(rest, '\n');
                cd_str line = cd_str_slice(rest, 0, end), unit = base_name(line);
                bool is_systemd = cd_str_has_prefix(line, CD_STR("0::")) ||
                                  memmem(line.ptr, line.len, "name=systemd", strlen("name=systemd"));
                if (is_systemd && cd_str_has_suffix(unit, CD_STR(".service")))
                        return unit;
                rest = cd_str_slice(rest, end + 1, rest.len);
        }
        return CD_STR("");
}

static bool exists(const struct ancestry *a, const char *name)
{
        char path[PATH_MAX];

        snprintf(path, sizeof(path), "%s/%s", a->root, name);
        return access(path, F_OK) == 0;
}

static cd_str find_container(const struct ancestry *a, const char *id, const struct cd_started_by *by)
{
        static const char *const marks[][2] = { { "/docker", "docker" },
                                                { "/kubepods", "Kubernetes" },
                                                { "kubepods.", "Kubernetes" },
                                                { "/libpod", "podman" },
                                                { "/lxc", "lxc" },
                                                { "containerd", "containerd" } };
        char path[64];

        if (variable(by, "KUBERNETES_SERVICE_HOST").len)
                return CD_STR("Kubernetes");
        if (exists(a, "run/.containerenv"))
                return CD_STR("podman");
        if (exists(a, ".dockerenv"))
                return CD_STR("docker");
        snprintf(path, sizeof(path), "proc/%s/cgroup", id);
        cd_str groups = read_file(a, path);
        for (size_t i = 0; i < CD_LEN(marks); i++)
                if (memmem(groups.ptr, groups.len, marks[i][0], strlen(marks[i][0])))
                        return cd_str_from_c(marks[i][1]);
        return variable(by, "container");
}

/* ---- all of them ---- */

static bool judge_ancestor(const struct ancestry *a, size_t index, struct cd_started_by *by)
{
        static const char *const cron[] = { "cron", "crond", "CRON", "anacron", "fcron", "cronie", NULL };
        static const char *const supervisor[] = { "supervisord", NULL }, *const sudo[] = { "sudo", NULL };
        const struct process *p = &a->processes[index];

        if (is_shell(p) && is_typed_into(p)) {
                by->starter = CD_STARTER_SHELL;
                by->name = p->name;
        } else if (is_uwsgi(p)) {
                judge_uwsgi(a, index, by);
        } else if (is_program(p, supervisor)) {
                by->starter = CD_STARTER_SUPERVISOR;
                by->name = variable(by, "SUPERVISOR_GROUP_NAME");
        } else if (is_program(p, cron)) {
                by->starter = CD_STARTER_CRON;
        } else if (is_one_of(p->name, sudo)) {
                by->starter = CD_STARTER_SUDO;
        } else if (cd_str_eq(p->name, CD_STR("systemd")) && p->id != 1) {
                by->starter = CD_STARTER_SYSTEMD_USER;
        }
        return by->starter != CD_STARTER_UNKNOWN;
}

static void judge_rest(const struct ancestry *a, const char *id, struct cd_started_by *by)
{
        const struct process *top = a->count ? &a->processes[a->count - 1] : NULL;
        const struct process *nearest = top;

        cd_str unit = top && cd_str_eq(top->name, CD_STR("systemd")) ? find_unit(a, id) : CD_STR("");
        if (unit.len) {
                by->starter = CD_STARTER_SYSTEMD;
                by->name = unit;
                return;
        }
        bool is_cleared = by->environment && !by->environment[0]; /* that of a container always has PATH */
        by->name = is_cleared ? CD_STR("") : find_container(a, id, by);
        if (by->name.len || !top) { /* a process without a parent is the first one of a container */
                by->starter = CD_STARTER_CONTAINER;
                return;
        }
        for (size_t i = a->count; i-- > 0;)
                if (!is_shell(&a->processes[i]))
                        nearest = &a->processes[i];
        by->starter = is_cleared ? CD_STARTER_CLEARED : CD_STARTER_PROGRAM;
        by->name = nearest->name;
}

void cd_started_by_find(const char *root, const char *process, char *const *environment, struct cd_arena *arena,
                        struct cd_started_by *ret)
{
        struct ancestry a = { .root = root, .arena = arena };

        *ret = (struct cd_started_by){ .is_known = true, .environment = environment, .name = CD_STR("") };
        if (!read_ancestors(&a, process))
                return;
        for (size_t i = 0; i < a.count && !judge_ancestor(&a, i, ret); i++)
                ;
        if (ret->starter == CD_STARTER_UNKNOWN)
                judge_rest(&a, process, ret);
        if (ret->starter == CD_STARTER_SYSTEMD_USER)
                ret->name = find_unit(&a, process);
}
