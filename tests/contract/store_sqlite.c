#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "contract/stage.h"
#include "contract/store_url.h"

static bool make_database(char *url, size_t size)
{
        const char *temporary = getenv("TMPDIR");
        char folder[256];

        snprintf(folder, sizeof(folder), "%s/cardea-contract-XXXXXX", temporary ? temporary : "/tmp");
        if (!mkdtemp(folder))
                return false;
        snprintf(url, size, "sqlite:%s/cardea.db", folder);
        return true;
}

static void remove_database(const char *url)
{
        static const char *const suffixes[] = { "", "-wal", "-shm", "-journal" };
        const char *path = url + sizeof("sqlite:") - 1;
        char file[512];

        for (size_t i = 0; i < CD_LEN(suffixes); i++) {
                snprintf(file, sizeof(file), "%s%s", path, suffixes[i]);
                unlink(file);
        }
        snprintf(file, sizeof(file), "%.*s", (int)cd_str_index(cd_str_from_c(path), '\0'), path);
        for (size_t i = cd_str_from_c(file).len; i-- > 0 && file[i] != '/';)
                file[i] = '\0';
        if (rmdir(file) != 0)
                fprintf(stderr, "%s has more than a database in it\n", file);
}

int main(void)
{
        static const struct store_row sqlite = { "SQLite", true, make_database, open_store_url, remove_database };

        return run_store_contract(&sqlite);
}
