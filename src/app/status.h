#pragma once
/* What `cardea status` says of the store and the keys. One table describes it, as in service/status.h. */
#include "app/storage.h"
#include "core/store_state.h"
#include "service/status.h"
#include "web/web.h"

struct cd_app_status {
        struct cd_app_status_store {
                cd_str location, state; /* "ok", "not writable" or "unavailable" */
                cd_str reason;          /* empty if it is ok */
        } store;
        struct cd_objects keys; /* struct cd_app_status_key */
};

struct cd_app_status_key {
        cd_str kid, alg;
        bool signs;
};

extern const struct cd_table cd_app_status_table;

/* Texts are in the arena or live as long as the storage and the issuer. Memory only. */
struct cd_app_status cd_app_status(const struct cd_storage *storage, const struct cd_store_state *store_state,
                                   const struct cd_issuer *issuer, struct cd_arena *arena);
