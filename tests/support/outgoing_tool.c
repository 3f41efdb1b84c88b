/* Sends one request as the server would, with the log on standard error:
 *
 *      outgoing-tool CONFIG METHOD URL [BODY [BEARER]]
 *
 * Prints "ok STATUS BYTES [LOCATION]" or "ERROR: REASON", after a line that says whether libcurl is loaded before it is
 * needed. A bearer with a colon is sent as Basic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/config.h"
#include "app/outgoing.h"
#include "crypto/random.h"
#include "service/service.h"

enum {
        RESPONSE_MAX = 1024 * 1024
};

static bool has_libcurl(void)
{
        FILE *maps = fopen("/proc/self/maps", "r");
        char line[512];
        bool found = false;

        while (maps && fgets(line, sizeof(line), maps))
                found |= strstr(line, "libcurl") != NULL;
        if (maps)
                fclose(maps);
        return found;
}

static int fail(const struct cd_error *err)
{
        printf("%.*s: %s\n", CD_STR_ARG(cd_status_name(err->status)), err->reason);
        return EXIT_FAILURE;
}

static void set_credentials(struct cd_fetch_request *request, cd_str text)
{
        size_t colon = cd_str_index(text, ':');

        if (colon == text.len) {
                request->bearer = text;
                return;
        }
        request->basic_user = cd_str_slice(text, 0, colon);
        request->basic_password = cd_str_slice(text, colon + 1, text.len);
}

static int send_request(struct cd_fetch *client, struct cd_arena *arena, int argc, char **argv)
{
        struct cd_fetch_request request = {
                .method = strcmp(argv[2], "POST") == 0 ? CD_FETCH_POST : CD_FETCH_GET,
                .url = cd_str_from_c(argv[3]),
                .name = CD_STR("provider example"),
                .arena = arena,
        };
        struct cd_fetch_response response;
        struct cd_error err = { 0 };

        if (argc > 4 && argv[4][0]) {
                request.body = cd_str_from_c(argv[4]);
                request.content_type = CD_STR("application/x-www-form-urlencoded");
        }
        if (argc > 5)
                set_credentials(&request, cd_str_from_c(argv[5]));
        if (cd_fetch_call(client, &request, &response, &err) != CD_OK)
                return fail(&err);
        printf("ok %d %zu %.*s\n", response.status, response.body.len, CD_STR_ARG(response.location));
        return EXIT_SUCCESS;
}

static int run(const struct cd_config *config, struct cd_arena *arena, int argc, char **argv)
{
        struct cd_master_key *master = NULL;
        struct cd_outgoing_log log = { .detail = config->service.log.outgoing };
        struct cd_log *lines =
                cd_log_new(STDERR_FILENO, (enum cd_log_level)config->service.log.level, CD_STR("cardea"));
        const struct cd_outgoing_client_options options = { .config = config,
                                                            .file_name = cd_str_from_c(argv[1]),
                                                            .arena = arena,
                                                            .response_max = RESPONSE_MAX,
                                                            .log = &log };
        struct cd_fetch *client = NULL;
        struct cd_error err = { 0 };

        if (config->master_key.len &&
            cd_master_key_parse(config->master_key, &cd_random_system, &master, &err) != CD_OK)
                return fail(&err);
        if (cd_outgoing_log_init(&log, lines, master, &err) != CD_OK)
                return fail(&err);
        int code = cd_outgoing_client_new(&options, &client, &err) == CD_OK ? send_request(client, arena, argc, argv)
                                                                            : fail(&err);
        cd_fetch_free(client);
        cd_log_free(lines);
        cd_outgoing_log_done(&log);
        cd_master_key_free(master);
        return code;
}

int main(int argc, char **argv)
{
        struct cd_arena arena;
        struct cd_report report;
        struct cd_config config;
        struct cd_error err = { 0 };

        if (argc < 4) {
                fprintf(stderr, "usage: outgoing-tool CONFIG METHOD URL [BODY [BEARER]]\n");
                return 2;
        }
        cd_arena_init(&arena, CD_SERVICE_ARENA);
        cd_report_init(&report, &arena, cd_str_from_c(argv[1]));
        printf("libcurl is %s\n", has_libcurl() ? "loaded" : "not loaded");
        int code = cd_settings_load(&report, &cd_config_table, &config, &err) == CD_OK
                           ? run(&config, &arena, argc, argv)
                           : fail(&err);
        cd_arena_done(&arena);
        return code;
}
