/* cardea cert self-signed: a certificate for a first start. */
#include "cmd/cert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/streams.h"
#include "cmd/cmd.h"
#include "cmd/file.h"
#include "crypto/certificate.h"

enum {
        DAYS = 365,
        PATH_SIZE = 4096,
};

/* ---- files ---- */

static cd_status fail_file(struct cd_error *reterr, const char *path, int error)
{
        if (error == EEXIST)
                return cd_failf(reterr, CD_EXISTS, CD_STR(""), "%s is there already; nothing is written over", path);
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s: %s", path, strerror(error));
}

static cd_status write_new(const char *path, cd_str text, mode_t mode, struct cd_error *reterr)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

        if (fd < 0)
                return fail_file(reterr, path, errno);
        int error = cd_file_fill(fd, text, mode);
        if (close(fd) != 0 && !error)
                error = errno;
        if (!error)
                return CD_OK;
        unlink(path);
        return fail_file(reterr, path, error);
}

/* A name that lasts is a matter of the folder. */
static void sync_folder(const char *dir)
{
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return;
        (void)fsync(fd); /* not every file system can */
        close(fd);
}

cd_status cd_cert_write(const char *dir, cd_str certificate, cd_str key, struct cd_error *reterr)
{
        char certificate_path[PATH_SIZE], key_path[PATH_SIZE];
        struct stat st;

        if ((size_t)snprintf(certificate_path, PATH_SIZE, "%s/" CD_CERT_FILE, dir) >= PATH_SIZE ||
            (size_t)snprintf(key_path, PATH_SIZE, "%s/" CD_KEY_FILE, dir) >= PATH_SIZE)
                return cd_fail(reterr, CD_UNAVAILABLE, "the folder's path is too long");
        if (lstat(certificate_path, &st) == 0)
                return fail_file(reterr, certificate_path, EEXIST);
        cd_status status = write_new(key_path, key, 0600, reterr);
        if (status != CD_OK)
                return status;
        status = write_new(certificate_path, certificate, 0644, reterr);
        if (status != CD_OK)
                unlink(key_path);
        else
                sync_folder(dir);
        return status;
}

/* ---- the command ---- */

static int fail(const struct cd_error *err)
{
        bool is_usage = err->status == CD_INVALID_REQUEST;

        cd_print_line(stderr, "cardea cert: %s", err->reason);
        return is_usage ? CD_EXIT_USAGE : CD_EXIT_FAILED;
}

static int make(struct cd_certificate_spec *spec, const char *dir, struct cd_arena *arena)
{
        cd_str certificate, key;
        struct cd_error err;
        cd_status status = CD_OK;

        if (!spec->names.count)
                status = cd_certificate_names_of_host(arena, &spec->names, &err);
        if (status == CD_OK)
                status = cd_certificate_self_signed(spec, arena, &certificate, &key, &err);
        if (status == CD_OK)
                status = cd_cert_write(dir, certificate, key, &err);
        if (status != CD_OK)
                return fail(&err);
        printf("%s/" CD_CERT_FILE ": for", dir);
        for (size_t i = 0; i < spec->names.count; i++)
                printf(" %.*s", CD_STR_ARG(spec->names.items[i]));
        printf("\n%s/" CD_KEY_FILE ": its private key\n", dir);
        return CD_EXIT_OK;
}

static int run(int argc, char **argv)
{
        const char *days = NULL, *dir = ".", *rest[CD_CERTIFICATE_NAMES_MAX + 1];
        const struct cd_option options[] = { { .name = "--days", .value = &days },
                                             { .name = "--dir", .value = &dir },
                                             { 0 } };
        struct cd_certificate_spec spec = { .now = cd_clock_system.now(&cd_clock_system), .days = DAYS };
        cd_str names[CD_CERTIFICATE_NAMES_MAX];
        struct cd_arena arena;
        uint64_t number;

        if (!cd_options_parse(argc, argv, options, rest, CD_LEN(rest)))
                return CD_EXIT_USAGE;
        if (!rest[0] || strcmp(rest[0], "self-signed") != 0)
                return cd_usage_error(argv[0], "say what to make: cardea cert self-signed [NAME...]");
        if (days && (!cd_str_to_u64(cd_str_from_c(days), &number) || number < 1 || number > CD_CERTIFICATE_DAYS_MAX))
                return cd_usage_error(argv[0], "--days is a number from 1 to %d", CD_CERTIFICATE_DAYS_MAX);
        if (days)
                spec.days = (int64_t)number;
        for (spec.names.items = names; spec.names.count < CD_LEN(names) && rest[spec.names.count + 1];
             spec.names.count++)
                names[spec.names.count] = cd_str_from_c(rest[spec.names.count + 1]);
        cd_arena_init(&arena, CD_SERVICE_ARENA);
        int code = make(&spec, dir, &arena);
        cd_arena_done(&arena);
        return code;
}

const struct cd_command cd_cmd_cert = {
        .name = "cert",
        .summary = "make a certificate that signs itself",
        .help = "Usage: cardea cert self-signed [NAME...] [--days N] [--dir DIR]\n"
                "\n"
                "Makes a private key (ECDSA P-256) and a certificate of a server for the DNS names and addresses NAME, "
                "and writes\n"
                "DIR/key.pem, which only its owner can read, and DIR/cert.pem. Files that are there already are never "
                "written over.\n"
                "A client believes it once it is told to trust cert.pem.\n"
                "\n"
                "  NAME          \"auth.example.org\", \"*.example.org\", \"192.0.2.1\", \"::1\". Without any: "
                "localhost, "
                "127.0.0.1,\n"
                "                ::1 and the name of this host\n"
                "      --days N  how long it is good, 1 to 3650; 365 if not given\n"
                "      --dir DIR where the files go; here if not given\n"
                "\n"
                "Exit codes: 0 written, 1 a file is there already or cannot be written, 2 wrong command line.\n",
        .run = run,
};
