#pragma once
/* What `cardea status` says of the store and the keys. */
#include "app/storage.h"
#include "core/store_state.h"
#include "web/web.h"

struct cd_app_status {
        const struct cd_storage *storage;
        const struct cd_store_state *store_state;
        struct cd_web_app *web;
};

/* Adds members to a JSON object that has one already. Memory only. */
void cd_app_status_write(const struct cd_app_status *status, struct cd_buf *buf);
