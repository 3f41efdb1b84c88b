#include "relay/hold.h"

#include "core/digest.h"
#include "core/ports.h"

static cd_status stored_id(struct cd_arena *arena, const unsigned char *id, cd_str *ret, struct cd_error *reterr)
{
        return cd_digest_text(arena, cd_str_of((const char *)id, CD_RELAY_ID_SIZE), ret, reterr);
}

/* A sealed text is of no use in another row, or as what is to be sent after it was answered. */
static cd_str context_of(struct cd_arena *arena, cd_str id, bool is_page)
{
        return cd_arena_printf(arena, "%s:%.*s", is_page ? "relay-page" : "relay-delivery", CD_STR_ARG(id));
}

static cd_str name_of(struct cd_arena *arena, const struct cd_relay_route *route)
{
        return cd_arena_printf(arena, "%.*s%.*s", CD_STR_ARG(route->host), CD_STR_ARG(route->path));
}

bool cd_relay_hold_is_of(const struct cd_delivery *delivery, const struct cd_relay_route *route)
{
        return delivery->relay.len == route->host.len + route->path.len &&
               cd_str_has_prefix(delivery->relay, route->host) && cd_str_has_suffix(delivery->relay, route->path);
}

cd_status cd_relay_hold_add(const struct cd_relay_holds *holds, struct cd_arena *arena,
                            const struct cd_relay_route *route, const unsigned char id[CD_RELAY_ID_SIZE],
                            cd_str request, struct cd_error *reterr)
{
        struct cd_delivery delivery = { .state = CD_DELIVERY_WAITING, .relay = name_of(arena, route) };
        cd_time now;

        cd_status status = cd_clock_read(holds->clock, &now, reterr);
        if (status == CD_OK)
                status = stored_id(arena, id, &delivery.id, reterr);
        if (status != CD_OK)
                return status;
        cd_str context = context_of(arena, delivery.id, false);
        if (!context.ptr || !delivery.relay.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        status = cd_seal(holds->master, arena, context, request, &delivery.sealed, reterr);
        if (status != CD_OK)
                return status;
        delivery.created_at = delivery.next_at = now;
        delivery.hold_until = now + route->hold_ms / 1000;
        delivery.expires_at = delivery.hold_until + CD_RELAY_HELD_PAGE;
        return holds->store->deliveries->add(holds->store, &delivery, reterr);
}

/* ---- pages ---- */

static const struct {
        char letter;
        enum cd_relay_page_kind kind;
} letters[] = {
        { '+', CD_RELAY_PAGE_SUCCEEDED }, { '-', CD_RELAY_PAGE_REFUSED }, { '=', CD_RELAY_PAGE_TEXT },
        { 'l', CD_RELAY_PAGE_LOST },      { 'e', CD_RELAY_PAGE_EXPIRED },
};

static cd_status read_page(cd_str text, struct cd_relay_page *ret, struct cd_error *reterr)
{
        for (size_t i = 0; i < CD_LEN(letters); i++) {
                if (!text.len || letters[i].letter != text.ptr[0])
                        continue;
                *ret = (struct cd_relay_page){
                        .kind = letters[i].kind,
                        .status = cd_relay_page_status(letters[i].kind),
                        .message = cd_str_slice(text, 1, text.len),
                };
                return CD_OK;
        }
        return cd_fail(reterr, CD_MALFORMED, "the page of a held delivery is not one");
}

static cd_status unseal(const struct cd_relay_holds *holds, struct cd_arena *arena, const struct cd_delivery *delivery,
                        bool is_page, cd_str *ret, struct cd_error *reterr)
{
        cd_str context = context_of(arena, delivery->id, is_page);

        if (!context.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        return cd_unseal(holds->master, arena, context, delivery->sealed, ret, reterr);
}

cd_status cd_relay_hold_find(const struct cd_relay_holds *holds, struct cd_arena *arena,
                             const unsigned char id[CD_RELAY_ID_SIZE], struct cd_relay_page *ret,
                             struct cd_error *reterr)
{
        struct cd_delivery delivery;
        cd_str key, text;
        cd_time now;

        cd_status status = cd_clock_read(holds->clock, &now, reterr);
        if (status == CD_OK)
                status = stored_id(arena, id, &key, reterr);
        if (status == CD_OK)
                status = holds->store->deliveries->find(holds->store, arena, key, &delivery, reterr);
        if (status != CD_OK)
                return status;
        if (delivery.state == CD_DELIVERY_WAITING || delivery.state == CD_DELIVERY_SENDING) {
                bool is_sending = delivery.state == CD_DELIVERY_SENDING;
                ret->kind = CD_RELAY_PAGE_WAITING;
                if (now >= delivery.hold_until && (!is_sending || now >= delivery.next_at)) /* never claimed again */
                        ret->kind = is_sending ? CD_RELAY_PAGE_LOST : CD_RELAY_PAGE_EXPIRED;
                ret->status = cd_relay_page_status(ret->kind);
                return CD_OK;
        }
        status = unseal(holds, arena, &delivery, true, &text, reterr);
        return status == CD_OK ? read_page(text, ret, reterr) : status;
}

cd_status cd_relay_hold_end(const struct cd_relay_holds *holds, struct cd_arena *arena, struct cd_delivery *delivery,
                            const struct cd_relay_page *page, struct cd_error *reterr)
{
        cd_str context = context_of(arena, delivery->id, true), text = { 0 };
        bool is_answer = page->kind != CD_RELAY_PAGE_LOST && page->kind != CD_RELAY_PAGE_EXPIRED;

        for (size_t i = 0; i < CD_LEN(letters); i++)
                if (letters[i].kind == page->kind)
                        text = cd_arena_printf(arena, "%c%.*s", letters[i].letter, CD_STR_ARG(page->message));
        if (!context.ptr || !text.ptr)
                return cd_fail(reterr, CD_NO_MEMORY, "out of memory");
        delivery->state = is_answer ? CD_DELIVERY_ANSWERED : CD_DELIVERY_FAILED;
        return cd_seal(holds->master, arena, context, text, &delivery->sealed, reterr);
}

/* ---- for the one who sends ---- */

cd_status cd_relay_hold_claim(const struct cd_relay_holds *holds, struct cd_arena *arena, int64_t claim_s,
                              struct cd_delivery *ret, cd_str *ret_request, struct cd_error *reterr)
{
        cd_time now;

        cd_status status = cd_clock_read(holds->clock, &now, reterr);
        if (status == CD_OK)
                status = holds->store->deliveries->claim(holds->store, arena, now, now + claim_s, ret, reterr);
        return status == CD_OK ? unseal(holds, arena, ret, false, ret_request, reterr) : status;
}
