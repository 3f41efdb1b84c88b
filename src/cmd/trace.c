/* cardea trace login: walks a login at a provider from the terminal. */
#include "cmd/trace.h"

#include <stdio.h>
#include <string.h>

#include "base/streams.h"

struct ask {
        const char *name;
        bool paste;
};

/* ---- start and end ---- */

static int fail_unknown(struct cd_trace *trace, const char *name)
{
        const struct cd_signin *signin = cd_shared_get(trace->app.signins);
        struct cd_buf buf;
        cd_str names = { NULL, 0 };

        cd_buf_init(&buf, &trace->context->arena, 4096);
        for (size_t i = 0; i < cd_signin_count(signin); i++) {
                cd_buf_add(&buf, i ? CD_STR(", ") : CD_STR(""));
                cd_buf_add(&buf, cd_signin_name(cd_signin_at(signin, i)));
        }
        if (cd_buf_view(&buf, &names) != CD_OK || !names.len)
                return cd_usage_error(trace->context->command,
                                      "signin.providers: there is no provider \"%s\"; the configuration has none",
                                      name);
        return cd_usage_error(trace->context->command,
                              "signin.providers: there is no provider \"%s\"; name one of: %.*s", name,
                              CD_STR_ARG(names));
}

/* The same as the server makes of the configuration, with a client that shows its requests. */
static cd_status make_providers(struct cd_trace *trace, struct cd_error *reterr)
{
        struct cd_admin *admin = &trace->context->admin;
        const struct cd_app_signin_params params = {
                .config = &admin->config,
                .report = &admin->report,
                .config_path = cd_str_from_c(trace->context->config),
                .hasher = &trace->context->hasher.port,
        };
        struct cd_shared_version *version;

        trace->storage = (struct cd_storage){ .store = admin->store, .master = admin->master };
        cd_status status = cd_outgoing_log_init(&trace->outgoing, NULL, admin->master, reterr);
        if (status != CD_OK)
                return status;
        atomic_store(&trace->outgoing.detail, CD_OUTGOING_FULL);
        trace->outgoing.show = cd_trace_show_request;
        trace->outgoing.show_arg = trace;
        status = cd_app_signin_init(&trace->app, &trace->storage, &trace->outgoing, reterr);
        if (status == CD_OK)
                status = cd_app_signin_prepare(&trace->app, &params, &version, reterr);
        if (status == CD_OK)
                cd_shared_publish(trace->app.signins, version);
        return status;
}

/* ---- the login ---- */

static int conclude(bool works, const char *text)
{
        cd_print_line(stdout, "%s", "");
        cd_print_line(stdout, "verdict: %s", text);
        return works ? CD_EXIT_OK : CD_EXIT_FAILED;
}

/* Where a login would have ended, as in the sentence "it would end …". */
static const char *describe_step(enum cd_signin_step step)
{
        static const char *const steps[] = {
                [CD_SIGNIN_STEP_STATE] = "at its state",
                [CD_SIGNIN_STEP_DISCOVERY] = "at the provider's metadata",
                [CD_SIGNIN_STEP_CALLBACK] = "at the provider's page",
                [CD_SIGNIN_STEP_TOKENS] = "when the code is exchanged for a token",
                [CD_SIGNIN_STEP_ACCOUNT] = "when the provider is asked who it is",
                [CD_SIGNIN_STEP_DECISION] = "at the decision who may come in",
        };

        return steps[step];
}

static int conclude_failure(const struct cd_signin_traced *traced, const struct cd_error *err)
{
        char text[sizeof(err->reason) + 128];

        snprintf(text, sizeof(text), "the login would fail %s: %s", describe_step(traced->step),
                 *err->reason ? err->reason : "the store or the provider gave no reason");
        return conclude(false, text);
}

static int conclude_success(const struct cd_signin_traced *traced)
{
        char text[512];

        snprintf(text, sizeof(text), "the login would work: %.*s would log in as the user %.*s%s",
                 CD_STR_ARG(cd_str_slice(traced->login.len ? traced->login : traced->subject, 0, 128)),
                 CD_STR_ARG(cd_str_slice(traced->user, 0, 200)), traced->is_linked ? "" : ", who would be made");
        return conclude(true, text);
}

static int conclude_trace(struct cd_trace *trace, const struct cd_signin_callback *callback)
{
        struct cd_signin_traced traced;
        struct cd_error err = { 0 };

        enum cd_signin_failure failure = cd_signin_trace_finish(&trace->login, callback, &traced, &err);
        if (!trace->seen.error.len)
                trace->seen.error = callback->error;
        if (traced.subject.len)
                cd_trace_show_account(&traced);
        if (traced.step == CD_SIGNIN_STEP_DECISION)
                cd_trace_show_decision(trace, failure, &traced);
        cd_trace_compare(trace);
        return failure == CD_SIGNIN_OK ? conclude_success(&traced) : conclude_failure(&traced, &err);
}

static int trace_login(struct cd_trace *trace)
{
        struct cd_signin_callback callback = { 0 };
        struct cd_error err = { 0 };
        const char *from = "";

        enum cd_signin_failure failure =
                cd_signin_trace_begin(trace->provider, &trace->context->arena, &trace->login, &err);
        cd_trace_show_settings(trace);
        if (failure != CD_SIGNIN_OK) {
                cd_trace_compare(trace);
                return conclude_failure(&(struct cd_signin_traced){ .step = CD_SIGNIN_STEP_DISCOVERY }, &err);
        }
        cd_print_line(stdout, "%s", "");
        cd_print_line(stdout, "Open this URL in a browser, and log in there");
        cd_print_line(stdout, "%.*s", CD_STR_ARG(trace->login.url));
        fflush(stdout);
        cd_status status = cd_trace_wait(trace, &callback, &from, &err);
        if (status == CD_INVALID_REQUEST)
                return cd_context_fail(trace->context->command, &err);
        if (status != CD_OK)
                return conclude(false, err.reason);
        cd_trace_show_callback(trace, from, &callback);
        return conclude_trace(trace, &callback);
}

static int login(struct cd_context *context, void *p)
{
        const struct ask *ask = p;
        struct cd_trace trace = { .context = context, .paste = ask->paste };
        struct cd_error err = { 0 };
        int code;

        if (make_providers(&trace, &err) != CD_OK) {
                code = cd_context_fail(context->command, &err);
        } else {
                trace.provider = cd_signin_find(cd_shared_get(trace.app.signins), cd_str_from_c(ask->name));
                code = trace.provider ? trace_login(&trace) : fail_unknown(&trace, ask->name);
        }
        cd_app_signin_done(&trace.app);
        cd_outgoing_log_done(&trace.outgoing);
        return code;
}

static const struct cd_argument login_arguments[] = {
        { "NAME", offsetof(struct ask, name), .help = "the name of a provider of signin.providers" },
        { 0 },
};
static const struct cd_option login_options[] = {
        CD_FLAG(struct ask, paste, "--paste", 0, "ask for the URL at which the browser ended, and do not listen"),
        { 0 },
};

static const struct cd_command trace_login_command = {
        .name = "login",
        .summary = "walk a login at a provider, and show what is sent and decided",
        .about =
                "Walks a login at the provider NAME of signin.providers. Prints a URL; open it in any browser and log "
                "in there. When the browser is sent back, prints every request to the provider and its answer as "
                "log.outgoing: full does, without secrets; who the provider says it is; what allow decides; what "
                "differs from the configuration; and a verdict in the last line. Nobody is logged in, no user is made, "
                "and nothing is connected.\n"
                "\n"
                "A server that runs with the same store and master key passes the redirect on to this command. Where "
                "none listens, this command listens itself, for this redirect alone. With --paste, or on a terminal, "
                "the URL at which the browser ended can be pasted instead. It waits for 10 minutes.",
        .examples = "cardea trace login github --config /etc/cardea/cardea.yaml",
        .exit_codes =
                "0 the login would work\n1 it would not, or the redirect did not come back\n2 the command line or the "
                "configuration is wrong",
        .arguments = login_arguments,
        .options = login_options,
        .ask_size = sizeof(struct ask),
        .act = login,
};

static const struct cd_command *const actions[] = { &trace_login_command, NULL };

const struct cd_command cd_cmd_trace = {
        .name = "trace",
        .summary = "show step by step what happens in a login at a provider",
        .about = "Providers are the setting \"signin.providers\" of the configuration.",
        .actions = actions,
};
