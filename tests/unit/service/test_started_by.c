/* How a process was started, from made-up trees of /proc. */
#include <ftw.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "service/started_by.h"

struct fixture {
        char root[64];
        struct cd_arena arena;
        struct cd_started_by by;
};

static int set_up(void **state)
{
        struct fixture *f = calloc(1, sizeof(*f));

        snprintf(f->root, sizeof(f->root), "/tmp/cardea-proc-XXXXXX");
        if (!mkdtemp(f->root))
                return -1;
        cd_arena_init(&f->arena, 1024 * 1024);
        *state = f;
        return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
        (void)st, (void)kind, (void)at;
        return remove(path);
}

static int tear_down(void **state)
{
        struct fixture *f = *state;

        nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
        cd_arena_done(&f->arena);
        free(f);
        return 0;
}

static void put(struct fixture *f, const char *name, const char *bytes, size_t len)
{
        char path[512];

        snprintf(path, sizeof(path), "%s/%s", f->root, name);
        for (char *slash = path + strlen(f->root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                mkdir(path, 0700);
                *slash = '/';
        }
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(bytes, 1, len, file), len);
        assert_int_equal(fclose(file), 0);
}

/* A process whose command line has its words separated by single spaces. */
static void process(struct fixture *f, const char *id, const char *name, int parent, const char *command)
{
        char path[64], text[512];

        snprintf(path, sizeof(path), "proc/%s/stat", id);
        int len = snprintf(text, sizeof(text), "%s (%s) S %d 1 1 0 -1 4194560\n", id, name, parent);
        put(f, path, text, (size_t)len);
        snprintf(path, sizeof(path), "proc/%s/cmdline", id);
        len = snprintf(text, sizeof(text), "%s", command);
        for (int i = 0; i < len; i++)
                if (text[i] == ' ')
                        text[i] = '\0';
        put(f, path, text, (size_t)len + 1);
}

static void group(struct fixture *f, const char *text)
{
        put(f, "proc/self/cgroup", text, strlen(text));
}

static const char *fix(struct fixture *f, char *const *environment)
{
        cd_started_by_find(f->root, "self", environment, &f->arena, &f->by);
        return cd_started_by_fix(&f->by, &f->arena, CD_STR("GITHUB_CLIENT_SECRET")).ptr;
}

static char *const usual[] = { "PATH=/bin", "HOME=/root", NULL };

static void has(const char *text, const char *part)
{
        if (!strstr(text, part))
                fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static void a_unit_of_systemd_is_named_with_both_settings_and_the_reload(void **state)
{
        struct fixture *f = *state;

        process(f, "self", "cardea", 1, "/usr/bin/cardea serve");
        process(f, "1", "systemd", 0, "/sbin/init");
        group(f, "0::/system.slice/cardea.service\n");
        assert_string_equal(fix(f, usual),
                            "systemd started this process as cardea.service: set GITHUB_CLIENT_SECRET there "
                            "with EnvironmentFile= or Environment= (systemctl edit cardea.service), then "
                            "systemctl daemon-reload and systemctl restart cardea.service");
        group(f,
              "12:pids:/system.slice/other.service\n1:name=systemd:/system.slice/system-auth.slice/auth@2.service\n");
        has(fix(f, usual), "as auth@2.service: ");
        assert_int_equal(f->by.starter, CD_STARTER_SYSTEMD);
}

static void a_script_that_a_unit_runs_does_not_hide_the_unit(void **state)
{
        struct fixture *f = *state;

        process(f, "self", "cardea", 20, "cardea serve");
        process(f, "20", "sh", 1, "/bin/sh /opt/start.sh");
        process(f, "1", "systemd", 0, "/sbin/init");
        group(f, "0::/system.slice/cardea.service\n");
        has(fix(f, usual), "as cardea.service: ");
}

static void a_unit_of_the_user_manager_is_reloaded_with_user(void **state)
{
        struct fixture *f = *state;

        process(f, "self", "cardea", 900, "cardea serve");
        process(f, "900", "systemd", 1, "/lib/systemd/systemd --user");
        process(f, "1", "systemd", 0, "/sbin/init");
        group(f, "0::/user.slice/user-1000.slice/user@1000.service/app.slice/cardea.service\n");
        has(fix(f, usual), "systemctl --user restart cardea.service");
}

static void a_container_is_known_by_file_group_variable_or_as_the_first_process(void **state)
{
        static char *const kubernetes[] = { "PATH=/bin", "KUBERNETES_SERVICE_HOST=10.0.0.1", NULL };
        static char *const lxc[] = { "PATH=/bin", "container=lxc", NULL };
        struct fixture *f = *state;

        process(f, "self", "cardea", 0, "cardea serve");
        has(fix(f, usual),
            "container (it has no parent): pass GITHUB_CLIENT_SECRET with docker run -e GITHUB_CLIENT_SECRET");
        process(f, "self", "cardea", 1, "cardea serve");
        process(f, "1", "tini", 0, "tini -- start.sh");
        group(f, "0::/\n");
        has(fix(f, usual), "tini started this process");
        has(fix(f, kubernetes), "under env: or envFrom: of the container");
        has(fix(f, lxc), "container (lxc)");
        group(f, "4:memory:/docker/0123456789abcdef\n0::/\n");
        has(fix(f, usual), "container (docker)");
        group(f, "0::/kubepods.slice/kubepods-burstable.slice/x.scope\n");
        has(fix(f, usual), "container of Kubernetes");
        put(f, "run/.containerenv", "", 0);
        has(fix(f, usual), "container (podman)");
}

static void cron_is_known_behind_the_shell_of_its_job(void **state)
{
        struct fixture *f = *state;

        process(f, "self", "cardea", 30, "cardea check");
        process(f, "30", "sh", 29, "/bin/sh -c cardea");
        process(f, "29", "cron", 28, "/usr/sbin/CRON -f");
        process(f, "28", "cron", 1, "/usr/sbin/cron -f");
        process(f, "1", "systemd", 0, "/sbin/init");
        group(f, "0::/system.slice/cron.service\n");
        has(fix(f, usual), "cron started this process: write GITHUB_CLIENT_SECRET=");
}

static void uwsgi_is_told_apart_from_its_children_and_from_vassals(void **state)
{
        struct fixture *f = *state;

        process(f, "self", "cardea", 40, "cardea serve");
        process(f, "40", "uwsgi", 1,
                "/usr/bin/uwsgi --ini /etc/defaults.ini --ini /etc/uwsgi/app.ini --daemonize /var/log/x");
        process(f, "1", "init", 0, "init");
        has(fix(f, usual), "uWSGI started this process: write env = GITHUB_CLIENT_SECRET=");
        has(fix(f, usual), "under [uwsgi] in /etc/uwsgi/app.ini");

        process(f, "40", "uwsgi", 39, "/usr/bin/uwsgi --ini=/srv/app.ini");
        process(f, "39", "uwsgi", 1, "/usr/bin/uwsgi --ini=/srv/app.ini");
        has(fix(f, usual), "a worker or mule of uWSGI started this process");
        has(fix(f, usual), "in /srv/app.ini, then");

        process(f, "39", "uwsgi", 38, "/usr/bin/uwsgi --emperor /etc/uwsgi/vassals");
        has(fix(f, usual), "a vassal of a uWSGI emperor started this process");
        process(f, "39", "uwsgi", 38, "/usr/bin/uwsgi --ini /etc/uwsgi/emperor.ini");
        has(fix(f, usual), "a vassal of a uWSGI emperor started this process");

        process(f, "40", "uwsgi", 1, "");
        put(f, "proc/40/cmdline", "uWSGI mule 1\0\0\0", 15); /* auto-procname */
        has(fix(f, usual), "a worker or mule of uWSGI started this process");
        has(fix(f, usual), "under [uwsgi] in its configuration");
}

static void supervisord_is_known_as_a_script_of_an_interpreter(void **state)
{
        static char *const with_name[] = { "SUPERVISOR_ENABLED=1", "SUPERVISOR_GROUP_NAME=auth", NULL };
        struct fixture *f = *state;

        process(f, "self", "cardea", 50, "cardea serve");
        process(f, "50", "python3", 1, "/usr/bin/python3 /usr/bin/supervisord -n");
        process(f, "1", "systemd", 0, "/sbin/init");
        group(f, "0::/system.slice/supervisor.service\n");
        has(fix(f, with_name), "under [program:auth]");
        has(fix(f, usual), "under [program:NAME]");
}

static void the_nearest_of_shell_and_sudo_decides(void **state)
{
        struct fixture *f = *state;

        process(f, "self", "cardea", 60, "cardea serve");
        process(f, "60", "sudo", 59, "sudo cardea serve");
        process(f, "59", "bash", 1, "-bash");
        process(f, "1", "systemd", 0, "/sbin/init");
        group(f, "0::/user.slice/user-1000.slice/session-3.scope\n");
        has(fix(f, usual), "sudo --preserve-env=GITHUB_CLIENT_SECRET or sudo -E, or add it to env_keep");
        process(f, "60", "zsh", 59, "zsh -i");
        process(f, "59", "sudo", 1, "sudo -s");
        has(fix(f, usual), "a shell (zsh) started this process: run export GITHUB_CLIENT_SECRET=");
        process(f, "60", "bash", 59, "bash -lc cardea");
        has(fix(f, usual), "sudo started this process");
}

static void another_program_is_named_by_the_nearest_that_is_no_shell(void **state)
{
        static char *const none[] = { NULL };
        struct fixture *f = *state;

        process(f, "self", "cardea", 70, "cardea serve");
        process(f, "70", "sh", 69, "sh -c cardea");
        process(f, "69", "a (b) c", 1, "node x.js");
        process(f, "1", "systemd", 0, "/sbin/init");
        group(f, "0::/init.scope\n");
        has(fix(f, usual),
            "a (b) c started this process: set GITHUB_CLIENT_SECRET in the environment that it passes on");
        has(fix(f, none), "no environment variable at all: write env -i GITHUB_CLIENT_SECRET=");
}

static void without_proc_it_is_said_what_to_do_all_the_same(void **state)
{
        struct fixture *f = *state;

        assert_string_equal(fix(f, usual), "set GITHUB_CLIENT_SECRET in the environment of this process");
        put(f, "proc/self/stat", "1 (x", 4);
        has(fix(f, usual), "set GITHUB_CLIENT_SECRET in the environment");
        put(f, "proc/self/stat", "1 (x)", 5);
        has(fix(f, usual), "set GITHUB_CLIENT_SECRET in the environment");
}

static void a_misspelt_variable_is_named_without_its_value(void **state)
{
        static char *const near[] = { "PATH=/bin", "GITHUB_CLIENT_ID=Iv1", "GITHUB_CLIENT_SECRT=hush", NULL };
        static char *const lower[] = { "github_client_secret=hush", NULL };
        static char *const empty[] = { "GITHUB_CLIENT_SECRT=", "=x", "GITHUB_CLIENT_SECRET=", NULL };
        static char *const far[] = { "GITHUB_CLIENT=hush", "GITHUB_TOKEN_SECRET=hush", NULL };
        struct fixture *f = *state;

        has(fix(f, near), "did you mean GITHUB_CLIENT_SECRT, which is set? ");
        assert_null(strstr(fix(f, near), "hush"));
        has(fix(f, lower), "did you mean github_client_secret, which is set? ");
        assert_null(strstr(fix(f, empty), "did you mean"));
        assert_null(strstr(fix(f, far), "did you mean"));
}

static void every_starter_says_why(void **state)
{
        (void)state;
        for (int i = CD_STARTER_UNKNOWN; i <= CD_STARTER_PROGRAM; i++)
                assert_true(cd_started_by_why(&(struct cd_started_by){ .starter = (enum cd_starter)i }).len > 20);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                TEST(a_unit_of_systemd_is_named_with_both_settings_and_the_reload),
                TEST(a_script_that_a_unit_runs_does_not_hide_the_unit),
                TEST(a_unit_of_the_user_manager_is_reloaded_with_user),
                TEST(a_container_is_known_by_file_group_variable_or_as_the_first_process),
                TEST(cron_is_known_behind_the_shell_of_its_job),
                TEST(uwsgi_is_told_apart_from_its_children_and_from_vassals),
                TEST(supervisord_is_known_as_a_script_of_an_interpreter),
                TEST(the_nearest_of_shell_and_sudo_decides),
                TEST(another_program_is_named_by_the_nearest_that_is_no_shell),
                TEST(without_proc_it_is_said_what_to_do_all_the_same),
                TEST(a_misspelt_variable_is_named_without_its_value),
                TEST(every_starter_says_why),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
