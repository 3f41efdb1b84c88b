#include "demo_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/streams.h"

#define LIBEXEC "." /* which has this program */
#define BIN     "../../bin"

static const struct {
        const char *program;
        /* Its folder relative to that of this executable, in a build tree and in an installation. */
        const char *built, *installed;
        const char *config;
} services[DEMO_COUNT] = {
        [DEMO_GATE] = { "cardea", "../..", BIN, "gate.yaml" },
        [DEMO_AUTHORIZATION] = { "cardea", "../..", BIN, "cardea.yaml" },
        [DEMO_RESOURCE] = { "time-resource", "../time-api", LIBEXEC, "time-resource.yaml" },
        [DEMO_WEBAPP] = { "time-webapp", "../time-api", LIBEXEC, "time-webapp.yaml" },
        [DEMO_BASIC] = { "cardea", "../..", BIN, "basic/cardea.yaml" },
        [DEMO_BASIC_RESOURCE] = { "grant-resource", "../resource", BIN, "basic/resource.yaml" },
        [DEMO_FLASK] = { "app.py", "../demo-flask", LIBEXEC "/demo-flask", "flask.ini" },
        [DEMO_CHAT] = { "chat.py", "../demo-chat", LIBEXEC "/demo-chat", NULL },
        [DEMO_COMMITS] = { "app.py", "../commits", LIBEXEC "/commits", "commits.ini" },
        [DEMO_PROVIDERS] = { "fake_providers.py", "../fake-providers", LIBEXEC "/fake-providers", "providers.json" },
        [DEMO_TLS_GATE] = { "cardea", "../..", BIN, "gate-tls.yaml" },
};

static bool join(char to[DEMO_PATH_MAX], const char *folder, const char *name)
{
        int n = snprintf(to, DEMO_PATH_MAX, "%s/%s", folder, name);

        return n > 0 && n < DEMO_PATH_MAX;
}

bool demo_is_flask(unsigned which)
{
        return which == DEMO_FLASK || which == DEMO_COMMITS;
}

/* Shortens the path of a file that is there, for the reader of a message. */
static bool resolve(char path[DEMO_PATH_MAX])
{
        char *real = realpath(path, NULL);
        size_t len = real ? strlen(real) : DEMO_PATH_MAX;

        if (len < DEMO_PATH_MAX)
                memcpy(path, real, len + 1);
        free(real);
        return len < DEMO_PATH_MAX;
}

static bool find_program(struct demo_files *files, const char *own, unsigned which)
{
        const char *const paths[] = { services[which].built, services[which].installed };
        char folder[DEMO_PATH_MAX];

        for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
                if (join(folder, own, paths[i]) && join(files->programs[which], folder, services[which].program) &&
                    access(files->programs[which], demo_is_flask(which) ? R_OK : X_OK) == 0)
                        return resolve(files->programs[which]);
        cd_print_line(stderr, "cardea demo: %s is neither in %s/%s nor in %s/%s; build or install the examples",
                      services[which].program, own, paths[0], own, paths[1]);
        return false;
}

static bool find_uwsgi(struct demo_files *files)
{
        const char *path = getenv("PATH");
        char folders[4096], *rest = folders;

        snprintf(folders, sizeof(folders), "%s:/usr/bin", path ? path : "");
        for (const char *folder; (folder = strsep(&rest, ":"));)
                if (folder[0] == '/' && join(files->uwsgi, folder, "uwsgi") && access(files->uwsgi, X_OK) == 0)
                        return true;
        cd_print_line(stderr, "cardea demo: uwsgi is not installed; install it (Debian: apt install uwsgi-core "
                              "uwsgi-plugin-python3 python3-flask python3-websockets)");
        return false;
}

bool demo_files_find(struct demo_files *files)
{
        char own[DEMO_PATH_MAX];
        ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);

        if (n <= 0) {
                cd_print_line(stderr, "cardea demo: cannot find its own program: %s", strerror(errno));
                return false;
        }
        own[n] = '\0';
        *strrchr(own, '/') = '\0';
        for (unsigned i = 0; i < DEMO_COUNT; i++)
                if (!find_program(files, own, i))
                        return false;
        return find_uwsgi(files);
}

/* New secrets for each demo: `digits` hexadecimal digits. */
static bool make_secret(char *ret, size_t digits)
{
        unsigned char bytes[16];

        if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return false;
        for (size_t i = 0; i < digits / 2; i++)
                snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
        return true;
}

__attribute__((format(printf, 3, 4))) static bool write_file(struct demo_files *files, int which, const char *format,
                                                             ...)
{
        va_list args;
        FILE *file = NULL;

        if (!join(files->configs[which], files->folder, services[which].config))
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

/* ---- commands that a user would enter ---- */

/* Runs `argv` with `input` on its standard input, and its standard output in the file `output`. */
static bool run_command(const char *const argv[], const char *input, const char *output)
{
        int ends[2], status;

        if (pipe2(ends, O_CLOEXEC) < 0)
                return false;
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
                int to = open(output, O_WRONLY | O_CREAT, 0600);
                dup2(ends[0], STDIN_FILENO);
                dup2(to, STDOUT_FILENO);
                execv(argv[0], (char *const *)argv);
                _exit(127);
        }
        close(ends[0]);
        /* A few bytes, which fit in the pipe even if they are not read. */
        bool fine = pid > 0 && (!*input || write(ends[1], input, strlen(input)) == (ssize_t)strlen(input));
        close(ends[1]);
        return pid > 0 && waitpid(pid, &status, 0) == pid && fine && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- the applications behind the gate ---- */

/* Logins with an account at GitHub, which is the fake one. */
static void describe_signin(char *to, size_t size, unsigned base, const char *secret)
{
        unsigned port = demo_port(base, DEMO_PROVIDERS);

        snprintf(to, size,
                 "signin:\n"
                 "  providers:\n"
                 "    - type: github\n"
                 "      client_id: cardea-demo\n"
                 "      client_secret: %s\n"
                 "      authorization_endpoint: http://localhost:%u/github/login/oauth/authorize   # not github.com\n"
                 "      token_endpoint: http://127.0.0.1:%u/github/login/oauth/access_token\n"
                 "      userinfo_endpoint: http://127.0.0.1:%u/github/api/user\n"
                 "      allow: { organizations: [example], subjects: [\"70000001\"] }\n"
                 "      create: true\n"
                 "outgoing:\n"
                 "  networks: [127.0.0.0/8]\n",
                 secret, port, port, port);
}

/* Two servers with one store: one with http, so that a browser need not trust a certificate first, and one with TLS,
 * and so HTTP/2. Each is a portal at its own URL, with a login of its own. */
static bool write_gate(struct demo_files *files, int which, unsigned base, const char *key, const char *secret)
{
        bool is_tls = which == DEMO_TLS_GATE;
        char signin[1024];

        describe_signin(signin, sizeof(signin), base, secret);
        return write_file(files, which,
                          "# The gate and the login portal: cardea serve --config FILE\n"
                          "listen: [\"127.0.0.1:%u\"]\n"
                          "%s"
                          "shutdown_grace: 3s\n"
                          "store: sqlite:gate.db\n"
                          "master_key: %s\n"
                          "portal:\n"
                          "  url: http%s://localhost:%u/_auth\n"
                          "  registration: open\n"
                          "  title: Cardea demo\n"
                          "  footer: All accounts are deleted when the demo is stopped.\n"
                          "%s"
                          "gate:\n"
                          "  routes:\n"
                          "    - host: localhost\n"
                          "      path: /chat/\n"
                          "      upstream: http://127.0.0.1:%u\n"
                          "      strip_path: true\n"
                          "      allow: { factors: 2 }\n"
                          "    - host: localhost\n"
                          "      path: /commits/\n"
                          "      upstream: uwsgi://127.0.0.1:%u\n"
                          "      strip_path: true\n"
                          "      pass_token: github\n"
                          "      allow: { factors: 1 }\n"
                          "    - host: localhost\n"
                          "      upstream: uwsgi://127.0.0.1:%u\n"
                          "      allow: { factors: 2 }\n",
                          demo_port(base, (unsigned)which),
                          is_tls ? "tls: { certificate: basic/cert.pem, key: basic/key.pem }   # and so HTTP/2\n" : "",
                          key, is_tls ? "s" : "", demo_port(base, (unsigned)which), signin, base + DEMO_CHAT,
                          base + DEMO_COMMITS, base + DEMO_FLASK);
}

/* One process without a master, so that it ends when the demo is killed. */
static bool write_flask(struct demo_files *files, int which, unsigned base, const char *more)
{
        const char *program = files->programs[which];

        return write_file(files, which,
                          "# A Flask application: uwsgi --ini FILE\n"
                          "[uwsgi]\n"
                          "plugin = python3\n"
                          "socket = 127.0.0.1:%u\n"
                          "pythonpath = %.*s\n"
                          "module = app:app\n"
                          "threads = 4\n"
                          "buffer-size = 65535\n"
                          "need-app = true\n"
                          "die-on-term = true\n"
                          "disable-logging = true   ; of requests, which the gate logs\n"
                          "%s",
                          base + (unsigned)which, (int)(strrchr(program, '/') - program), program, more);
}

static bool write_commits(struct demo_files *files, unsigned base)
{
        char more[256];
        unsigned port = demo_port(base, DEMO_PROVIDERS);

        snprintf(more, sizeof(more),
                 "; The fake one; without this, it is https://api.github.com.\n"
                 "env = GITHUB_API=http://127.0.0.1:%u/github/api\n"
                 "env = LEDGER_URL=http://localhost:%u/ledger\n",
                 port, port);
        return write_flask(files, DEMO_COMMITS, base, more);
}

static bool write_providers(struct demo_files *files, unsigned base, const char *secret)
{
        return write_file(files, DEMO_PROVIDERS,
                          "{\n"
                          "  \"port\": %u,\n"
                          "  \"client\": {\"provider\": \"github\", \"id\": \"cardea-demo\", \"secret\": \"%s\",\n"
                          "             \"redirect_uris\": [\"http://localhost:%u/_auth/signin/github/callback\",\n"
                          "                               \"https://localhost:%u/_auth/signin/github/callback\"]}\n"
                          "}\n",
                          demo_port(base, DEMO_PROVIDERS), secret, demo_port(base, DEMO_GATE),
                          demo_port(base, DEMO_TLS_GATE));
}

static bool write_applications(struct demo_files *files, unsigned base)
{
        char bytes[32], key[48], secret[33];

        if (!make_secret(secret, 32) || getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
                return false;
        key[cd_base64_encode(key, cd_str_of(bytes, sizeof(bytes)))] = '\0';
        memcpy(files->configs[DEMO_CHAT], files->programs[DEMO_CHAT], DEMO_PATH_MAX);
        return write_gate(files, DEMO_GATE, base, key, secret) && write_gate(files, DEMO_TLS_GATE, base, key, secret) &&
               write_flask(files, DEMO_FLASK, base, "") && write_commits(files, base) &&
               write_providers(files, base, secret);
}

/* ---- the Basic token service ---- */

static bool add_user(const struct demo_files *files, const struct demo_user *user, const char *role,
                     const char *projects)
{
        const char *cardea = files->programs[DEMO_BASIC], *config = files->configs[DEMO_BASIC];
        const char *const argv[] = { cardea, "user",    "add",    user->name,        "--config", config, "--claim",
                                     role,   "--claim", projects, "--password-file", "-",        NULL };

        return run_command(argv, user->password, "/dev/null");
}

static bool make_basic_service(struct demo_files *files, unsigned base)
{
        char folder[DEMO_PATH_MAX], listen[32];
        const char *const init[] = { files->programs[DEMO_BASIC], "init", "--dir", folder, "--listen", listen, NULL };

        files->users[0].name = "ana";
        files->users[1].name = "bo";
        snprintf(listen, sizeof(listen), "127.0.0.1:%u", base + 4);
        return join(folder, files->folder, "basic") && join(files->certificate, folder, "ca.pem") &&
               join(files->configs[DEMO_BASIC], files->folder, services[DEMO_BASIC].config) &&
               join(files->configs[DEMO_BASIC_RESOURCE], files->folder, services[DEMO_BASIC_RESOURCE].config) &&
               make_secret(files->users[0].password, DEMO_PASSWORD_LEN) &&
               make_secret(files->users[1].password, DEMO_PASSWORD_LEN) && run_command(init, "", "/dev/null") &&
               add_user(files, &files->users[0], "role=editor", "projects=[\"a\",\"b\"]") &&
               add_user(files, &files->users[1], "role=reader", "projects=[\"a\"]");
}

bool demo_files_write(struct demo_files *files, unsigned base)
{
        const char *tmp = getenv("TMPDIR");
        char secret[33];

        if (!join(files->folder, tmp && *tmp ? tmp : "/tmp", "cardea-demo-XXXXXX") || !mkdtemp(files->folder)) {
                cd_print_line(stderr, "cardea demo: cannot create a folder for the configuration: %s", strerror(errno));
                files->folder[0] = '\0';
                return false;
        }
        if (!make_secret(secret, 32) || !write_authorization(files, base, secret) ||
            !write_others(files, base, secret) || !write_applications(files, base)) {
                cd_print_line(stderr, "cardea demo: cannot write the configuration to %s: %s", files->folder,
                              strerror(errno));
                return false;
        }
        if (make_basic_service(files, base))
                return true;
        cd_print_line(stderr, "cardea demo: cannot set up the Basic token service in %s/grants", files->folder);
        return false;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
        (void)st, (void)type, (void)at;
        return remove(path) == 0 ? 0 : -1;
}

void demo_files_remove(struct demo_files *files)
{
        if (files->folder[0])
                nftw(files->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
        files->folder[0] = '\0';
}
