/* cardea cert: creates certificates for a first start, and renews them before they expire. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/interpolate.h"
#include "base/streams.h"
#include "cmd/cmd.h"
#include "cmd/file.h"
#include "crypto/certificate.h"

enum {
        DAYS = 365,
        PATH_SIZE = 4096,
        FILE_MAX = 256 * 1024, /* bytes of a file that is read */
        FILES = 3,
        FILES_BUT_KEY = 2, /* counted from the first */
};

struct ask {
        const char *days, *dir, *ca_key;
        struct cd_words names;
        bool new_key; /* of a renewal */
        struct cd_certificate_spec spec;
        cd_str before; /* the CA that signed the certificate to be renewed; empty: none, or it is missing */
        struct cd_arena arena;
};

/* A file of the set. When renewed, it is first written under a temporary name beside it. */
struct file {
        cd_str text;
        mode_t mode;
        char path[PATH_SIZE], beside[PATH_SIZE];
};

/* ---- files ---- */

static cd_status fail_file(struct cd_error *reterr, const char *path, int error)
{
        if (error == EEXIST)
                return cd_failf(reterr, CD_EXISTS, CD_STR(""),
                                "%s exists already and is not overwritten; name another folder with --dir, or replace "
                                "the certificate with \"cardea cert renew\"",
                                path);
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s: %s", path, strerror(error));
}

static cd_status write_new(const char *path, cd_str text, mode_t mode, struct cd_error *reterr)
{
        int error = cd_file_create(AT_FDCWD, path, NULL, mode, text);

        return error ? fail_file(reterr, path, error) : CD_OK;
}

/* The new file gets the owner of the existing one, so that the server can read it. */
static cd_status write_beside(const struct file *file, struct cd_error *reterr)
{
        struct stat before;

        if (stat(file->path, &before) != 0)
                return fail_file(reterr, file->path, errno);
        int error = cd_file_create(AT_FDCWD, file->beside, &before, file->mode, file->text);
        return error ? fail_file(reterr, file->beside, error) : CD_OK;
}

/* A file's name is durable once its folder is. */
static void sync_folder(const char *dir)
{
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return;
        (void)fsync(fd); /* not supported by every file system */
        close(fd);
}

/* Creates all files or none. */
static cd_status write_all_new(struct file files[FILES], struct cd_error *reterr)
{
        struct stat st;
        size_t made = 0;
        cd_status status = CD_OK;

        for (size_t i = 0; i < FILES; i++)
                if (lstat(files[i].path, &st) == 0)
                        return fail_file(reterr, files[i].path, EEXIST);
        for (; made < FILES && status == CD_OK; made += status == CD_OK)
                status = write_new(files[made].path, files[made].text, files[made].mode, reterr);
        for (size_t i = 0; i < made && status != CD_OK; i++)
                unlink(files[i].path);
        return status;
}

/* The files match even if this is interrupted, as long as the key stays: the new ca.pem, which is renamed first, also
 * has the CA of the earlier certificate. A new key has to be renamed apart from its certificate: a server that runs
 * rejects the one without the other, and another renewal makes them match. Each rename is durable before the next. */
static cd_status replace_all(const char *dir, struct file *files, size_t count, struct cd_error *reterr)
{
        size_t made = 0, moved = 0;
        cd_status status = CD_OK;

        for (; made < count && status == CD_OK; made += status == CD_OK)
                status = write_beside(&files[made], reterr);
        for (; moved < made && status == CD_OK; moved += status == CD_OK) {
                if (rename(files[moved].beside, files[moved].path) != 0)
                        status = fail_file(reterr, files[moved].path, errno);
                else
                        sync_folder(dir);
        }
        for (size_t i = moved; i < made; i++)
                unlink(files[i].beside);
        return status;
}

static cd_status write_set(const struct ask *ask, const struct cd_certificate_set *set, bool replaces,
                           struct cd_error *reterr)
{
        static const mode_t modes[FILES] = { 0644, 0644, 0600 };
        static const char *const names[FILES] = { "ca.pem", "cert.pem", "key.pem" };
        const cd_str texts[FILES] = { set->ca, set->certificate, set->key };
        struct file files[FILES];

        for (size_t i = 0; i < FILES; i++) {
                files[i] = (struct file){ .text = texts[i], .mode = modes[i] };
                if ((size_t)snprintf(files[i].path, PATH_SIZE, "%s/%s", ask->dir, names[i]) >= PATH_SIZE ||
                    (size_t)snprintf(files[i].beside, PATH_SIZE, "%s/%s.new", ask->dir, names[i]) >= PATH_SIZE)
                        return cd_fail(reterr, CD_UNAVAILABLE, "the folder's path is too long");
                if (replaces)
                        unlink(files[i].beside); /* left by a renewal that was killed */
        }
        if (replaces)
                return replace_all(ask->dir, files, ask->new_key ? FILES : FILES_BUT_KEY, reterr);
        cd_status status = write_all_new(files, reterr);
        if (status == CD_OK)
                sync_folder(ask->dir);
        return status;
}

/* ---- the commands ---- */

static cd_status read_key(struct ask *ask, cd_str path, cd_str *ret, struct cd_error *reterr)
{
        struct cd_secret_file about;

        cd_status status = cd_read_file(&ask->arena, path, FILE_MAX, ret, &about, reterr);
        const char *fault = status == CD_OK ? cd_secret_file_fault(&about) : NULL;
        if (fault)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "%.*s is a file that %s; %.*s",
                                CD_STR_ARG(path), fault, CD_STR_ARG(cd_secret_file_fix(&about, &ask->arena, path)));
        if (status == CD_OK && !ret->len)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""), "%.*s is empty", CD_STR_ARG(path));
        return status;
}

/* Reads the CA's key if it was kept; nothing if there is none yet. */
static cd_status read_ca_key(struct ask *ask, struct cd_error *reterr)
{
        struct stat st;

        if (!ask->ca_key || (lstat(ask->ca_key, &st) != 0 && errno == ENOENT))
                return CD_OK;
        return read_key(ask, cd_str_from_c(ask->ca_key), &ask->spec.ca_key, reterr);
}

/* Prints what clients must do with ca.pem. */
static const char *advice_of(const struct ask *ask, bool is_new_ca)
{
        if (!ask->before.len)
                return "the authority, which clients must trust";
        if (!is_new_ca)
                return "the authority; clients that trust the earlier one need no other";
        if (ask->new_key)
                return "a new authority; replace each copy of the earlier one, which trusts the earlier key, with this "
                       "file: of clients, a proxy in front (proxy_ssl_trusted_certificate), the \"ca\" of resource "
                       "services on other machines";
        return "a new authority; give this file to everything that has a copy of the earlier one: clients, a proxy in "
               "front (proxy_ssl_trusted_certificate), the \"ca\" of resource services on other machines";
}

static void announce(const struct ask *ask, bool is_new_ca)
{
        const struct cd_strs *names = &ask->spec.names;
        struct cd_buf list;
        cd_str text;

        cd_buf_init(&list, NULL, CD_CERTIFICATE_NAMES_MAX * 256);
        for (size_t i = 0; i < names->count; i++) {
                cd_buf_add_char(&list, ' ');
                cd_buf_add(&list, names->items[i]);
        }
        if (cd_buf_view(&list, &text) != CD_OK)
                text = CD_STR("");
        cd_print_line(stdout, "%s/ca.pem: %s", ask->dir, advice_of(ask, is_new_ca));
        cd_print_line(stdout, "%s/cert.pem: the certificate, for%.*s", ask->dir, CD_STR_ARG(text));
        cd_print_line(stdout, "%s/key.pem: its private key%s", ask->dir,
                      ask->spec.key.len ? ", as before"
                      : ask->new_key    ? ", a new one"
                                        : "");
        if (ask->ca_key)
                cd_print_line(stdout, "%s: the private key of the authority", ask->ca_key);
        cd_buf_done(&list);
}

/* For an error of a key, adds its file. */
static cd_status make_set(struct ask *ask, struct cd_certificate_set *ret, struct cd_error *reterr)
{
        struct cd_error why = { 0 };
        cd_status status = cd_certificate_make(&ask->spec, &ask->arena, ret, &why);

        if (status == CD_OK)
                return CD_OK;
        if (!strcmp(why.field, "ca_key"))
                return cd_failf(reterr, status, CD_STR(""), "%s %s", ask->ca_key, why.reason);
        if (!strcmp(why.field, "key"))
                return cd_failf(reterr, status, CD_STR(""), "%s/key.pem %s", ask->dir, why.reason);
        *reterr = why;
        return status;
}

/* Creates the folder of new files, too, if only that is missing; what else is wrong with it, the first file says. */
static cd_status write_all(const struct ask *ask, const struct cd_certificate_set *set, bool replaces,
                           struct cd_error *reterr)
{
        bool has_made_folder = !replaces && mkdir(ask->dir, 0700) == 0;
        bool keeps_key = ask->ca_key && !ask->spec.ca_key.len;
        cd_status status = CD_OK;

        if (keeps_key)
                status = write_new(ask->ca_key, set->ca_key, 0600, reterr);
        if (status == CD_OK) {
                status = write_set(ask, set, replaces, reterr);
                if (status != CD_OK && keeps_key)
                        unlink(ask->ca_key);
        }
        if (status != CD_OK && has_made_folder)
                rmdir(ask->dir);
        return status;
}

static cd_status make(struct ask *ask, bool replaces, struct cd_error *reterr)
{
        struct cd_certificate_set set;

        cd_status status = read_ca_key(ask, reterr);
        if (status == CD_OK)
                status = make_set(ask, &set, reterr);
        if (status != CD_OK)
                return status;
        bool is_new_ca = !cd_certificate_find_issuer(set.certificate, ask->before, &ask->arena).len;
        if (is_new_ca && !ask->new_key)
                set.ca = cd_arena_printf(&ask->arena, "%.*s%.*s", CD_STR_ARG(set.ca), CD_STR_ARG(ask->before));
        if (!set.ca.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for the authorities");
        status = write_all(ask, &set, replaces, reterr);
        if (status == CD_OK)
                announce(ask, is_new_ca);
        return status;
}

/* Reads the existing files: the names in the certificate, its CA, and the key if it stays. */
static cd_status read_set(struct ask *ask, struct cd_error *reterr)
{
        cd_str certificate = cd_arena_printf(&ask->arena, "%s/cert.pem", ask->dir);
        cd_str ca = cd_arena_printf(&ask->arena, "%s/ca.pem", ask->dir);
        cd_str key = cd_arena_printf(&ask->arena, "%s/key.pem", ask->dir), pem, authorities;
        struct cd_error why;

        if (!certificate.ptr || !ca.ptr || !key.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "no memory for a path");
        if (access(certificate.ptr, F_OK) != 0 && errno == ENOENT)
                return cd_failf(reterr, CD_INVALID_REQUEST, CD_STR(""),
                                "%.*s does not exist; name the folder of the certificate with --dir, or create one "
                                "with \"cardea cert new\"",
                                CD_STR_ARG(certificate));
        cd_status status = cd_read_file(&ask->arena, certificate, FILE_MAX, &pem, NULL, reterr);
        if (status != CD_OK)
                return status;
        status = cd_certificate_read_names(pem, &ask->arena, &ask->spec.names, &why);
        if (status != CD_OK)
                return cd_failf(reterr, status, CD_STR(""), "%.*s %s", CD_STR_ARG(certificate), why.reason);
        status = cd_read_file(&ask->arena, ca, FILE_MAX, &authorities, NULL, reterr);
        if (status == CD_OK && !ask->new_key)
                status = read_key(ask, key, &ask->spec.key, reterr);
        if (status == CD_OK)
                ask->before = cd_certificate_find_issuer(pem, authorities, &ask->arena);
        return status;
}

/* Begins a command: completes what it was asked. */
static bool begin(const char *command, struct ask *ask)
{
        uint64_t number;

        if (!ask->dir)
                ask->dir = ".";
        if (ask->days &&
            (!cd_str_to_u64(cd_str_from_c(ask->days), &number) || number < 1 || number > CD_CERTIFICATE_DAYS_MAX)) {
                cd_usage_error(command, "--days is a number from 1 to %d", CD_CERTIFICATE_DAYS_MAX);
                return false;
        }
        ask->spec.days = ask->days ? (int64_t)number : DAYS;
        ask->spec.now = cd_clock_system.now(&cd_clock_system);
        cd_arena_init(&ask->arena, CD_SERVICE_ARENA);
        return true;
}

static int end(const char *command, struct ask *ask, cd_status status, const struct cd_error *err)
{
        cd_arena_done(&ask->arena);
        if (status == CD_OK)
                return CD_EXIT_OK;
        cd_print_line(stderr, "cardea %s: %s", command, err->reason);
        return status == CD_INVALID_REQUEST || status == CD_MALFORMED ? CD_EXIT_USAGE : CD_EXIT_FAILED;
}

static int renew(const char *command, void *p)
{
        struct ask *ask = p;
        struct cd_error err;

        if (!begin(command, ask))
                return CD_EXIT_USAGE;
        cd_status status = read_set(ask, &err);
        if (status == CD_OK)
                status = make(ask, true, &err);
        return end(command, ask, status, &err);
}

static int new (const char *command, void *p)
{
        cd_str names[CD_CERTIFICATE_NAMES_MAX];
        struct ask *ask = p;
        struct cd_strs *to = &ask->spec.names;
        struct cd_error err;
        cd_status status = CD_OK;

        if (ask->names.count > CD_LEN(names))
                return cd_usage_error(command, "NAME is given %zu times; a certificate has at most %d names",
                                      ask->names.count, CD_CERTIFICATE_NAMES_MAX);
        if (!begin(command, ask))
                return CD_EXIT_USAGE;
        for (to->items = names; to->count < ask->names.count; to->count++)
                names[to->count] = cd_str_from_c(ask->names.items[to->count]);
        if (!to->count)
                status = cd_certificate_names_of_host(&ask->arena, to, &err);
        if (status == CD_OK)
                status = make(ask, false, &err);
        return end(command, ask, status, &err);
}

static const struct cd_argument new_arguments[] = {
        { "NAME", offsetof(struct ask, names),
          .help = "auth.example.org, \"*.example.org\", 192.0.2.1, ::1. Without any: localhost, 127.0.0.1, ::1 and the "
                  "name of this host",
          .optional = true, .is_many = true },
        { 0 },
};
#define COMMON_OPTIONS                                                                                                 \
        CD_VALUE(struct ask, days, "--days", 0, "N",                                                                   \
                 "how long both certificates are valid, 1 to 3650; 365 if not given"),                                 \
                CD_VALUE(struct ask, dir, "--dir", 0, "DIR", "the folder of the files; the current one if not given",  \
                         .names = CD_NAMES_FOLDER),                                                                    \
                CD_VALUE(struct ask, ca_key, "--ca-key", 0, "FILE",                                                    \
                         "write the private key of the authority to FILE or, if FILE exists, sign with it. Without "   \
                         "it, the key is discarded, so that nobody can issue another certificate",                     \
                         .names = CD_NAMES_FILE)

static const struct cd_option new_options[] = {
        COMMON_OPTIONS,
        { 0 },
};
static const struct cd_option renew_options[] = {
        COMMON_OPTIONS,
        CD_FLAG(struct ask, new_key, "--new-key", 0,
                "replace key.pem too, and trust the earlier authority no longer: when the key may be known to others"),
        { 0 },
};

static const struct cd_command cert_new = {
        .name = "new",
        .summary = "create a certificate authority and a server certificate",
        .about = "Creates a certificate authority (ca.pem) and a certificate (cert.pem) with its private key (key.pem, "
                 "ECDSA P-256, readable by its owner only) for a server with the given names. Clients that trust "
                 "ca.pem trust the server. An existing file is never overwritten. If only the folder of --dir is "
                 "missing, it is created, readable by its owner only.",
        .examples = "cardea cert new\ncardea cert new auth.example.org --dir tls --ca-key ca.key",
        .exit_codes = "1 failed at run time (a file exists already or cannot be written)\n2 the command line is wrong",
        .arguments = new_arguments,
        .options = new_options,
        .ask_size = sizeof(struct ask),
        .act_alone = new,
};

static const struct cd_command cert_renew = {
        .name = "renew",
        .summary = "replace both certificates with new ones for the same names",
        .about = "Replaces ca.pem and cert.pem, which \"cardea cert new\" or \"cardea init\" created, by new ones with "
                 "the same names and owner, for the same key.pem. A certificate of another authority is left as it "
                 "is. A running server loads the new files by itself. Clients need the new ca.pem, which trusts the "
                 "earlier authority too, unless you kept the key of the authority (--ca-key).\n\n"
                 "With --new-key, key.pem is replaced as well. An authority whose key you kept still vouches for the "
                 "earlier certificate until that expires: if the earlier key is known to others, name another --ca-key "
                 "or none.",
        .examples = "cardea cert renew --dir tls\ncardea cert renew --dir tls --new-key",
        .exit_codes = "1 failed at run time (a file cannot be written)\n2 the command line is wrong, a file cannot be "
                      "read, or cert.pem is from another authority",
        .options = renew_options,
        .ask_size = sizeof(struct ask),
        .act_alone = renew,
};

static const struct cd_command *const actions[] = { &cert_new, &cert_renew, NULL };

const struct cd_command cd_cmd_cert = {
        .name = "cert",
        .summary = "create and renew certificates",
        .actions = actions,
};
