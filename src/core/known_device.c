#include "core/known_device.h"

#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/secret.h"
#include "core/user_name.h"

enum {
        ID_SIZE = 16,  /* bytes */
        TIME_SIZE = 8, /* bytes, big-endian */
        TAG_SIZE = 16, /* bytes of the MAC */
        PART_SIZE = ID_SIZE + TIME_SIZE + TAG_SIZE,
        /* Bytes of what the MAC is over: id, time, generation, name. */
        MESSAGE_MAX = ID_SIZE + 2 * TIME_SIZE + CD_USER_NAME_MAX,
};

struct cd_mac *cd_known_device_macs_new(const struct cd_master_key *master)
{
        return cd_master_key_mac(master, CD_STR("known-device"));
}

static void write_number(int64_t number, char ret[TIME_SIZE])
{
        for (unsigned i = 0; i < TIME_SIZE; i++)
                ret[i] = (char)(unsigned char)((uint64_t)number >> (8 * (TIME_SIZE - 1 - i)));
}

static int64_t read_number(const char from[TIME_SIZE])
{
        uint64_t number = 0;

        for (unsigned i = 0; i < TIME_SIZE; i++)
                number = number << 8 | (unsigned char)from[i];
        return (int64_t)number;
}

/* Writes the MAC of a part, whose id and time are written, for the user. */
static cd_status sum(const struct cd_known_devices *devices, const char part[PART_SIZE], const struct cd_user *user,
                     unsigned char ret[CD_MAC_SIZE])
{
        char message[MESSAGE_MAX];
        size_t len = ID_SIZE + TIME_SIZE;

        memcpy(message, part, len);
        write_number(user->generation, message + len);
        len += TIME_SIZE;
        if (user->name.len > CD_USER_NAME_MAX)
                return CD_INTERNAL;
        if (user->name.len)
                memcpy(message + len, user->name.ptr, user->name.len);
        return cd_mac_sum(devices->macs, cd_str_of(message, len + user->name.len), ret);
}

static bool read_part(cd_str text, char ret[PART_SIZE])
{
        char bytes[CD_DEVICE_PART / 4 * 3 + 2];
        size_t size = 0;

        if (text.len != CD_DEVICE_PART || cd_base64url_decode(text, bytes, &size) != CD_OK || size != PART_SIZE)
                return false;
        memcpy(ret, bytes, PART_SIZE);
        return true;
}

/* Whether the part was made for the user of this generation. */
static bool is_of(const struct cd_known_devices *devices, const char part[PART_SIZE], const struct cd_user *user)
{
        unsigned char mac[CD_MAC_SIZE];

        return sum(devices, part, user, mac) == CD_OK &&
               cd_secret_eq(cd_str_of(part + ID_SIZE + TIME_SIZE, TAG_SIZE), cd_str_of((const char *)mac, TAG_SIZE));
}

/* ---- the cookie ---- */

static cd_status add_new_part(const struct cd_known_devices *devices, struct cd_buf *to, const struct cd_user *user,
                              cd_time now, struct cd_error *reterr)
{
        char part[PART_SIZE], text[CD_DEVICE_PART];
        unsigned char mac[CD_MAC_SIZE];

        if (devices->random->fill(devices->random, part, ID_SIZE) != CD_OK)
                return cd_fail(reterr, CD_UNAVAILABLE, "the random source failed");
        write_number(now + CD_DEVICE_LIFETIME, part + ID_SIZE);
        cd_status status = sum(devices, part, user, mac);
        if (status != CD_OK)
                return cd_fail(reterr, status, "the MAC of a device cookie failed");
        memcpy(part + ID_SIZE + TIME_SIZE, mac, TAG_SIZE);
        cd_base64url_encode(text, cd_str_of(part, sizeof(part)));
        cd_buf_add(to, cd_str_of(text, sizeof(text)));
        return CD_OK;
}

cd_status cd_known_device_cookie(const struct cd_known_devices *devices, struct cd_arena *arena,
                                 const struct cd_user *user, cd_str before, cd_time now, cd_str *ret,
                                 struct cd_error *reterr)
{
        cd_str rest = cd_str_slice(before, 0, CD_DEVICE_COOKIE_MAX), text;
        char part[PART_SIZE];
        size_t count = 1;
        struct cd_buf buf;

        cd_buf_init(&buf, arena, CD_DEVICE_COOKIE_MAX);
        cd_status status = add_new_part(devices, &buf, user, now, reterr);
        if (status != CD_OK)
                return status;
        while (count < CD_DEVICES_IN_COOKIE && rest.len && cd_str_take_until(&rest, '.', &text)) {
                if (!read_part(text, part) || is_of(devices, part, user))
                        continue;
                /* Of another user, an earlier generation, or forged: without the name, that cannot be told. */
                cd_buf_add_char(&buf, '.');
                cd_buf_add(&buf, text);
                count++;
        }
        return cd_buf_view(&buf, ret) == CD_OK ? CD_OK : cd_fail(reterr, CD_NO_MEMORY, "no memory for a device cookie");
}

/* ---- attempts ---- */

static bool find_device(const struct cd_known_devices *devices, cd_str cookie, const struct cd_user *user, cd_time now,
                        struct cd_known_device *ret)
{
        static const struct cd_user nobody = { .generation = 0 };
        cd_str rest = cd_str_slice(cookie, 0, CD_DEVICE_COOKIE_MAX), text;
        char part[PART_SIZE];

        for (size_t i = 0; i < CD_DEVICES_IN_COOKIE && rest.len && cd_str_take_until(&rest, '.', &text); i++) {
                if (!read_part(text, part) || !is_of(devices, part, user ? user : &nobody) || !user ||
                    read_number(part + ID_SIZE) <= now)
                        continue;
                cd_base64url_encode(ret->id, cd_str_of(part, ID_SIZE));
                ret->user = user->name;
                ret->expires_at = read_number(part + ID_SIZE);
                return true;
        }
        return false;
}

static cd_str id_of(const struct cd_known_device *device)
{
        return cd_str_of(device->id, sizeof(device->id));
}

static struct cd_lockout_subject subject_of(const struct cd_known_device *device)
{
        return (struct cd_lockout_subject){ .kind = CD_LOCKOUT_DEVICE, .key = id_of(device) };
}

static cd_status fail_stranger(struct cd_error *reterr)
{
        return cd_fail(reterr, CD_NOT_FOUND, "the browser has no valid device cookie of the user");
}

cd_status cd_known_device_begin(const struct cd_known_devices *devices, cd_str cookie, const struct cd_user *user,
                                cd_time now, struct cd_known_device *ret, struct cd_error *reterr)
{
        struct cd_store *store = devices->store;
        int64_t failures = 0;

        if (!find_device(devices, cookie, user, now, ret))
                return fail_stranger(reterr);
        const struct cd_lockout_subject subject = subject_of(ret);
        if (cd_lockout_begin(devices->lockout, &subject, now, NULL) != CD_OK)
                return fail_stranger(reterr);
        /* Read once it is this attempt's turn, so that it sees what those before it counted. */
        cd_status status = store->devices->count(store, ret->user, id_of(ret), &failures, reterr);
        if (status == CD_OK && failures < CD_DEVICE_ATTEMPTS)
                return CD_OK;
        (void)cd_lockout_end(devices->lockout, &subject, CD_LOCKOUT_UNJUDGED, now);
        return status == CD_OK ? fail_stranger(reterr) : status;
}

cd_status cd_known_device_end(const struct cd_known_devices *devices, const struct cd_known_device *device,
                              enum cd_lockout_outcome outcome, cd_time now, bool *ret_is_void, struct cd_error *reterr)
{
        const struct cd_lockout_subject subject = subject_of(device);
        const struct cd_device_failures row = { .device = id_of(device),
                                                .user = device->user,
                                                .expires_at = device->expires_at };
        struct cd_store *store = devices->store;
        cd_status status = CD_OK;
        int64_t failures = 0;

        if (outcome == CD_LOCKOUT_WRONG)
                status = store->devices->note_wrong(store, &row, &failures, reterr);
        (void)cd_lockout_end(devices->lockout, &subject, outcome, now);
        *ret_is_void = failures == CD_DEVICE_ATTEMPTS;
        return status;
}
