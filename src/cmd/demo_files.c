#include "cmd/demo_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/random.h"

static const char *const program_names[] = { "cardea", "time-resource", "time-webapp" };
static const char *const config_names[] = { "cardea.yaml", "time-resource.yaml", "time-webapp.yaml" };

static bool join(char to[DEMO_PATH_MAX], const char *folder, const char *name)
{
        int n = snprintf(to, DEMO_PATH_MAX, "%s/%s", folder, name);

        return n > 0 && n < DEMO_PATH_MAX;
}

static bool find_program(struct demo_files *files, const char *bin, int which)
{
        static const char *const places[] = { "examples/time-api", "../libexec/cardea" };
        char folder[DEMO_PATH_MAX];

        for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
                if (join(folder, bin, places[i]) && join(files->programs[which], folder, program_names[which]) &&
                    access(files->programs[which], X_OK) == 0)
                        return true;
        fprintf(stderr, "cardea demo: %s is neither in %s/%s nor in %s/%s; build or install the examples\n",
                program_names[which], bin, places[0], bin, places[1]);
        return false;
}

bool demo_files_find(struct demo_files *files)
{
        char bin[DEMO_PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", bin, sizeof(bin) - 1);

        if (n <= 0) {
                fprintf(stderr, "cardea demo: cannot find its own program: %s\n", strerror(errno));
                return false;
        }
        bin[n] = '\0';
        memcpy(files->programs[DEMO_AUTHORIZATION], bin, (size_t)n + 1);
        *strrchr(bin, '/') = '\0';
        return find_program(files, bin, DEMO_RESOURCE) && find_program(files, bin, DEMO_WEBAPP);
}

/* The resource server's secret is made anew for each demo. */
static bool make_secret(char ret[33])
{
        unsigned char bytes[16];

        if (cd_random_system.fill(&cd_random_system, bytes, sizeof(bytes)) != CD_OK)
                return false;
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
        return true;
}

__attribute__((format(printf, 3, 4))) static bool write_file(struct demo_files *files, int which, const char *format,
                                                             ...)
{
        va_list args;
        FILE *file = NULL;

        if (!join(files->configs[which], files->folder, config_names[which]))
                return false;
        int fd = open(files->configs[which], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 || !(file = fdopen(fd, "w")))
                return false;
        va_start(args, format);
        bool fine = vfprintf(file, format, args) > 0;
        va_end(args);
        return fclose(file) == 0 && fine;
}

static bool write_authorization(struct demo_files *files, unsigned base, const char *secret)
{
        return write_file(files, DEMO_AUTHORIZATION,
                          "# The authorization server: cardea serve --config FILE\n"
                          "listen: [\"127.0.0.1:%u\"]\n"
                          "issuer: http://localhost:%u\n"
                          "trusted_proxies: [\"127.0.0.1\"]   # so that one request_id runs through all three\n"
                          "shutdown_grace: 3s\n"
                          "tokens: { lifetime: 5s }\n"
                          "accept_any_user: demo-only\n"
                          "scopes: [current_time, epoch_time]\n"
                          "clients:\n"
                          "  - id: \"1234\"                     # the web application\n"
                          "    secret: qwerty\n"
                          "    grant_types: [client_credentials, password]\n"
                          "    scopes: [current_time, epoch_time]\n"
                          "    audience: http://localhost:%u\n"
                          "    introspect: [http://localhost:%u]\n"
                          "  - id: time-resource              # the resource server\n"
                          "    secret: %s\n"
                          "    introspect: [http://localhost:%u]\n",
                          base + 1, base + 1, base + 2, base + 2, secret, base + 2);
}

static bool write_others(struct demo_files *files, unsigned base, const char *secret)
{
        return write_file(files, DEMO_RESOURCE,
                          "# The resource server: time-resource --config FILE\n"
                          "listen: [\"127.0.0.1:%u\"]\n"
                          "trusted_proxies: [\"127.0.0.1\"]\n"
                          "shutdown_grace: 3s\n"
                          "authorization_server: http://127.0.0.1:%u\n"
                          "resource: http://localhost:%u       # the audience that its tokens must have\n"
                          "client_id: time-resource\n"
                          "client_secret: %s\n"
                          "timeout: 2s\n",
                          base + 2, base + 1, base + 2, secret) &&
               write_file(files, DEMO_WEBAPP,
                          "# The web application: time-webapp --config FILE\n"
                          "listen: [\"127.0.0.1:%u\"]\n"
                          "shutdown_grace: 3s\n"
                          "authorization_server: http://127.0.0.1:%u\n"
                          "resource_server: http://127.0.0.1:%u\n"
                          "client_id: \"1234\"\n"
                          "client_secret: qwerty\n"
                          "username: demo\n"
                          "password: demo\n"
                          "timeout: 2s\n",
                          base + 3, base + 1, base + 2);
}

bool demo_files_write(struct demo_files *files, unsigned base)
{
        const char *tmp = getenv("TMPDIR");
        char secret[33];

        if (!join(files->folder, tmp && *tmp ? tmp : "/tmp", "cardea-demo-XXXXXX") || !mkdtemp(files->folder)) {
                fprintf(stderr, "cardea demo: no folder for the configuration: %s\n", strerror(errno));
                files->folder[0] = '\0';
                return false;
        }
        if (make_secret(secret) && write_authorization(files, base, secret) && write_others(files, base, secret))
                return true;
        fprintf(stderr, "cardea demo: cannot write the configuration to %s: %s\n", files->folder, strerror(errno));
        return false;
}

void demo_files_remove(struct demo_files *files)
{
        if (!files->folder[0])
                return;
        for (int i = 0; i < DEMO_COUNT; i++)
                if (files->configs[i][0])
                        unlink(files->configs[i]);
        rmdir(files->folder);
        files->folder[0] = '\0';
}
