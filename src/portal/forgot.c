/* A user who has forgotten the password asks for a link by e-mail. The answer is made before the name is looked at
 * (portal/mail_writer.h), so that neither its bytes nor its time show whether there is such a user (LESSONS 10). */
#include "portal/mail_writer.h"
#include "portal/visit.h"

struct forgot_form {
        cd_str csrf, username;
};

static const struct cd_field forgot_fields[] = {
        CD_VISIT_CSRF_FIELD(struct forgot_form),
        { .name = "username",
          .offset = offsetof(struct forgot_form, username),
          .type = CD_FIELD_STRING,
          .flags = CD_FIELD_REQUIRED },
};
static const struct cd_table forgot_table = { "forgot", forgot_fields, CD_LEN(forgot_fields),
                                              sizeof(struct forgot_form), false };

static void show_forgot(struct cd_visit *visit, int status, cd_str username)
{
        const struct cd_page_forgot fields = {
                .username = username,
                .keeps_factor = visit->portal->settings.factors & CD_FACTOR_TOTP,
        };
        struct cd_buf buf;

        cd_visit_begin_page(visit, &buf);
        cd_page_forgot(&visit->view, &fields, &buf);
        cd_visit_end_page(visit, status, &buf);
}

static void post_forgot(struct cd_visit *visit)
{
        const struct cd_portal_services *services = &visit->portal->services;
        struct forgot_form form = { 0 };
        struct cd_error err;
        int status;

        if (!cd_visit_read_form(visit, &forgot_table, &form, &status)) {
                show_forgot(visit, status, form.username);
                return;
        }
        const struct cd_reset_request request = {
                .name = cd_str_trim(form.username), /* keyboards of phones add a space */
                .address = visit->req->client_address,
                .texts = visit->view.texts,
        };
        cd_status asked = cd_store_state_need_writable(services->store_state, &err);
        if (asked == CD_OK)
                asked = cd_mail_writer_reset(services->mail_writer, &request, &err);
        if (asked == CD_OK)
                cd_visit_redirect(visit, CD_STR("/forgot?done=link-sent"));
        else
                cd_visit_fail_error(visit, &err);
}

bool cd_visit_may_reset(const struct cd_visit *visit)
{
        const struct cd_portal_settings *settings = &visit->portal->settings;

        return settings->sends_mail && settings->factors & CD_FACTOR_PASSWORD;
}

void cd_portal_forgot(void *app, const struct cd_http_request *req, struct cd_http_response *res)
{
        struct cd_visit visit;

        if (!cd_visit_begin(app, req, res, &visit))
                return;
        if (!cd_visit_may_reset(&visit))
                cd_visit_fail(&visit, 404, (struct cd_page_message){ .id = CD_MESSAGE_NOT_FOUND });
        else if (req->method == CD_HTTP_POST)
                post_forgot(&visit);
        else
                show_forgot(&visit, 200, (cd_str){ 0 });
}
