/* cardea init: sets up a server that can be tried at once. */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/administration.h"
#include "base/streams.h"
#include "cmd/cmd.h"
#include "cmd/init.h"
#include "cmd/context.h"
#include "store/store.h"

enum {
        PORT_MAX = 65534, /* the resource service uses the next one */
};

/* --- what is asked for -------------------------------------------------------------------------------------------- */

static cd_status read_listen(struct init *init, struct cd_error *reterr)
{
        cd_str listen = cd_str_from_c(init->listen);
        const char *wrong = cd_service_check_address(listen);
        uint64_t port;

        if (wrong)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("listen"), wrong);
        size_t colon = listen.len;
        while (listen.ptr[--colon] != ':')
                ;
        init->host = cd_str_slice(listen, 0, colon);
        if (!cd_str_to_u64(cd_str_slice(listen, colon + 1, listen.len), &port) || port == 0 || port > PORT_MAX)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("listen"),
                                "must have a port from 1 to %d, since the resource service uses the next one",
                                PORT_MAX);
        init->port = (unsigned)port;
        return CD_OK;
}

static cd_status find_user(struct init *init, struct cd_error *reterr)
{
        const struct passwd *found;

        init->files.uid = (uid_t)-1;
        init->files.gid = (gid_t)-1;
        if (!init->user)
                return CD_OK;
        if (geteuid() != 0)
                return cd_fail_field(
                        reterr, CD_INVALID_REQUEST, CD_STR("user"),
                        "only root may give files to another user; run init as root, or as that user without --user");
        errno = 0;
        found = getpwnam(init->user);
        if (!found)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR("user"), "there is no user \"%s\" on this machine",
                                init->user);
        init->files.uid = found->pw_uid;
        init->files.gid = found->pw_gid;
        return CD_OK;
}

/* "cardea.db" from "sqlite:cardea.db"; NULL for any other store. */
static const char *sqlite_path(const struct init *init)
{
        return !strncmp(init->store, "sqlite:", 7) ? init->store + 7 : NULL;
}

static cd_status check_store(const struct init *init, struct cd_error *reterr)
{
        const char *path = sqlite_path(init);

        if ((path && *path) || !strncmp(init->store, "postgresql://", 13) || !strncmp(init->store, "postgres://", 11))
                return CD_OK;
        return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("--store"),
                             "must be sqlite:PATH or postgresql://USER@HOST/DATABASE");
}

/* --- the database ------------------------------------------------------------------------------------------------- */

/* Creates the SQLite file, which must be new. */
static cd_status make_database(struct init *init, struct cd_error *reterr)
{
        static const char *const suffixes[] = { "", "-wal", "-shm" };
        const char *path = sqlite_path(init);
        struct cd_store_opened opened;
        char name[INIT_PATH_MAX];

        if (!path)
                return CD_OK;
        for (size_t i = 0; i < CD_LEN(suffixes); i++) {
                snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
                cd_status status = init_files_expect(&init->files, name, reterr);
                if (status != CD_OK)
                        return status;
        }
        const struct cd_store_options options = { .url = cd_str_from_c(init->store),
                                                  .folder = cd_str_from_c(init->dir),
                                                  .may_create = true };
        struct cd_error why;
        cd_status status = cd_store_open(&options, &opened, &why);
        if (status != CD_OK)
                return cd_fail_field(reterr, status, CD_STR("--store"), why.reason);
        opened.store->free(opened.store);
        return CD_OK;
}

static cd_status make_key(const struct cd_admin *admin, struct cd_arena *arena, enum cd_alg alg,
                          struct cd_error *reterr)
{
        const struct cd_key_params params = { .alg = alg, .at_once = true };
        struct cd_keyring ring;

        cd_status status = cd_admin_keyring(admin, &ring, reterr);
        return status == CD_OK ? cd_keyring_generate(&ring, arena, &params, NULL, reterr) : status;
}

/* Explains why the new store cannot be opened. The master key is new, so if it does not match, the database is not
 * new. */
static cd_status explain(struct init *init, const struct cd_admin *admin, const struct cd_error *why,
                         struct cd_error *reterr)
{
        if (why->status == CD_INVALID_REQUEST && !sqlite_path(init) &&
            cd_report_has_error(&admin->report, CD_STR("master_key")))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("--store"),
                                     "this database is in use: it was created with another master key, and init makes "
                                     "a new one; name an empty database, or go on with the configuration and the "
                                     "master key that it was created with");
        /* The setting came from the option, and its file is removed again. */
        for (const struct cd_finding *f = admin->report.findings; f; f = f->next)
                if (f->level == CD_FINDING_ERROR)
                        return cd_failf(reterr, CD_INVALID_REQUEST,
                                        cd_arena_printf(&init->arena, "--%.*s", CD_STR_ARG(f->setting)), "%.*s%s%.*s",
                                        CD_STR_ARG(f->what), f->fix.len ? "; " : "", CD_STR_ARG(f->fix));
        *reterr = *why;
        return why->status;
}

/* Opens the result as any command does, which checks it, and creates the first keys. */
static cd_status make_keys(struct init *init, struct cd_error *reterr)
{
        cd_str path = cd_arena_printf(&init->arena, "%s/cardea.yaml", init->dir);
        struct cd_admin admin = { 0 };
        struct cd_error why = { 0 };

        if (!path.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a path");
        cd_status status =
                cd_admin_open(&(struct cd_admin_options){ .config_path = path.ptr, .may_create = true }, &admin, &why);
        if (status != CD_OK)
                status = explain(init, &admin, &why, reterr);
        if (status == CD_OK)
                status = make_key(&admin, &init->arena, CD_ALG_RS256, reterr);
        if (status == CD_OK && cd_config_alg(&admin.config) != CD_ALG_RS256)
                status = make_key(&admin, &init->arena, cd_config_alg(&admin.config), reterr);
        cd_admin_close(&admin);
        return status;
}

/* --- the machine's server ----------------------------------------------------------------------------------------- */

/* Whether the folder is the one that the packaged unit reads. */
static bool is_for_unit(const char *dir)
{
        static const char folder[] = "/etc/cardea";
        size_t len = strlen(dir);

        while (len && dir[len - 1] == '/')
                len--;
        return len == strlen(folder) && !memcmp(dir, folder, len);
}

/* The user of that unit, and the only folder that it may write to. */
static void set_defaults(struct init *init)
{
        bool for_unit = is_for_unit(init->dir);

        if (!init->store)
                init->store = for_unit ? "sqlite:/var/lib/cardea/cardea.db" : "sqlite:cardea.db";
        if (!init->user && for_unit && geteuid() == 0)
                init->user = "cardea";
}

/* None in a folder whose path leaves a socket no room (INIT_SOCKET_PATH_MAX). */
static void set_control(struct init *init)
{
        char path[PATH_MAX];

        if (is_for_unit(init->dir))
                init->control = "unix:/run/cardea/control.sock";
        else if (realpath(init->dir, path) && strlen(path) + strlen("/control.sock") <= INIT_SOCKET_PATH_MAX)
                init->control = "unix:control.sock";
}

/* --- all of it ---------------------------------------------------------------------------------------------------- */

static cd_status make_all(struct init *init, struct cd_error *reterr)
{
        cd_status status = init_files_begin(&init->files, init->dir, reterr);

        set_control(init);
        if (status == CD_OK)
                status = init_write(init, reterr);
        if (status == CD_OK)
                status = make_database(init, reterr);
        if (status == CD_OK)
                status = make_keys(init, reterr);
        if (status == CD_OK)
                status = init_files_finish(&init->files, reterr);
        return status;
}

static bool is_interrupted(void)
{
        sigset_t pending;

        sigpending(&pending);
        return sigismember(&pending, SIGINT) || sigismember(&pending, SIGTERM) || sigismember(&pending, SIGHUP);
}

/* The folder, quoted for a shell. */
static cd_str quoted(struct cd_arena *arena, const char *text)
{
        struct cd_buf buf;
        cd_str shown;

        if (text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+@%,:")] == '\0')
                return cd_str_from_c(text);
        cd_buf_init(&buf, arena, INIT_TEXT_MAX);
        cd_buf_add_char(&buf, '\'');
        for (; *text; text++)
                cd_buf_add(&buf, *text == '\'' ? CD_STR("'\\''") : cd_str_of(text, 1));
        cd_buf_add_char(&buf, '\'');
        return cd_buf_view(&buf, &shown) == CD_OK ? shown : CD_STR("DIR");
}

static void say_what_to_try(const struct init *init, cd_str dir)
{
        if (is_for_unit(init->dir)) {
                cd_print_line(stdout, "  systemctl enable --now cardea");
                cd_print_line(stdout, "  sudo -u %s cardea user add ana --config %.*s/cardea.yaml --claim role=editor",
                              init->user ? init->user : "cardea", CD_STR_ARG(dir));
                cd_print_line(stdout, "  curl --cacert %.*s/ca.pem -u ana https://localhost:%u/grant", CD_STR_ARG(dir),
                              init->port);
                return;
        }
        cd_print_line(
                stdout,
                "  cardea user add ana --config %.*s/cardea.yaml --claim role=editor --claim 'projects=[\"a\",\"b\"]'",
                CD_STR_ARG(dir));
        cd_print_line(stdout, "  cardea serve --config %.*s/cardea.yaml", CD_STR_ARG(dir));
        cd_print_line(stdout, "  curl --cacert %.*s/ca.pem -u ana https://localhost:%u/grant", CD_STR_ARG(dir),
                      init->port);
        cd_print_line(stdout, "  grant-resource --config %.*s/resource.yaml", CD_STR_ARG(dir));
        cd_print_line(stdout, "  curl --cacert %.*s/ca.pem -H \"Authorization: Bearer eyJ...\" https://localhost:%u/",
                      CD_STR_ARG(dir), init->port + 1);
}

/* Prints while everything can still be undone (LESSONS 38). main reports why standard output failed. */
static cd_status announce(struct init *init, struct cd_error *reterr)
{
        cd_str dir = quoted(&init->arena, init->dir);

        cd_print_line(stdout, "%s now contains a configuration, a certificate, a master key%s and the first keys. Try:",
                      init->dir, sqlite_path(init) ? ", a database" : "");
        putchar('\n');
        say_what_to_try(init, dir);
        putchar('\n');
        cd_print_line(
                stdout,
                "Keep a copy of %.*s/master.key in another place: without it, the private keys in the store are lost.",
                CD_STR_ARG(dir));
        return cd_output_error()
                       ? cd_fail(reterr, CD_UNAVAILABLE, "what to do next cannot be said, so nothing was made")
                       : CD_OK;
}

/* A signal waits until the installation is complete or removed. */
static cd_status make_or_undo(struct init *init, struct cd_error *reterr)
{
        sigset_t signals, old;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGHUP);
        sigaddset(&signals, SIGPIPE);
        sigprocmask(SIG_BLOCK, &signals, &old);
        cd_status status = make_all(init, reterr);
        if (status == CD_OK && is_interrupted())
                status = cd_fail(reterr, CD_UNAVAILABLE, "interrupted");
        if (status == CD_OK)
                status = announce(init, reterr);
        if (status != CD_OK)
                init_files_undo(&init->files);
        init_files_close(&init->files);
        sigprocmask(SIG_SETMASK, &old, NULL);
        return status;
}

static int make_installation(struct init *init)
{
        struct cd_error err = { 0 };

        cd_status status = read_listen(init, &err);
        if (status == CD_OK)
                status = find_user(init, &err);
        if (status == CD_OK)
                status = check_store(init, &err);
        if (status == CD_OK && !init->issuer) {
                init->issuer = cd_arena_printf(&init->arena, "https://localhost:%u", init->port).ptr;
                status = init->issuer ? CD_OK : cd_fail(&err, CD_NO_MEMORY, "no memory for the issuer");
        }
        if (status == CD_OK)
                status = make_or_undo(init, &err);
        if (status != CD_OK)
                return cd_context_fail(init->command, &err);
        return CD_EXIT_OK;
}

static int act(const char *command, void *p)
{
        struct init *init = p;

        init->command = command;
        init->files.fd = -1;
        init->listen = init->listen ? init->listen : "127.0.0.1:8443";
        set_defaults(init);
        cd_arena_init(&init->arena, CD_CONTEXT_ARENA);
        int code = make_installation(init);
        cd_arena_done(&init->arena);
        return code;
}

static const struct cd_option options[] = {
        CD_VALUE(struct init, dir, "--dir", 'd', "DIR", "the folder", .required = true, .names = CD_NAMES_FOLDER),
        CD_VALUE(struct init, listen, "--listen", 'l', "ADDRESS:PORT",
                 "where the server listens (default: 127.0.0.1:8443). The resource service uses the next port"),
        CD_VALUE(struct init, issuer, "--issuer", 0, "URL",
                 "the URL of the server for clients (default: https://localhost:PORT)"),
        CD_VALUE(
                struct init, store, "--store", 0, "URL",
                "sqlite:PATH, relative to DIR, or postgresql://USER@HOST/DATABASE (default: sqlite:cardea.db). Write a "
                "password in it as ${env:NAME} or, with an absolute PATH, ${file:PATH}, since other users can see the "
                "command line"),
        CD_VALUE(struct init, user, "--user", 0, "NAME", "as root: the user who owns all files and runs the server"),
        { 0 },
};

const struct cd_command cd_cmd_init = {
        .name = "init",
        .summary = "create a configuration, keys, a certificate and a database",
        .about = "Creates the folder DIR, or fills it if it is empty, and prints what to do next. Only its owner can "
                 "read the files:\n"
                 "\n"
                 "  cardea.yaml        the configuration\n"
                 "  cert.pem, key.pem  a certificate for localhost and this host, and its\n"
                 "                     private key\n"
                 "  ca.pem             its certificate authority, which clients must trust\n"
                 "  master.key         the key that encrypts the private keys in the store\n"
                 "  cardea.db          the database, with its first keys\n"
                 "  resource.yaml      the configuration of an example resource service\n"
                 "\n"
                 "An existing file is never overwritten. If a step fails, nothing is left behind.\n\n"
                 "In /etc/cardea, --user is cardea and --store is sqlite:/var/lib/cardea/cardea.db if not given, as "
                 "the systemd unit needs it.",
        .examples = "cardea init --dir auth\n"
                    "cardea init --dir site --listen 0.0.0.0:443 --issuer https://auth.example.org",
        .exit_codes = "0 created\n2 the command line is wrong\n4 DIR is not empty",
        .options = options,
        .ask_size = sizeof(struct init),
        .act_alone = act,
};
