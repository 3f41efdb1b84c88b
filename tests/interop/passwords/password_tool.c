/* What the library does with passwords and sealed secrets, on the command line: the other side of test_passwords.py.
 * Not installed.
 *   password_tool hash KIB PASSES < password       the stored form
 *   password_tool verify STORED < password         "right" or "wrong"; exit 1 and the reason where the stored text is refused
 *   password_tool seal MASTER CONTEXT < secret     sealed text
 *   password_tool unseal MASTER CONTEXT SEALED     the secret */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/password.h"
#include "crypto/seal.h"

enum {
        INPUT_MAX = 65536
};

static struct cd_arena arena;
static struct cd_error error;

static void must(cd_status status)
{
        if (status == CD_OK)
                return;
        fprintf(stderr, "%.*s: %s\n", CD_STR_ARG(cd_status_name(status)), error.reason);
        exit(1);
}

static cd_str read_input(void)
{
        char *memory = cd_arena_alloc(&arena, INPUT_MAX);

        if (!memory)
                exit(2);
        return cd_str_of(memory, fread(memory, 1, INPUT_MAX, stdin));
}

static cd_str hash(char **argv)
{
        const struct cd_password_cost cost = { strtoll(argv[0], NULL, 10) * 1024, strtoll(argv[1], NULL, 10) };
        cd_str stored = { NULL, 0 };

        must(cd_password_hash(&cost, &cd_random_system, read_input(), &arena, &stored, &error));
        return stored;
}

static cd_str verify(char **argv)
{
        bool is_right = false;

        must(cd_password_verify(cd_str_from_c(argv[0]), read_input(), &is_right, &error));
        return is_right ? CD_STR("right") : CD_STR("wrong");
}

static cd_str seal(char **argv, bool opens)
{
        struct cd_master_key *key;
        cd_str text = { NULL, 0 };

        must(cd_master_key_parse(cd_str_from_c(argv[0]), &cd_random_system, &key, &error));
        must(opens ? cd_unseal(key, &arena, cd_str_from_c(argv[1]), cd_str_from_c(argv[2]), &text, &error)
                   : cd_seal(key, &arena, cd_str_from_c(argv[1]), read_input(), &text, &error));
        cd_master_key_free(key);
        return text;
}

int main(int argc, char **argv)
{
        cd_str answer;

        cd_arena_init(&arena, 1 << 20);
        if (argc == 4 && strcmp(argv[1], "hash") == 0)
                answer = hash(argv + 2);
        else if (argc == 3 && strcmp(argv[1], "verify") == 0)
                answer = verify(argv + 2);
        else if (argc == 4 && strcmp(argv[1], "seal") == 0)
                answer = seal(argv + 2, false);
        else if (argc == 5 && strcmp(argv[1], "unseal") == 0)
                answer = seal(argv + 2, true);
        else
                return 2;
        printf("%.*s\n", CD_STR_ARG(answer));
        cd_arena_done(&arena);
        return 0;
}
