#include "core/master_rotation.h"

#include "base/base64.h"
#include "base/secret.h"

enum {
        CHECK_LEN = 43, /* 32 bytes in base64url */
        VALUES_ARENA = 64 * 1024,
};

static const cd_str check_name = CD_STR_INIT("master_key"), root_name = CD_STR_INIT("master_root");

/* The store's value for the key, or for the old key that it accepts; empty where it accepts none. */
static cd_str check_of(const struct cd_master_key *master, bool former, char text[CHECK_LEN])
{
        unsigned char check[CD_DERIVED_SIZE];
        cd_status status = former ? cd_master_key_derive_old(master, CD_STR("check"), check)
                                  : cd_master_key_derive(master, CD_STR("check"), check);

        return status == CD_OK
                       ? cd_str_of(text, cd_base64url_encode(text, cd_str_of((const char *)check, sizeof(check))))
                       : CD_STR("");
}

/* ---- use ---- */

static cd_status use_root(const struct cd_keyring *ring, struct cd_arena *arena, struct cd_master_key *master,
                          bool is_old, struct cd_error *reterr)
{
        cd_str sealed, root;

        cd_status status = ring->store->sealed->get_value(ring->store, arena, root_name, &sealed, reterr);
        if (status != CD_OK)
                return status;
        if (!sealed.ptr) {
                if (is_old)
                        cd_master_key_use_former_root(master);
                return CD_OK;
        }
        status = cd_unseal(master, arena, root_name, sealed, &root, reterr);
        if (status != CD_OK || root.len != CD_MASTER_ROOT_SIZE)
                return cd_fail_field(reterr, CD_INVALID_REQUEST, check_name, "does not open the store's own keys");
        cd_master_key_set_root(master, (const unsigned char *)root.ptr);
        return CD_OK;
}

cd_status cd_master_use(const struct cd_keyring *ring, struct cd_master_key *master, struct cd_error *reterr)
{
        char now[CHECK_LEN], old[CHECK_LEN];
        cd_str of_now = check_of(master, false, now), former = check_of(master, true, old), there;
        struct cd_arena arena;

        cd_arena_init(&arena, VALUES_ARENA);
        cd_status status = ring->store->put_if_absent(ring->store, &arena, check_name, of_now, &there, reterr);
        bool is_old = status == CD_OK && former.len && cd_secret_eq(there, former);
        if (status == CD_OK && !is_old && !cd_secret_eq(there, of_now))
                status = cd_fail_field(reterr, CD_INVALID_REQUEST, check_name,
                                       former.len ? "neither it nor master_key_old is the one of this store; restore "
                                                    "that one"
                                                  : "is not the one that this store was created with; restore that "
                                                    "one");
        if (status == CD_OK)
                status = use_root(ring, &arena, master, is_old, reterr);
        cd_arena_done(&arena);
        return status;
}

/* ---- rotation ---- */

struct resealing {
        const struct cd_master_key *master;
        struct cd_rotation *rotation;
};

static cd_status reseal(void *arg, struct cd_arena *arena, cd_str context, cd_str sealed, cd_str *ret,
                        struct cd_error *reterr)
{
        const struct resealing *r = arg;
        cd_str secret;

        if (cd_is_sealed_now(r->master, arena, context, sealed))
                return CD_NOT_FOUND;
        cd_status status = cd_unseal(r->master, arena, context, sealed, &secret, reterr);
        if (status == CD_NO_MEMORY)
                return status;
        if (status != CD_OK) {
                r->rotation->unreadable++;
                return CD_NOT_FOUND;
        }
        status = cd_seal(r->master, arena, context, secret, ret, reterr);
        if (status == CD_OK)
                r->rotation->resealed++;
        return status;
}

static cd_status reseal_all(const struct cd_keyring *ring, const struct cd_master_key *master,
                            struct cd_rotation *rotation, struct cd_error *reterr)
{
        struct resealing r = { master, rotation };

        rotation->unreadable = 0;
        return ring->store->sealed->reseal(ring->store, reseal, &r, reterr);
}

/* The store becomes the new key's, with its roots, in one transaction. */
static cd_status switch_key(const struct cd_keyring *ring, struct cd_arena *arena, struct cd_master_key *master,
                            cd_str there, const struct cd_rotation *rotation, struct cd_error *reterr)
{
        unsigned char root[CD_MASTER_ROOT_SIZE];
        char now[CHECK_LEN];
        struct cd_value_change changes[] = {
                { check_name, there, check_of(master, false, now) },
                { .name = root_name },
        };
        const struct cd_audit_event event = {
                .at = ring->now,
                .action = CD_STR("key.rotate_master"),
                .actor = ring->actor,
                .subject = CD_STR(""),
                .address = CD_STR(""),
                .detail = rotation->leaked ? CD_STR("leaked") : CD_STR(""),
        };

        cd_status status = ring->store->sealed->get_value(ring->store, arena, root_name, &changes[1].from, reterr);
        if (status == CD_OK && rotation->leaked && cd_master_key_renew_root(master) != CD_OK)
                status = cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        if (status != CD_OK)
                return status;
        cd_master_key_root(master, root);
        status = cd_seal(master, arena, root_name, cd_str_of((const char *)root, sizeof(root)), &changes[1].to, reterr);
        cd_wipe(root, sizeof(root));
        return status == CD_OK
                       ? ring->store->sealed->change_values(ring->store, changes, CD_LEN(changes), &event, reterr)
                       : status;
}

cd_status cd_master_rotate(const struct cd_keyring *ring, struct cd_master_key *master, struct cd_rotation *rotation,
                           struct cd_error *reterr)
{
        char now[CHECK_LEN];
        struct cd_arena arena;
        cd_str there;

        if (!cd_master_key_has_old(master))
                return cd_fail_field(reterr, CD_INVALID_REQUEST, CD_STR("master_key_old"),
                                     "is not set: master_key must be the new key, and master_key_old the one of the "
                                     "store so far");
        rotation->resealed = 0;
        cd_arena_init(&arena, VALUES_ARENA);
        cd_status status = ring->store->sealed->get_value(ring->store, &arena, check_name, &there, reterr);
        if (status == CD_OK)
                status = reseal_all(ring, master, rotation, reterr);
        rotation->was_done = status == CD_OK && cd_secret_eq(there, check_of(master, false, now));
        if (status == CD_OK && (!rotation->was_done || rotation->leaked))
                status = switch_key(ring, &arena, master, there, rotation, reterr);
        /* For what a server that knows only the old key has sealed in between. */
        if (status == CD_OK && !rotation->was_done)
                status = reseal_all(ring, master, rotation, reterr);
        cd_arena_done(&arena);
        return status;
}
