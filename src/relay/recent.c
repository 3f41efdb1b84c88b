#include "relay/recent.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/secret.h"
#include "relay/relay.h"

struct entry {
        struct entry *next; /* of those that ended, the oldest first */
        unsigned char id[CD_RELAY_ID_SIZE];
        bool in_flight, was_admitted;
        bool has_page; /* false: nothing was sent */
        int64_t ended_us;
        enum cd_relay_page_kind kind;
        int status;
        size_t len; /* of the message */
        char *message;
};

struct cd_relay_recent {
        pthread_mutex_t lock;
        struct cd_map *entries;
        struct entry *first, **last; /* that ended */
        size_t in_flight;
};

static cd_str key_of(const unsigned char *id)
{
        return cd_str_of((const char *)id, CD_RELAY_ID_SIZE);
}

struct cd_relay_recent *cd_relay_recent_new(void)
{
        struct cd_relay_recent *recent = calloc(1, sizeof(*recent));

        if (!recent)
                return NULL;
        recent->entries = cd_map_new();
        recent->last = &recent->first;
        pthread_mutex_init(&recent->lock, NULL);
        if (recent->entries)
                return recent;
        cd_relay_recent_free(recent);
        return NULL;
}

static void free_entry(struct entry *entry)
{
        if (entry->message)
                cd_wipe(entry->message, entry->len);
        free(entry->message);
        free(entry);
}

static void forget_oldest(struct cd_relay_recent *recent)
{
        struct entry *entry = recent->first;

        recent->first = entry->next;
        if (!recent->first)
                recent->last = &recent->first;
        (void)cd_map_remove(recent->entries, key_of(entry->id));
        free_entry(entry);
}

/* Those in flight when the server ends have been freed by then. */
void cd_relay_recent_free(struct cd_relay_recent *recent)
{
        if (!recent)
                return;
        while (recent->first)
                forget_oldest(recent);
        cd_map_free(recent->entries);
        pthread_mutex_destroy(&recent->lock);
        free(recent);
}

static void forget_old(struct cd_relay_recent *recent)
{
        int64_t now = cd_monotonic_us();

        while (recent->first && (now - recent->first->ended_us >= (int64_t)CD_RELAY_RECENT_MS * 1000 ||
                                 cd_map_count(recent->entries) >= CD_RELAY_RECENT_MAX))
                forget_oldest(recent);
}

static struct entry *find(const struct cd_relay_recent *recent, const unsigned char *id)
{
        return cd_map_find(recent->entries, key_of(id));
}

static enum cd_relay_known show(const struct entry *entry, struct cd_arena *arena, struct cd_relay_page *ret)
{
        *ret = (struct cd_relay_page){ .kind = entry->kind, .status = entry->status };
        if (!entry->message)
                return CD_RELAY_ENDED;
        ret->message = cd_arena_copy(arena, cd_str_of(entry->message, entry->len));
        return ret->message.ptr ? CD_RELAY_ENDED : CD_RELAY_FULL;
}

static void unlink_ended(struct cd_relay_recent *recent, struct entry *entry)
{
        struct entry **link = &recent->first;

        while (*link != entry)
                link = &(*link)->next;
        *link = entry->next;
        if (recent->last == &entry->next)
                recent->last = link;
}

static struct entry *add(struct cd_relay_recent *recent, const unsigned char *id)
{
        struct entry *entry = calloc(1, sizeof(*entry));

        if (!entry)
                return NULL;
        memcpy(entry->id, id, sizeof(entry->id));
        if (cd_map_add(recent->entries, key_of(entry->id), entry) == CD_OK)
                return entry;
        free(entry);
        return NULL;
}

static enum cd_relay_known begin(struct cd_relay_recent *recent, const unsigned char *id, struct cd_arena *arena,
                                 struct cd_relay_page *ret, bool *ret_was_admitted)
{
        struct entry *entry = find(recent, id);

        *ret_was_admitted = entry && entry->was_admitted;
        if (entry && entry->in_flight)
                return CD_RELAY_IN_FLIGHT;
        if (entry && entry->has_page)
                return show(entry, arena, ret);
        if (recent->in_flight >= CD_RELAY_IN_FLIGHT_MAX)
                return CD_RELAY_FULL;
        if (entry)
                unlink_ended(recent, entry);
        else
                entry = add(recent, id);
        if (!entry)
                return CD_RELAY_FULL;
        entry->in_flight = true;
        entry->next = NULL;
        recent->in_flight++;
        return CD_RELAY_NEW;
}

enum cd_relay_known cd_relay_recent_begin(struct cd_relay_recent *recent, const unsigned char id[CD_RELAY_ID_SIZE],
                                          struct cd_arena *arena, struct cd_relay_page *ret, bool *ret_was_admitted)
{
        pthread_mutex_lock(&recent->lock);
        forget_old(recent);
        enum cd_relay_known known = begin(recent, id, arena, ret, ret_was_admitted);
        pthread_mutex_unlock(&recent->lock);
        return known;
}

enum cd_relay_known cd_relay_recent_find(struct cd_relay_recent *recent, const unsigned char id[CD_RELAY_ID_SIZE],
                                         struct cd_arena *arena, struct cd_relay_page *ret)
{
        enum cd_relay_known known = CD_RELAY_FULL;

        pthread_mutex_lock(&recent->lock);
        forget_old(recent);
        const struct entry *entry = find(recent, id);
        if (entry && entry->in_flight)
                known = CD_RELAY_IN_FLIGHT;
        else if (entry)
                known = entry->has_page ? show(entry, arena, ret) : CD_RELAY_NEW;
        pthread_mutex_unlock(&recent->lock);
        return known;
}

static void end(struct cd_relay_recent *recent, struct entry *entry)
{
        recent->in_flight--;
        entry->in_flight = false;
        entry->ended_us = cd_monotonic_us();
        *recent->last = entry;
        recent->last = &entry->next;
}

void cd_relay_recent_finish(struct cd_relay_recent *recent, const unsigned char id[CD_RELAY_ID_SIZE],
                            const struct cd_relay_page *page)
{
        pthread_mutex_lock(&recent->lock);
        struct entry *entry = find(recent, id);
        entry->has_page = true;
        entry->kind = page->kind;
        entry->status = page->status;
        entry->len = page->message.len < CD_RELAY_MESSAGE_MAX ? page->message.len : CD_RELAY_MESSAGE_MAX;
        entry->message = page->message.ptr ? malloc(entry->len + 1) : NULL;
        if (entry->message) /* otherwise the page is shown without it */
                memcpy(entry->message, page->message.ptr, entry->len);
        else
                entry->len = 0;
        end(recent, entry);
        pthread_mutex_unlock(&recent->lock);
}

void cd_relay_recent_undo(struct cd_relay_recent *recent, const unsigned char id[CD_RELAY_ID_SIZE], bool was_admitted)
{
        pthread_mutex_lock(&recent->lock);
        struct entry *entry = find(recent, id);
        entry->was_admitted = was_admitted;
        end(recent, entry);
        pthread_mutex_unlock(&recent->lock);
}
