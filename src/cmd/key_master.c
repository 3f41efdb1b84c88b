/* cardea key rotate-master: another master key for the store. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "base/streams.h"
#include "cmd/context.h"
#include "cmd/file.h"
#include "cmd/key.h"
#include "core/master_rotation.h"

struct rotate_ask {
        const char *make;
        bool leaked;
};

/* Written by root, the file gets the owner of the configuration, so that the server can read both. */
static cd_status write_key(const char *path, const char *config, cd_str text, struct cd_error *reterr)
{
        bool is_root = geteuid() == 0;
        struct stat owner;

        int error = is_root && stat(config, &owner) != 0
                            ? errno
                            : cd_file_create(AT_FDCWD, path, is_root ? &owner : NULL, 0600, text);
        if (!error)
                return CD_OK;
        if (error == EEXIST)
                return cd_failf(reterr, CD_EXISTS, CD_STR(""), "%s exists already: choose another name", path);
        if (error == EACCES)
                return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""),
                                "%s: this user may not write to its folder: run this as root", path);
        return cd_failf(reterr, CD_UNAVAILABLE, CD_STR(""), "%s: %s", path, strerror(error));
}

/* Writes a new key to a new file, and what to do with it. */
static int make_key(struct cd_context *context, const char *path)
{
        char text[CD_MASTER_KEY_TEXT + 1];
        struct cd_error err = { 0 };

        cd_status status = cd_master_key_generate(context->admin.random, text, &err);
        text[CD_MASTER_KEY_TEXT] = '\n';
        if (status == CD_OK)
                status = write_key(path, context->config, cd_str_of(text, sizeof(text)), &err);
        cd_wipe(text, sizeof(text));
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        cd_print_line(
                stdout,
                "%s has a new master key; the store does not use it yet. Keep a copy in another place. Then, in %s, "
                "rename master_key to master_key_old, and write a new master_key that names %s; restart every "
                "server; run cardea key rotate-master.",
                path, context->config, path);
        return CD_EXIT_OK;
}

static void report(const struct cd_rotation *rotation)
{
        if (rotation->was_done && !rotation->leaked)
                cd_print_line(stdout, "The store is sealed under master_key already; %zu secret%s sealed again.",
                              rotation->resealed, rotation->resealed == 1 ? " was" : "s were");
        else
                cd_print_line(stdout, "The store is sealed under master_key now; %zu secret%s sealed again.",
                              rotation->resealed, rotation->resealed == 1 ? " was" : "s were");
        if (rotation->unreadable)
                cd_print_line(stdout, "%zu secret%s could not be read with either key, and stayed as before.",
                              rotation->unreadable, rotation->unreadable == 1 ? "" : "s");
        if (rotation->leaked)
                cd_print_line(stdout,
                              "Restart every server: until then it accepts cookies that are signed with the keys "
                              "that leaked. Afterwards everybody logs in again.");
        cd_print_line(stdout,
                      "When every server was restarted with both keys and this command reports 0 secrets, remove "
                      "master_key_old. Earlier backups need the earlier key.");
}

static int act(struct cd_context *context, void *p)
{
        const struct rotate_ask *ask = p;
        struct cd_rotation rotation = { .leaked = ask->leaked };
        struct cd_keyring ring;
        struct cd_error err = { 0 };

        if (ask->make)
                return make_key(context, ask->make);
        cd_status status = cd_admin_keyring(&context->admin, &ring, &err);
        if (status == CD_OK)
                status = cd_master_rotate(&ring, context->admin.master, &rotation, &err);
        if (status != CD_OK)
                return cd_context_fail(context->command, &err);
        report(&rotation);
        return CD_EXIT_OK;
}

static const struct cd_option options[] = {
        CD_VALUE(struct rotate_ask, make, "--make", 0, "FILE",
                 "only write a new key to FILE, which must not exist, and say what to do next", .names = CD_NAMES_FILE),
        CD_FLAG(struct rotate_ask, leaked, "--leaked", 0,
                "the earlier key is known to others: also renew the keys that sign cookies, forms and links, which "
                "ends all sessions when the servers restart"),
        { 0 },
};

const struct cd_command cd_key_rotate_master = {
        .name = "rotate-master",
        .summary = "seal everything in the store under another master key",
        .about =
                "Seals all that the store keeps sealed (private keys, TOTP secrets, tokens of providers, e-mails) "
                "under master_key instead of master_key_old. Both settings must be there, and every server must have "
                "been restarted with both. Servers may run meanwhile.\n\n"
                "Secrets of clients, recovery codes, sessions and tokens stay valid. The command may be interrupted at "
                "any moment and run again. Without master_key_old, it says what is missing and changes nothing.",
        .examples = "cardea key rotate-master --make /etc/cardea/master-2.key\n"
                    "cardea key rotate-master",
        .exit_codes = "4 the file of --make exists, or another process has replaced the key meanwhile",
        .options = options,
        .ask_size = sizeof(struct rotate_ask),
        .act = act,
};
