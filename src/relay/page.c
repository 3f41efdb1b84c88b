#include "relay/page.h"

#include "relay/call.h"
#include "relay/message.h"
#include "relay/result.h"

int cd_relay_page_status(enum cd_relay_page_kind kind)
{
        static const int statuses[CD_RELAY_PAGE_KINDS] = {
                [CD_RELAY_PAGE_SUCCEEDED] = 200,    [CD_RELAY_PAGE_REFUSED] = 200, [CD_RELAY_PAGE_TEXT] = 200,
                [CD_RELAY_PAGE_WAITING] = 200,      [CD_RELAY_PAGE_EXPIRED] = 504, [CD_RELAY_PAGE_LOST] = 502,
                [CD_RELAY_PAGE_UNREACHABLE] = 503,  [CD_RELAY_PAGE_BUSY] = 503,    [CD_RELAY_PAGE_INVALID] = 400,
                [CD_RELAY_PAGE_LINK_INVALID] = 403, [CD_RELAY_PAGE_UNKNOWN] = 404, [CD_RELAY_PAGE_FAILED] = 503,
        };

        return statuses[kind];
}

/* As much of the message as is shown, without half a character. */
static cd_str shorten(cd_str message)
{
        size_t len = message.len;

        if (len <= CD_RELAY_MESSAGE_MAX)
                return message;
        for (len = CD_RELAY_MESSAGE_MAX; len > 0 && ((unsigned char)message.ptr[len] & 0xc0) == 0x80;)
                len--;
        return cd_str_of(message.ptr, len);
}

static enum cd_relay_page_kind kind_of(enum cd_relay_outcome outcome)
{
        return outcome == CD_RELAY_SUCCEEDED ? CD_RELAY_PAGE_SUCCEEDED
               : outcome == CD_RELAY_REFUSED ? CD_RELAY_PAGE_REFUSED
                                             : CD_RELAY_PAGE_TEXT;
}

void cd_relay_result_read(const struct cd_relay_route *route, struct cd_arena *arena,
                          const struct cd_relay_call_end *end, struct cd_relay_result *ret)
{
        struct cd_relay_answer answer;
        struct cd_error err = { 0 };

        *ret = (struct cd_relay_result){ .reason = cd_str_from_c(end->reason) };
        if (end->result == CD_RELAY_CALL_UNREACHABLE) {
                ret->page.kind = CD_RELAY_PAGE_UNREACHABLE;
        } else if (end->result == CD_RELAY_CALL_LOST) {
                ret->page.kind = CD_RELAY_PAGE_LOST;
        } else if (cd_relay_read_answer(route->encoding, arena, end->answer, &answer, &err) != CD_OK) {
                ret->page.kind = CD_RELAY_PAGE_LOST;
                ret->reason = cd_arena_printf(arena, "the answer cannot be read: %s", err.reason);
        } else {
                ret->page.kind = kind_of(answer.outcome);
                ret->page.message = shorten(answer.message);
                ret->is_delivered = true;
        }
        ret->page.status =
                end->is_late && ret->page.kind == CD_RELAY_PAGE_LOST ? 504 : cd_relay_page_status(ret->page.kind);
}
