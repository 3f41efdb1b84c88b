#include "portal/template.h"

/* Where a value is looked up: the view, the page's fields, and the row of each {{each}} around. */
struct run {
        const void *frames[CD_TEMPLATE_FRAMES];
        size_t depth; /* of `frames` in use */
        const struct cd_template *page;
        const struct cd_texts *texts;
        struct cd_buf *buf;
};

struct list {
        const void *items;
        size_t count;
};

static const char *entity_of(char c)
{
        switch (c) {
        case '&':
                return "&amp;";
        case '<':
                return "&lt;";
        case '>':
                return "&gt;";
        case '"':
                return "&quot;";
        case '\'':
                return "&#39;";
        default:
                return NULL;
        }
}

/* As cd_html_escape or, for a line of plain text, without entities, and a line end becomes U+FFFD too. */
static void escape(struct cd_buf *buf, cd_str text, bool is_plain)
{
        while (text.len > 0) {
                const char *entity = is_plain ? NULL : entity_of(*text.ptr);
                size_t length = cd_str_safe_sequence(text);

                if (entity)
                        cd_buf_add(buf, cd_str_from_c(entity));
                else if (length > 0)
                        cd_buf_add(buf, cd_str_of(text.ptr, length));
                else if (*text.ptr == '\n' && !is_plain)
                        cd_buf_add_char(buf, '\n');
                else
                        cd_buf_add(buf, CD_STR("\xef\xbf\xbd"));
                /* A whole character that deceives is one U+FFFD; a byte that begins no character is one too. */
                if (length == 0)
                        length = cd_str_utf8_sequence(text);
                text = cd_str_slice(text, length > 0 ? length : 1, text.len);
        }
}

void cd_html_escape(struct cd_buf *buf, cd_str text)
{
        escape(buf, text, false);
}

static const void *member_of(const struct run *run, struct cd_slot slot)
{
        return (const char *)run->frames[slot.frame] + slot.offset;
}

/* The member's type is known from `slot.type`; memcpy, since the type of a list's items differs. */
static struct list list_of(const struct run *run, struct cd_slot slot)
{
        struct list list;

        memcpy(&list, member_of(run, slot), sizeof(list));
        return list;
}

static bool is_shown(cd_time at)
{
        return at > 0 && at <= 253402300799; /* 9999-12-31T23:59:59Z */
}

/* The number that chooses a plural form, and whether there is anything to show. */
static uint64_t number_of(const struct run *run, struct cd_slot slot)
{
        const void *member = member_of(run, slot);

        switch ((enum cd_slot_type)slot.type) {
        case CD_SLOT_STR:
                return ((const cd_str *)member)->len;
        case CD_SLOT_INT: {
                int64_t value = *(const int64_t *)member;
                return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
        }
        case CD_SLOT_BOOL:
                return *(const bool *)member;
        case CD_SLOT_SIZE:
                return *(const size_t *)member;
        case CD_SLOT_MESSAGE:
                return ((const struct cd_page_message *)member)->id;
        case CD_SLOT_TIME:
                return is_shown(((const struct cd_page_time *)member)->at);
        case CD_SLOT_LIST:
                return list_of(run, slot).count;
        }
        return 0;
}

static void write_time(struct cd_buf *buf, cd_time at)
{
        char text[CD_RFC3339_LEN];

        if (!is_shown(at))
                return;
        cd_time_format_rfc3339(at, text);
        cd_buf_add(buf, cd_str_of(text, 10));
        cd_buf_add_char(buf, ' ');
        cd_buf_add(buf, cd_str_of(text + 11, 5));
        cd_buf_add(buf, CD_STR(" UTC"));
}

cd_str cd_text_form(const struct cd_texts *texts, size_t number, unsigned form)
{
        const struct cd_text *text = &texts->texts[number];
        cd_str rest = cd_str_of(texts->bytes + text->at, text->len), first = rest, found;

        for (unsigned i = 0; cd_str_take_until(&rest, '\0', &found); i++) {
                if (i == 0)
                        first = found;
                if (i == form)
                        return found;
        }
        return first;
}

static cd_str form_of(const struct cd_texts *texts, size_t number, uint64_t count)
{
        return cd_text_form(texts, number, texts->texts[number].english ? count != 1 : texts->plural(count));
}

static void write_message(const struct run *run, const struct cd_page_message *message)
{
        const struct cd_texts *texts = run->texts;
        cd_str before;

        if (message->id == 0 || message->id > texts->message_count)
                return;
        cd_str form = form_of(texts, texts->messages[message->id - 1], (uint64_t)message->count);
        /* A message has no slot but its count, whose letter is "a". */
        for (bool first = true; cd_str_take_until(&form, '\x01', &before); first = false) {
                if (!first)
                        cd_buf_add_i64(run->buf, message->count);
                cd_buf_add(run->buf, first ? before : cd_str_slice(before, 1, before.len));
        }
}

static void write_slot(const struct run *run, struct cd_slot slot)
{
        const void *member = member_of(run, slot);

        switch ((enum cd_slot_type)slot.type) {
        case CD_SLOT_STR:
                escape(run->buf, *(const cd_str *)member, run->page->is_plain);
                break;
        case CD_SLOT_INT:
                cd_buf_add_i64(run->buf, *(const int64_t *)member);
                break;
        case CD_SLOT_SIZE:
                cd_buf_add_u64(run->buf, *(const size_t *)member);
                break;
        case CD_SLOT_MESSAGE:
                write_message(run, member);
                break;
        case CD_SLOT_TIME:
                write_time(run->buf, ((const struct cd_page_time *)member)->at);
                break;
        case CD_SLOT_BOOL:
        case CD_SLOT_LIST:
                break; /* only {{if}} and {{each}} read them */
        }
}

/* In text that runs from right to left, a name or a time stays whole between U+2068 and U+2069. */
static void write_isolated(const struct run *run, struct cd_slot slot)
{
        bool isolates = run->texts->rtl && (slot.type == CD_SLOT_STR || slot.type == CD_SLOT_TIME);

        cd_buf_add(run->buf, isolates ? CD_STR("\xe2\x81\xa8") : CD_STR(""));
        write_slot(run, slot);
        cd_buf_add(run->buf, isolates ? CD_STR("\xe2\x81\xa9") : CD_STR(""));
}

static void write_text(const struct run *run, const struct cd_template_op *op)
{
        const struct cd_slot *slots = run->page->slots + op->slots;
        cd_str form = form_of(run->texts, op->text, op->slot_count ? number_of(run, slots[0]) : 1);
        cd_str part;

        for (bool first = true; cd_str_take_until(&form, '\x01', &part); first = false) {
                if (!first) {
                        write_isolated(run, slots[part.ptr[0] - 'a']);
                        part = cd_str_slice(part, 1, part.len);
                }
                cd_buf_add(run->buf, part);
        }
}

static void write_ops(struct run *run, const struct cd_template_op *ops, size_t count);

static void write_each(struct run *run, const struct cd_template_op *each)
{
        struct list list = list_of(run, each->slot);
        size_t depth = run->depth++;

        for (size_t i = 0; i < list.count && !run->buf->failed; i++) {
                run->frames[depth] = (const char *)list.items + i * each->stride;
                write_ops(run, each + 1, each->skip);
        }
        run->depth = depth;
}

static void write_ops(struct run *run, const struct cd_template_op *ops, size_t count)
{
        for (size_t i = 0; i < count; i++) {
                const struct cd_template_op *op = &ops[i];

                switch ((enum cd_template_op_kind)op->kind) {
                case CD_OP_BYTES:
                        cd_buf_add(run->buf, cd_str_of(run->page->bytes + op->at, op->len));
                        break;
                case CD_OP_SLOT:
                        write_slot(run, op->slot);
                        break;
                case CD_OP_TEXT:
                        write_text(run, op);
                        break;
                case CD_OP_IF:
                        i += number_of(run, op->slot) == 0 ? op->skip : 0;
                        break;
                case CD_OP_ELSE:
                        i += op->skip;
                        break;
                case CD_OP_EACH:
                        write_each(run, op);
                        i += op->skip;
                        break;
                case CD_OP_LANG:
                        cd_buf_add(run->buf, run->texts->tag);
                        break;
                case CD_OP_DIR:
                        cd_buf_add(run->buf, run->texts->rtl ? CD_STR("rtl") : CD_STR("ltr"));
                        break;
                }
        }
}

void cd_template_write(const struct cd_template *page, const struct cd_texts *texts, const void *view,
                       const void *fields, struct cd_buf *buf)
{
        struct run run = { .frames = { view, fields }, .depth = 2, .page = page, .texts = texts, .buf = buf };

        write_ops(&run, page->ops, page->count);
}
